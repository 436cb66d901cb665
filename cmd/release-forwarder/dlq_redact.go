package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"release-forwarder/cmd/release-forwarder/visible"
	"release-forwarder/mapping"
)

// What of a dead letter may be shown without --reveal: personal fields
// by their first character and length; the record's key, its headers'
// values and a value that cannot be parsed by length alone; of members that the
// API does not know, their number.

// redact shows the first character of a text and how many there are.
func redact(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	if !unicode.IsPrint(first) || first == utf8.RuneError && size == 1 {
		first = '?'
	}
	return fmt.Sprintf("%c… (%d)", first, utf8.RuneCountInString(text))
}

// maxShown bounds a text within a line, in code points. The place of a record fits.
const maxShown = 300

// clean is a text of Kafka's within a line: it ends no line, and does not fill the screen.
// JSON takes texts as they are.
func clean(text string) string {
	n := 0
	for i := range text {
		if n++; n > maxShown {
			return visible.Line(text[:i]) + "…"
		}
	}
	return visible.Line(text)
}

// shownMember is one member of an event, as it may be shown.
type shownMember struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// shownEvent is an event as it may be shown.
type shownEvent struct {
	Members []shownMember `json:"members"`
	// Others is how many members the API does not know; revealed they are among
	// the others.
	Others int `json:"other_members,omitempty"`
	// More is how many there are beyond those that are shown.
	More int `json:"more_members,omitempty"`
}

// maxMembers bounds the members of an event that are shown: a name may come any number
// of times.
const maxMembers = 1000

// errNoObject says that a value is not wholly one JSON object.
var errNoObject = errors.New("not one JSON object")

// showEvent reads the members of an event, in their order. It takes what the
// mapping refuses, keys that come twice and bad text, since that is what dead letters
// hold.
func showEvent(value []byte, reveal bool) (*shownEvent, error) {
	event := &shownEvent{Members: []shownMember{}}
	err := eachMember(value, func(name string, raw jsontext.Value) error {
		f, known := mapping.FieldOf(name)
		switch {
		case len(event.Members) == maxMembers && (known || reveal):
			event.More++
		case reveal && !known:
			event.Members = append(event.Members, shownMember{name, string(raw)})
		case !known:
			event.Others++
		default:
			event.Members = append(event.Members, shownMember{name, showValue(raw, f.Personal && !reveal)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return event, nil
}

// eachMember calls f for each member of the object that value must be.
func eachMember(value []byte, f func(name string, raw jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return errNoObject
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return errNoObject
		}
		text := name.String()
		raw, err := d.ReadValue()
		if err != nil {
			return errNoObject
		}
		if err := f(text, raw); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return errNoObject
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errNoObject
	}
	return nil
}

// showValue shows a member's value: texts without their quotes, others as what
// they are.
func showValue(raw jsontext.Value, redacted bool) string {
	text := string(raw)
	switch raw.Kind() {
	case '"':
		plain, err := jsontext.AppendUnquote(nil, raw)
		if err != nil && len(plain) == 0 {
			plain = bytes.Trim(raw, `"`)
		}
		text = string(plain)
		if redacted {
			return redact(text)
		}
		return text
	case '{', '[':
		what := map[jsontext.Kind]string{'{': "an object", '[': "an array"}[raw.Kind()]
		return fmt.Sprintf("(%s of %s bytes)", what, number(len(raw)))
	case 'n':
		return "(null)"
	}
	if redacted {
		text = redact(text)
	}
	return "(not a text) " + text
}

// showText shows a text of the platform, which may repeat what was sent to it.
func showText(text string, reveal bool) string {
	if reveal {
		return text
	}
	return redact(text)
}

// columns keeps a streaming table's columns apart; a longer cell moves its line
// alone.
func columns(widths []int, cells ...string) string {
	var b strings.Builder
	for i, cell := range cells {
		cell = clean(cell)
		b.WriteString(cell)
		if i+1 < len(cells) {
			b.WriteString(strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(cell))+2))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// sortedByCount gives the keys of counts, the largest first.
func sortedByCount(counts map[string]int) []string {
	var keys []string
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	return keys
}
