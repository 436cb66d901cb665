package mapping

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxTextLength is how many code points a field's text may have, white space around
// it left out.
const MaxTextLength = 1024

// unquoted returns what a string holds, and whether that is sound. Most have no escapes.
func (m member) unquoted() (plain []byte, sound bool) {
	if bytes.IndexByte(m.value, '\\') < 0 {
		plain = m.value[1 : len(m.value)-1]
		return plain, utf8.Valid(plain)
	}
	plain, err := jsontext.AppendUnquote(nil, m.value)
	return plain, err == nil
}

// text returns what a member holds for f: a string without white space around it, or
// a number as it is written; "" where it is absent, null, blank or refused.
func (m member) text(f field) (string, *Error) {
	refuse := func(r Reason, detail string) (string, *Error) {
		return "", &Error{Reason: r, Field: f.name(), Detail: detail, Offset: m.at}
	}
	switch kind := m.value.Kind(); {
	case kind == jsontext.KindInvalid || kind == jsontext.KindNull: // invalid: no value at all
		return "", nil
	case kind == jsontext.KindNumber && !f.isText():
		return string(m.value), nil
	case kind != jsontext.KindString && f.isText():
		return refuse(WrongType, "not a string")
	case kind != jsontext.KindString:
		return refuse(WrongType, "neither a string nor a number")
	}
	plain, sound := m.unquoted()
	trimmed := bytes.TrimSpace(plain)
	switch {
	case !sound:
		return refuse(BadText, notText)
	case bytes.IndexByte(plain, 0) >= 0:
		return refuse(BadText, "holds U+0000")
	case len(trimmed) > MaxTextLength && utf8.RuneCount(trimmed) > MaxTextLength:
		return refuse(TooLong, "longer than 1,024 code points")
	}
	return string(trimmed), nil
}
