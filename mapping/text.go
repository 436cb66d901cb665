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
	noDigits      = "a number that is not whole, or not written in digits"
	noCode        = "a code that the mapping file does not have"
	holdsNUL      = "holds U+0000"
	longText      = "longer than 1,024 code points"
	requiredField = "required, but absent, null or blank"
)

// raw is the member's JSON text.
func (m *member) raw(wholes *[2]string) string {
	if whole := wholes[m.whole]; whole != "" {
		return whole[m.in : m.in+len(m.value)]
	}
	return string(m.value)
}

// unquoted returns the content of a string, and whether it is valid; of a text that was judged it
// is. Most have no escapes.
func (m *member) unquoted(judged bool, wholes *[2]string) (plain string, sound bool) {
	if bytes.IndexByte(m.value, '\\') >= 0 {
		resolved, err := jsontext.AppendUnquote(nil, m.value)
		return string(resolved), err == nil
	}
	plain = m.raw(wholes)
	plain = plain[1 : len(plain)-1]
	return plain, judged || utf8.ValidString(plain)
}

// text returns the text of a member that is there for a rule: a string without white space around it, or a
// number as it is written; "" if it is null, blank or refused. The error tells neither field nor place.
func (m *member) text(r *rule, judged bool, wholes *[2]string) (string, *Error) {
	ofText := r.field.Kind == Text && r.codes == nil
	switch kind := m.value.Kind(); {
	case m.twice:
		return "", &Error{Reason: DuplicateKey, Detail: keyTwice}
	case kind == jsontext.KindNull:
		return "", nil
	case kind == jsontext.KindNumber && ofText && r.digits && (bytes.ContainsAny(m.value, ".eE") || len(m.value) > MaxTextLength):
		return "", &Error{Reason: WrongType, Detail: noDigits}
	case kind == jsontext.KindNumber && (!ofText || r.digits):
		return m.raw(wholes), nil
	case kind != jsontext.KindString && ofText && !r.digits:
		return "", &Error{Reason: WrongType, Detail: noString}
	case kind != jsontext.KindString:
		return "", &Error{Reason: WrongType, Detail: noScalar}
	}
	return plainText(m.unquoted(judged, wholes))
}

// plainText is a text without white space around it, as far as it may be sent; sound: it is valid UTF-8.
func plainText(plain string, sound bool) (string, *Error) {
	trimmed := strings.TrimSpace(plain)
	switch {
	case !sound:
		return "", &Error{Reason: BadText, Detail: notText}
	case strings.IndexByte(plain, 0) >= 0:
		return "", &Error{Reason: BadText, Detail: holdsNUL}
	case len(trimmed) > MaxTextLength && utf8.RuneCountInString(trimmed) > MaxTextLength:
		return "", &Error{Reason: TooLong, Detail: longText}
	}
	return trimmed, nil
}
