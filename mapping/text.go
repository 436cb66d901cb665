package mapping

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxTextLength is how many code points a field's text may have, without the white space
// around it.
const MaxTextLength = 1024

// Phrases of Error.Detail for the text of a field.
const (
	noString      = "not a string"
	noScalar      = "neither a string nor a number"
	holdsNUL      = "holds U+0000"
	longText      = "longer than 1,024 code points"
	requiredField = "required, but absent, null or blank"
)

// raw is the member's JSON text. If whole, the value as a string, is not "", it is a part of it.
func (m member) raw(whole string) string {
	if whole != "" {
		return whole[m.at : m.at+len(m.value)]
	}
	return string(m.value)
}

// unquoted returns the content of a string, and whether it is valid. Most have no escapes.
func (m member) unquoted(whole string) (plain string, sound bool) {
	if bytes.IndexByte(m.value, '\\') >= 0 {
		resolved, err := jsontext.AppendUnquote(nil, m.value)
		return string(resolved), err == nil
	}
	plain = m.raw(whole)
	plain = plain[1 : len(plain)-1]
	return plain, utf8.ValidString(plain)
}

// text returns a member's text for f: a string without white space around it, or a number
// as it is written; "" if it is absent, null, blank or refused.
func (m member) text(f field, whole string) (string, *Error) {
	refuse := func(r Reason, detail string) (string, *Error) {
		return "", &Error{Reason: r, Field: f.name(), Detail: detail, Offset: m.at}
	}
	switch kind := m.value.Kind(); {
	case kind == jsontext.KindInvalid || kind == jsontext.KindNull: // invalid: no value at all
		return "", nil
	case kind == jsontext.KindNumber && table[f].Kind != Text:
		return m.raw(whole), nil
	case kind != jsontext.KindString && table[f].Kind == Text:
		return refuse(WrongType, noString)
	case kind != jsontext.KindString:
		return refuse(WrongType, noScalar)
	}
	plain, sound := m.unquoted(whole)
	trimmed := strings.TrimSpace(plain)
	switch {
	case !sound:
		return refuse(BadText, notText)
	case strings.IndexByte(plain, 0) >= 0:
		return refuse(BadText, holdsNUL)
	case len(trimmed) > MaxTextLength && utf8.RuneCountInString(trimmed) > MaxTextLength:
		return refuse(TooLong, longText)
	}
	return trimmed, nil
}
