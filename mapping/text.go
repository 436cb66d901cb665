package mapping

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxTextLength is how many code points a field's text may have, white space around
// it left out.
const MaxTextLength = 1024

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
	var room [256]byte
	plain, err := jsontext.AppendUnquote(room[:0], m.value)
	trimmed := bytes.TrimSpace(plain)
	switch {
	case err != nil:
		return refuse(BadText, notText)
	case bytes.IndexByte(plain, 0) >= 0:
		return refuse(BadText, "holds U+0000")
	case len(trimmed) > MaxTextLength && utf8.RuneCount(trimmed) > MaxTextLength:
		return refuse(TooLong, "longer than 1,024 code points")
	}
	return string(trimmed), nil
}
