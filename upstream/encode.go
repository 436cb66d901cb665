package upstream

import (
	"bytes"
	"mime/multipart"
	"net/textproto"
	"strings"
)

// Encoding is how the parameters travel in the body of the POST: the values of
// UPSTREAM_ENCODING.
type Encoding string

// The encodings that the platform takes, both in UTF-8. The charset is stated: a
// platform that guesses another one signs another text.
const (
	// Form is application/x-www-form-urlencoded; the zero Encoding means it too.
	Form Encoding = "form"
	// Multipart is multipart/form-data, as the platform's sample of this endpoint sends it.
	Multipart Encoding = "multipart"
)

// Choices are the values.
func (Encoding) Choices() []string { return []string{string(Form), string(Multipart)} }

const (
	formType = "application/x-www-form-urlencoded; charset=UTF-8"
	partType = "text/plain; charset=UTF-8"
)

// encode returns a fresh body with params and the signature, and its content
// type. The body must be fresh for each delivery: net/http may still read it
// after the answer has come.
func (e Encoding) encode(params []Param, sign string) (body []byte, contentType string) {
	switch e {
	case Form:
		return encodeForm(params, sign), formType
	case Multipart:
		return encodeMultipart(params, sign)
	}
	panic("upstream: no such encoding: " + string(e)) // New refuses it
}

func encodeForm(params []Param, sign string) []byte {
	size := len(nameSign) + len(sign) + 2
	for _, p := range params {
		size += len(p.Name) + len(p.Value) + 2
	}
	body := make([]byte, 0, size+size/2)
	for _, p := range params {
		body = appendEscaped(body, p.Name)
		body = append(body, '=')
		body = appendEscaped(body, p.Value)
		body = append(body, '&')
	}
	body = append(body, nameSign+"="...)
	return append(body, sign...)
}

// appendEscaped is url.QueryEscape without its string.
func appendEscaped(to []byte, text string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~':
			to = append(to, c)
		case c == ' ':
			to = append(to, '+')
		default:
			to = append(to, '%', digits[c>>4], digits[c&15])
		}
	}
	return to
}

func encodeMultipart(params []Param, sign string) (body []byte, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part := func(name, value string) {
		head := textproto.MIMEHeader{
			"Content-Disposition": {`form-data; name="` + partName.Replace(name) + `"`},
			"Content-Type":        {partType},
		}
		// Writing to a buffer cannot fail.
		to, _ := w.CreatePart(head)
		_, _ = to.Write([]byte(value))
	}
	for _, p := range params {
		part(p.Name, p.Value)
	}
	part(nameSign, sign)
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// partName escapes what would end a quoted name (WHATWG, multipart/form-data).
var partName = strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, "%22")
