package upstream

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// maxBody is how many bytes of an answer are read, after decompression. The platform's
// answers have some hundred bytes.
const maxBody = 64 << 10

// reply is the content of a readable body.
type reply struct {
	code                 string // not trimmed
	message, hint, seqno string // "" if missing or not a string
	// hinted says that there is a hint other than null and the empty string. For the
	// verdict a hint of any type counts.
	hinted bool
}

// Why a body is unreadable.
var (
	errBodyEmpty   = errors.New("the body is empty")
	errBodyTooLong = errors.New("the body is longer than 64 KiB")
	errBodyCut     = errors.New("the body is cut off")
	errBodyNoCode  = errors.New("the body is not one JSON object with one code")
)

// readBody reads the body to its end, so that the connection can be reused, and closes
// it. The error is one of the above; if reading failed, errBodyCut joined with the cause.
func readBody(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// There is no body (RFC 9110, 15.2.2), and net/http hands over the connection:
		// no time-out would end reading it.
		return nil, errBodyEmpty
	}
	if resp.ContentLength > maxBody {
		return nil, errBodyTooLong
	}
	var body []byte
	var err error
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), encodingGzip) {
		body, err = readPacked(resp.Body)
	} else {
		body, err = readAll(resp.Body, int(resp.ContentLength))
	}
	switch {
	case err != nil:
		return nil, errors.Join(errBodyCut, err)
	case len(body) > maxBody:
		return nil, errBodyTooLong
	case len(body) == 0:
		return nil, errBodyEmpty
	}
	return body, nil
}

// encodingGzip is the only content coding requested (RFC 9110, 8.4.1.3).
const encodingGzip = "gzip"

var unpackers = sync.Pool{New: func() any { return new(gzip.Reader) }}

// readPacked reads gzip.
func readPacked(from io.Reader) ([]byte, error) {
	u := unpackers.Get().(*gzip.Reader)
	defer unpackers.Put(u)
	switch err := u.Reset(from); {
	case err == io.EOF: //nolint:errorlint // gzip.Reader's contract: nothing at all
		return nil, nil
	case err != nil:
		return nil, err
	}
	return readAll(u, -1)
}

// readAll reads to the end, or until it has more than maxBody bytes. announced is the
// expected length, below 0 if unknown.
func readAll(from io.Reader, announced int) ([]byte, error) {
	room := 512
	if announced >= 0 {
		room = announced + 1 // one more, to reach the end without growing
	}
	b := make([]byte, 0, room)
	for len(b) <= maxBody {
		if len(b) == cap(b) {
			b = slices.Grow(b, len(b))
		}
		n, err := from.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF: //nolint:errorlint // io.Reader's contract: EOF itself
			return b, nil
		case err != nil:
			return b, err
		}
	}
	return b, nil
}

// decoders keeps decoders with their buffers for the next answer.
var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// lenient allows what does not affect the verdict, which depends on code alone: other
// names twice, and text that is not UTF-8 (a message in GBK).
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// parseReply reads a body. It must be one JSON object and nothing else, with exactly one
// code: a string, or a number of digits. The only error is errBodyNoCode.
func parseReply(body []byte) (reply, error) {
	d := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(d)
	d.Reset(bytes.NewBuffer(body), lenient...)
	var r reply
	if !r.read(d) {
		return reply{}, errBodyNoCode
	}
	return r, nil
}

// read fills r from d and reports whether all of it was readable.
func (r *reply) read(d *jsontext.Decoder) bool {
	if begin, err := d.ReadToken(); err != nil || begin.Kind() != '{' {
		return false
	}
	codes := 0
	var room [64]byte
	for d.PeekKind() == '"' {
		quoted, err := d.ReadValue()
		if err != nil {
			return false
		}
		name, _ := jsontext.AppendUnquote(room[:0], quoted) // before the next read, which overwrites it
		value, err := d.ReadValue()
		if err != nil {
			return false
		}
		switch string(name) {
		case "code":
			codes++
			var whole bool
			if r.code, whole = wholeNumber(value); !whole {
				if value.Kind() != '"' {
					return false
				}
				r.code = text(value)
			}
		case "message":
			r.message = text(value)
		case "hint":
			r.hint = text(value)
			r.hinted = r.hinted || r.hint != "" || value.Kind() != '"' && value.Kind() != 'n'
		case "seqno":
			r.seqno = text(value)
		}
	}
	if _, err := d.ReadToken(); err != nil { // '}', or what should be one
		return false
	}
	// Only white space may follow the object.
	_, err := d.ReadToken()
	return codes == 1 && errors.Is(err, io.EOF)
}

// text returns the content of a JSON string, or "" for any other value.
func text(value jsontext.Value) string {
	if value.Kind() != '"' {
		return ""
	}
	// A string that is not UTF-8 gives an error and the text.
	var room [128]byte
	plain, _ := jsontext.AppendUnquote(room[:0], value)
	return string(plain)
}

// wholeNumber returns a number of digits: no sign, point or exponent.
func wholeNumber(value jsontext.Value) (string, bool) {
	for _, c := range value {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	return string(value), len(value) > 0
}
