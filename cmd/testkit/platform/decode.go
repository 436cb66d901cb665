package platform

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxBody bounds a request's body in bytes; the endpoint's longest event, every
// text at 1,024 four-byte characters and percent-encoded, stays far below.
const maxBody = 1 << 20

// decode reads the parameters of a request. A request that cannot be read has
// the answer that says so, beside what could be read.
func decode(r *http.Request) (map[string]string, answer) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, badParam("body", "cannot be read")
	case len(body) > maxBody:
		return nil, badParam("body", "too large")
	case r.Method != http.MethodPost:
		return nil, badParam("method", "must be POST")
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, badParam("Content-Type", "cannot be read")
	}
	p := parameters{values: make(map[string]string, 14)}
	switch media {
	case "application/x-www-form-urlencoded":
		p.form(string(body), isUTF8(params["charset"]))
	case "multipart/form-data":
		p.multipart(string(body), params["boundary"])
	default:
		return nil, badParam("Content-Type", "must be a form or multipart")
	}
	return p.values, p.refusal
}

// parameters gathers what a body holds, and the first reason to refuse it.
type parameters struct {
	values  map[string]string
	refusal answer
}

func (p *parameters) refuse(field, why string) {
	if p.refusal.code == "" {
		p.refusal = badParam(field, why)
	}
}

// add takes one parameter. Where the charset was not stated as UTF-8, what is
// not ASCII is lost, one "?" for each character, as the platform's own example
// of a 401 shows.
func (p *parameters) add(name, value string, utf8Stated bool) {
	if _, twice := p.values[name]; twice {
		p.refuse(name, "sent twice")
		return
	}
	if !utf8.ValidString(name) || !utf8.ValidString(value) {
		p.refuse(strings.ToValidUTF8(name, "?"), "not UTF-8")
		value = strings.ToValidUTF8(value, "?")
	}
	if !utf8Stated {
		value = strings.Map(func(r rune) rune {
			if r >= utf8.RuneSelf {
				return '?'
			}
			return r
		}, value)
	}
	p.values[name] = value
}

func (p *parameters) form(body string, utf8Stated bool) {
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			p.refuse("body", "bad escape in a name")
			continue
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			p.refuse(name, "bad escape")
			continue
		}
		p.add(name, value, utf8Stated)
	}
}

func (p *parameters) multipart(body, boundary string) {
	if boundary == "" {
		p.refuse("Content-Type", "without a boundary")
		return
	}
	reader := multipart.NewReader(strings.NewReader(body), boundary)
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			p.refuse("body", "not multipart")
			return
		}
		media, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		value, readErr := io.ReadAll(part)
		switch {
		case readErr != nil:
			p.refuse("body", "not multipart")
			return
		case part.FormName() == "":
			p.refuse("body", "a part without a name")
		case part.FileName() != "":
			p.refuse(part.FormName(), "a file")
		default:
			p.add(part.FormName(), string(value), err == nil && media == "text/plain" && isUTF8(params["charset"]))
		}
	}
}

func isUTF8(charset string) bool { return strings.EqualFold(charset, "utf-8") }
