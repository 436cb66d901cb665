package mapping

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deep an event may nest; the event itself is level 1.
const MaxDepth = 1000

// sharedText is the largest text that is copied to one string, of which the texts in it are parts.
// That is one allocation, and it keeps the whole in memory as long as the Release.
const sharedText = 4 << 10

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

// member is the raw value at one of the paths that are read; nil if absent.
type member struct {
	value jsontext.Value
	at    int  // where it begins in the record's value; of a part of a string: where that begins
	in    int  // where it begins in the value, or in the texts of strings that were parsed
	whole int  // 1: the latter
	twice bool // its key, or one on its way, is there twice
}

// decoder is jsontext's working memory, reused for the next value.
type decoder struct {
	jsontext.Decoder
	in bytes.Buffer
}

// options are those of jsontext: all, or one where the text is judged. It does not check for duplicate keys: only
// those of objects that are read count, see note.
var options = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// judge reads an object that is a value, or the text of a string at the place inside: see reader.
func (e *evaluation) judge(n *node, value []byte, inside int) *Error {
	err := e.read(n, value, inside)
	bad, is := errors.AsType[*jsontext.SyntacticError](err)
	if is && e.judgeText { // Bad syntax anywhere takes precedence over bad text before it.
		if err = new(evaluation).read(new(node), value, -1); err == nil {
			field := n.named(slices.Collect(bad.JSONPointer.Tokens()))
			return &Error{Reason: BadText, Field: field, Detail: notText, Offset: int(bad.ByteOffset)}
		}
	}
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

// read reads one object and what is asked for in it. If the text is judged it remembers all keys. Its
// error is an *[Error], or jsontext's, whose text may quote the value.
func (e *evaluation) read(n *node, value []byte, inside int) error {
	kept, options := &e.outer, options
	if inside >= 0 { // the other reads what is around it
		kept = &e.inner
	}
	r := reader{evaluation: e, d: &kept.Decoder, value: value, inside: inside}
	if e.judgeText {
		options = options[:1]
	}
	kept.in = *bytes.NewBuffer(value)
	r.d.Reset(&kept.in, options...) // parses value without a copy
	switch begin, err := r.d.ReadToken(); {
	case errors.Is(err, io.EOF):
		return &Error{Reason: Empty, Detail: noValue, Offset: -1}
	case err != nil:
		return err
	case begin.Kind() != jsontext.KindBeginObject:
		return &Error{Reason: InvalidJSON, Detail: noObject, Offset: 0}
	}
	if err := r.contents(n, jsontext.KindBeginObject); err != nil {
		return err
	}
	if rest := bytes.TrimLeft(value[r.d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return &Error{Reason: InvalidJSON, Detail: trailingData, Offset: len(value) - len(rest)}
	}
	return nil
}

// reader is the state of read.
type reader struct {
	*evaluation
	d      *jsontext.Decoder
	value  []byte
	inside int // the value is the text of a string that begins here; -1: it is none
}

// contents reads what is in an object or array that has begun, and its end.
func (r *reader) contents(n *node, kind jsontext.Kind) error {
	var others map[string]bool // the keys seen that the plan does not name
	var digits [8]byte
	for i := int64(0); ; i++ {
		var in *node
		switch next := r.d.PeekKind(); {
		case next == jsontext.KindInvalid, next == jsontext.KindEndArray,
			kind == jsontext.KindBeginObject && next != jsontext.KindString:
			_, err := r.d.ReadToken() // the end, or what is wrong
			return err
		case kind == jsontext.KindBeginArray:
			in = n.child(strconv.AppendInt(digits[:0], i, 10))
		default:
			key, err := r.d.ReadValue()
			if err != nil {
				return err
			}
			in = r.note(n, key, &others)
		}
		if err := r.keep(in); err != nil {
			return err
		}
	}
}

// keep reads the next value, and keeps it where the plan asks for it; n may be nil. It reads containers
// token by token to check MaxDepth, since jsontext's own limit is 10,000.
func (r *reader) keep(n *node) error {
	kind := r.d.PeekKind()
	if kind != jsontext.KindBeginObject && kind != jsontext.KindBeginArray {
		raw, err := r.d.ReadValue()
		if err != nil || n == nil {
			return err
		}
		r.put(n, int(r.d.InputOffset())-len(raw))
		if n.event && kind == jsontext.KindString && r.inside < 0 { // parsed only once
			r.unpack(n, raw)
		}
		return nil
	}
	_, err := r.d.ReadToken()
	start := int(r.d.InputOffset()) - 1
	switch {
	case err != nil:
	case n == nil || n.inside == nil:
		err = r.skip(start)
	default:
		err = r.contents(n, kind)
	}
	if err == nil && n != nil {
		r.put(n, start)
	}
	return err
}

// put keeps the value that was read last, and begins at start.
func (r *reader) put(n *node, start int) {
	kept := &r.members[n.slot]
	kept.value, kept.at, kept.in, kept.whole = r.value[start:r.d.InputOffset()], start, start, 0
	if r.inside >= 0 { // the value is what was added last to the texts
		kept.at, kept.in, kept.whole = r.inside, len(r.text)-len(r.value)+start, 1
	}
}

// unpack parses a string in which an event's object lies.
func (r *reader) unpack(n *node, quoted jsontext.Value) {
	kept, refused, begin := &r.members[n.slot], &Error{Reason: BadText, Detail: notText}, len(r.text)
	var err error
	if r.text, err = jsontext.AppendUnquote(r.text, quoted); err == nil {
		text := r.text[begin:]
		if refused = r.judge(n, text, kept.at); refused == nil {
			kept.value = text // an object
			return
		}
	}
	refused.Offset, r.broken = kept.at, append(r.broken, refused)
}

// skip reads to the end of a container that has begun.
func (r *reader) skip(start int) error {
	for outside, at := r.d.StackDepth()-1, start; r.d.StackDepth() > outside; at = int(r.d.InputOffset()) - 1 {
		if r.d.StackDepth() > MaxDepth {
			return &Error{Reason: InvalidJSON, Detail: tooDeep, Offset: at}
		}
		if _, err := r.d.ReadToken(); err != nil {
			return err
		}
	}
	return nil
}

// note records the key that was read last, and returns what is read there; nil: nothing.
func (r *reader) note(n *node, key jsontext.Value, others *map[string]bool) *node {
	// Only the names of the plan are looked for: no longer ones, with every character escaped.
	if len(key) > len(`""`)+len(`\u0000`)*len(n.inside) && !r.judgeText {
		return nil
	}
	var room [96]byte
	name := []byte(key[1 : len(key)-1])
	in, again, field := n.child(name), false, ""
	if (in == nil || in.slashed) && bytes.IndexByte(name, '\\') >= 0 {
		name, _ = jsontext.AppendUnquote(room[:0], key) // bad text is replaced, and names no field
		in = n.child(name)
	}
	switch {
	case in == nil && !r.judgeText || in != nil && r.orderAlone && !in.order:
		return nil
	case in == nil:
		again = (*others)[string(name)]
		if *others == nil {
			*others = map[string]bool{}
		}
		(*others)[string(name)] = true
	case r.members[in.slot].value != nil:
		again, field = true, in.field
		r.doubt(in)
	}
	if again && r.duplicate == nil {
		at := r.inside
		if at < 0 {
			at = int(r.d.InputOffset()) - len(key)
		}
		r.duplicate = &Error{Reason: DuplicateKey, Field: field, Detail: keyTwice, Offset: at}
	}
	return in
}

// doubt marks all that is read at a key which is there twice.
func (e *evaluation) doubt(n *node) {
	e.members[n.slot].twice = true
	for _, in := range slices.Concat(n.inside...) {
		e.doubt(in)
	}
}
