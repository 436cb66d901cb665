package redact

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/visible"
	"release-forwarder/mapping"
)

// What of a dead letter may be shown without --reveal: personal fields
// by their first character and length; the record's key, its headers'
// values and a value that cannot be parsed by length alone; of members that the
// API does not know, their number.

// Text shows the first character of a text and its length in code points, as "粤… (7)"; "" for "".
func Text(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	if !unicode.IsPrint(first) || first == utf8.RuneError && size == 1 {
		first = '?'
	}
	return fmt.Sprintf("%c… (%d)", first, utf8.RuneCountInString(text))
}

// MaxShown bounds a text within a line, in code points. A topic/partition/offset fits.
const MaxShown = 300

// Clean returns a text from Kafka for use within a line: line ends escaped, cut after MaxShown
// code points. JSON output does not need it.
func Clean(text string) string {
	n := 0
	for i := range text {
		if n++; n > MaxShown {
			return visible.Line(text[:i]) + "…"
		}
	}
	return visible.Line(text)
}

// Member is one member of an event, as it may be shown.
type Member struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Event is an event as it may be shown.
type Event struct {
	Members []Member `json:"members"`
	// Others is how many members the API does not know; with --reveal they are in
	// Members instead.
	Others int `json:"other_members,omitempty"`
	// More is how many members there are beyond those in Members.
	More int `json:"more_members,omitempty"`
}

// maxMembers bounds the members of an event that are shown: one name may occur any number
// of times.
const maxMembers = 1000

// ErrNoObject is the error of a value that is not exactly one JSON object.
var ErrNoObject = errors.New("not one JSON object")

// ShowEvent returns the members of an event, in their order, at most maxMembers. Personal fields of the endpoint are
// redacted unless reveal is set. It accepts what the mapping refuses (duplicate keys, bad text), since dead letters hold such events.
// The error is [ErrNoObject].
func ShowEvent(e *mapping.Endpoint, value []byte, reveal bool) (*Event, error) {
	event := &Event{Members: []Member{}}
	err := EachMember(value, func(name string, raw jsontext.Value) error {
		f, known := e.Field(name)
		switch {
		case len(event.Members) == maxMembers && (known || reveal):
			event.More++
		case reveal && !known:
			event.Members = append(event.Members, Member{name, string(raw)})
		case !known:
			event.Others++
		default:
			event.Members = append(event.Members, Member{name, ShowValue(raw, f.Personal && !reveal)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return event, nil
}

// EachMember calls f for each member of the JSON object in value, in order, until f returns an error. It returns that
// error, or [ErrNoObject].
func EachMember(value []byte, f func(name string, raw jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return ErrNoObject
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return ErrNoObject
		}
		text := name.String()
		raw, err := d.ReadValue()
		if err != nil {
			return ErrNoObject
		}
		if err := f(text, raw); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return ErrNoObject
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return ErrNoObject
	}
	return nil
}

// ShowValue shows a member's value: a text without its quotes, of an object or array only the size in bytes, anything
// else marked as not a text. redacted reduces texts as [Text] does.
func ShowValue(raw jsontext.Value, redacted bool) string {
	text := string(raw)
	switch raw.Kind() {
	case '"':
		plain, err := jsontext.AppendUnquote(nil, raw)
		if err != nil && len(plain) == 0 {
			plain = bytes.Trim(raw, `"`)
		}
		text = string(plain)
		if redacted {
			return Text(text)
		}
		return text
	case '{', '[':
		what := map[jsontext.Kind]string{'{': "an object", '[': "an array"}[raw.Kind()]
		return fmt.Sprintf("(%s of %s bytes)", what, console.Number(len(raw)))
	case 'n':
		return "(null)"
	}
	if redacted {
		text = Text(text)
	}
	return "(not a text) " + text
}

// ShowText shows a text of the platform, redacted unless reveal is set: it may repeat what was sent to the platform.
func ShowText(text string, reveal bool) string {
	if reveal {
		return text
	}
	return Text(text)
}

// Columns writes one line of a table that is printed as it comes: each cell cleaned and padded to its width, in
// characters. A longer cell shifts only its own line.
func Columns(widths []int, cells ...string) string {
	var b strings.Builder
	for i, cell := range cells {
		cell = Clean(cell)
		b.WriteString(cell)
		if i+1 < len(cells) {
			b.WriteString(strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(cell))+2))
		}
	}
	return strings.TrimRight(b.String(), " ")
}
