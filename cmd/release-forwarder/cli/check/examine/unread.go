package examine

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"release-forwarder/mapping"
)

// Unread calls found for each name in a value that no profile reads: its path from the whole value, as a
// mapping file would have it. What stands within such a name is not told, and of a list only what is in
// elements that are read.
func Unread(m *mapping.Mapper, value []byte, found func(path string)) {
	w := walker{m: m, found: found}
	if len(value) > confluentBytes && value[0] == 0 {
		value = value[confluentBytes:]
	}
	if raw := jsontext.Value(value); raw.Kind() == jsontext.KindBeginObject {
		w.in(raw, false)
	}
}

// confluentBytes are those of the Confluent wire format before a value. No JSON begins with a zero byte.
const confluentBytes = 5

// walker is the state of Unread.
type walker struct {
	m     *mapping.Mapper
	found func(path string)
	path  []string
}

// in goes over a value in which something is read; inside a string that holds JSON too, but not inside one
// in that.
func (w *walker) in(raw jsontext.Value, parsed bool) {
	switch raw.Kind() {
	case jsontext.KindBeginObject:
		w.members(raw, parsed)
	case jsontext.KindBeginArray:
		d := jsontext.NewDecoder(bytes.NewBuffer(raw), lenient...)
		_, _ = d.ReadToken()
		for i := 0; d.PeekKind() != jsontext.KindEndArray; i++ {
			v, err := d.ReadValue()
			if err != nil {
				return
			}
			w.at(strconv.Itoa(i), v, parsed, func() {})
		}
	case jsontext.KindString:
		if text, err := jsontext.AppendUnquote(nil, raw); err == nil && !parsed {
			w.in(text, true)
		}
	}
}

// members goes over those of an object.
func (w *walker) members(raw jsontext.Value, parsed bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), lenient...)
	_, _ = d.ReadToken()
	for d.PeekKind() == jsontext.KindString {
		key, _ := d.ReadToken()
		name := key.String()
		v, err := d.ReadValue()
		if err != nil {
			return
		}
		w.at(name, v, parsed, func() { w.found(written(append(slices.Clone(w.path), name))) })
	}
}

// at looks at one member or element.
func (w *walker) at(name string, v jsontext.Value, parsed bool, unread func()) {
	w.path = append(w.path, name)
	there, within := w.m.Reads(w.path)
	if within {
		w.in(v, parsed)
	}
	w.path = w.path[:len(w.path)-1]
	if !there {
		unread()
	}
}

// written is a path as a mapping file has it. A name that could be somebody's, a plate or a number, is *.
func written(path []string) string {
	for i, name := range path {
		switch {
		case personal(name):
			path[i] = "*"
		case name == "" || strings.ContainsAny(name, `."`) || strings.TrimSpace(name) != name:
			path[i] = strconv.Quote(name)
		}
	}
	return strings.Join(path, ".")
}

// personal reports whether a name may be a value: it has three digits or more, or is longer than a name is.
func personal(name string) bool {
	const longest, digits = 40, 3
	n := 0
	for _, r := range name {
		if unicode.IsDigit(r) {
			n++
		}
	}
	return n >= digits || utf8.RuneCountInString(name) > longest
}
