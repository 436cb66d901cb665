package examine

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"release-forwarder/mapping"
)

// Phrases of mapping.Details for what is found here.
const (
	keyTwice = "the key is there twice"
	notText  = "not UTF-8, or half of a surrogate pair"
)

// strict and lenient read JSON: with bad text it ends, or goes on.
var (
	strict  = []jsontext.Options{jsontext.AllowDuplicateNames(true)}
	lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
)

// keys goes over the members of one JSON object. It takes what is wrong with text and keys, and the
// keys that are not the API's. Of a field that is there twice it returns the last alone: those before are
// blank, and nothing moves.
func (x *examiner) keys(value []byte) []byte {
	d := jsontext.NewDecoder(bytes.NewBuffer(value), lenient...)
	_, _ = d.ReadToken()     // the object begins; the caller has read all of it
	seen := map[string]int{} // how often each key was there
	last := lastOnly{value: value, members: map[string]*member{}}
	for d.PeekKind() == jsontext.KindString {
		key, at := next(d, value)
		name, err := jsontext.AppendUnquote(nil, key)
		f, known := mapping.BuiltIn().Field(string(name))
		switch {
		case err != nil:
			x.badText("", key, at)
		case seen[string(name)] == 1:
			x.addMoved(&mapping.Error{Reason: mapping.DuplicateKey, Field: f.Name, Detail: keyTwice, Offset: at}, Guess{})
		case !known && seen[string(name)] == 0:
			x.found.Ignored = append(x.found.Ignored, string(name))
		}
		if err == nil {
			seen[string(name)]++
		}
		last.member(f.Name, at)
		raw, at := next(d, value)
		x.badText(f.Name, raw, at)
	}
	return last.value
}

// lastOnly is an object with all but the last of each field's members blank.
type lastOnly struct {
	value   []byte
	copied  bool
	members map[string]*member // by field
	open    *member            // of which the end is not known yet
}

// member is where a member of an object begins, and where the next does.
type member struct{ at, end int }

// member takes a member that begins; "" is not a field.
func (l *lastOnly) member(field string, at int) {
	if l.open != nil {
		l.open.end, l.open = at, nil
	}
	if field == "" {
		return
	}
	m, again := l.members[field]
	if !again {
		m = new(member)
		l.members[field] = m
	} else {
		if !l.copied {
			l.value, l.copied = bytes.Clone(l.value), true
		}
		for i := m.at; i < m.end; i++ {
			l.value[i] = ' '
		}
	}
	m.at, l.open = at, m
}

// next is the next key or value, and where it begins.
func next(d *jsontext.Decoder, value []byte) (raw jsontext.Value, at int) {
	v, _ := d.ReadValue()
	end := int(d.InputOffset())
	return value[end-len(v) : end], end - len(v)
}

// badText takes the first text in a key or value of a field that is not valid.
func (x *examiner) badText(field string, raw jsontext.Value, at int) {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), strict...)
	var err error
	for err == nil {
		_, err = d.ReadToken()
	}
	if bad, is := errors.AsType[*jsontext.SyntacticError](err); is {
		x.addMoved(&mapping.Error{Reason: mapping.BadText, Field: field, Detail: notText, Offset: at + int(bad.ByteOffset)}, Guess{})
	}
}

// Shape is how much of an event a text holds.
type Shape int

// The shapes of a text.
const (
	NoObject    Shape = iota // no JSON object, whatever follows
	BegunObject              // the begin of one
	WholeObject
)

// ShapeOf tells whether a text is an event as a whole, so that who reads lines can see that
// one goes on. A byte order mark before it does not count.
func ShapeOf(text []byte) Shape {
	text, _ = EncodingOf(text).plain(text)
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return NoObject
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(text), lenient...)
	var err error
	for err == nil && (d.StackDepth() > 0 || d.InputOffset() == 0) && d.StackDepth() <= mapping.MaxDepth {
		_, err = d.ReadToken()
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return BegunObject
	case err == nil && d.StackDepth() == 0 && len(bytes.TrimLeft(text[d.InputOffset():], " \t\r\n")) == 0:
		return WholeObject
	}
	return NoObject
}
