package mapping

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deep an event may nest; the event itself is level 1.
const MaxDepth = 1000

// Phrases of Error.Detail for a value that is not one JSON object of valid text.
const (
	noValue      = "no value"
	noObject     = "not a JSON object"
	notJSON      = "not JSON from here on"
	cutOff       = "the value ends too early"
	trailingData = "something follows the object"
	tooDeep      = "nested too deep"
	notText      = "not UTF-8, or half of a surrogate pair"
	keyTwice     = "the key is there twice"
)

// member is the raw value of one of the event's fields; nil if absent.
type member struct {
	value jsontext.Value
	at    int // where it begins in the record's value
}

// document is the result of one pass over a record's value, at its top level.
type document struct {
	members [maxFields]member
	twice   [maxFields]bool

	// duplicate is the first key that occurs twice: any key if the text was judged, else
	// only one of the API's.
	duplicate *Error
	others    map[string]bool // the keys seen that are not the API's
}

// decoder is jsontext's working memory, reused for the next value.
type decoder struct {
	jsontext.Decoder
	in bytes.Buffer
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// jsontext does not check for duplicate keys: only those at the top level count, see note.
var (
	strict  = []jsontext.Options{jsontext.AllowDuplicateNames(true)}
	lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
)

// parse reads a value. It must be one JSON object of valid text with unique keys.
func (doc *document) parse(value []byte) *Error {
	err := doc.read(value, true)
	bad, _ := errors.AsType[*jsontext.SyntacticError](err)
	if bad != nil { // Bad syntax anywhere takes precedence over bad text before it.
		err = new(document).read(value, false)
	}
	switch refused := invalid(err); {
	case refused != nil:
		return refused
	case bad != nil:
		refused := &Error{Reason: BadText, Detail: notText, Offset: int(bad.ByteOffset)}
		for key := range bad.JSONPointer.Tokens() {
			refused.Field = fieldOf(key).name()
			break
		}
		return refused
	}
	return doc.duplicate
}

// invalid converts an error of read.
func invalid(err error) *Error {
	if refused, ok := errors.AsType[*Error](err); ok || err == nil {
		return refused
	}
	refused := &Error{Reason: InvalidJSON, Detail: notJSON, Offset: -1}
	if bad, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		refused.Offset = int(bad.ByteOffset)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		refused.Detail = cutOff
	}
	return refused
}

// read parses a value. With judgeText it also checks the text and remembers all keys. Its
// error is an *[Error], or jsontext's, whose text may quote the value.
func (doc *document) read(value []byte, judgeText bool) error {
	kept := decoders.Get().(*decoder)
	defer func() { kept.in = bytes.Buffer{}; decoders.Put(kept) }()
	d := &kept.Decoder
	options := lenient
	if judgeText {
		options = strict
	}
	kept.in = *bytes.NewBuffer(value)
	d.Reset(&kept.in, options...) // parses value without a copy
	switch begin, err := d.ReadToken(); {
	case errors.Is(err, io.EOF):
		return &Error{Reason: Empty, Detail: noValue, Offset: -1}
	case err != nil:
		return err
	case begin.Kind() != jsontext.KindBeginObject:
		return &Error{Reason: InvalidJSON, Detail: noObject, Offset: 0}
	}
	for d.PeekKind() == jsontext.KindString {
		key, err := d.ReadValue()
		if err != nil {
			return err
		}
		f := doc.note(key, int(d.InputOffset())-len(key), judgeText)
		m, err := readMember(d, value)
		if err != nil {
			return err
		}
		if f != unknown {
			doc.members[f] = m
		}
	}
	if _, err := d.ReadToken(); err != nil { // the end of the object, or what should be
		return err
	}
	if rest := bytes.TrimLeft(value[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return &Error{Reason: InvalidJSON, Detail: trailingData, Offset: len(value) - len(rest)}
	}
	return nil
}

// readMember reads the value after a key. It reads containers token by token to check
// MaxDepth, since jsontext's own limit is 10,000.
func readMember(d *jsontext.Decoder, value []byte) (member, error) {
	if k := d.PeekKind(); k != jsontext.KindBeginObject && k != jsontext.KindBeginArray {
		v, err := d.ReadValue()
		end := int(d.InputOffset())
		return member{value[end-len(v) : end], end - len(v)}, err
	}
	start := -1
	for {
		if _, err := d.ReadToken(); err != nil {
			return member{}, err
		}
		end := int(d.InputOffset())
		if start < 0 {
			start = end - 1
		}
		switch depth := d.StackDepth(); {
		case depth > MaxDepth:
			return member{}, &Error{Reason: InvalidJSON, Detail: tooDeep, Offset: end - 1}
		case depth == 1:
			return member{value[start:end], start}, nil
		}
	}
}

// note records a key, which begins at the offset at, and returns the field that it names.
func (doc *document) note(key jsontext.Value, at int, others bool) field {
	// Without others only the two of the order key are looked for.
	const longest = len(`""`) + len(`\u0000`)*len("parking_serial")
	if len(key) > longest && !others {
		return unknown
	}
	var room [longest]byte
	name := []byte(key[1 : len(key)-1])
	if bytes.IndexByte(name, '\\') >= 0 {
		name, _ = jsontext.AppendUnquote(room[:0], key) // bad text is replaced, and names no field
	}
	f, again := fieldOf(string(name)), false
	switch {
	case f != unknown:
		again = doc.members[f].value != nil
		doc.twice[f] = doc.twice[f] || again
	case others:
		again = doc.others[string(name)]
		if doc.others == nil {
			doc.others = map[string]bool{}
		}
		doc.others[string(name)] = true
	}
	if again && doc.duplicate == nil {
		doc.duplicate = &Error{Reason: DuplicateKey, Field: f.name(), Detail: keyTwice, Offset: at}
	}
	return f
}
