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
	at    int   // where it begins in the record's value; of a part of a string: where that begins
	in    int   // where it begins in what it is a part of
	of    whole // which that is
	twice bool  // its key, or one on its way, is there twice
}

// whole is a text that members are parts of.
type whole uint8

const (
	ofValue whole = iota
	ofFirst       // the first string that was parsed
	ofLater       // another
	wholes
)

// document is the result of one pass over a record's value.
type document struct {
	kept    decoder
	plan    *plan
	inner   innerText
	members []member // by slot
	order   bool     // for the order key alone

	// duplicate is the first key that occurs twice in an object that is read: any key if the
	// text was judged, else only one that the plan names.
	duplicate *Error
	broken    *Error // the first string that should hold an event's object and does not
}

// innerText is the text of the first string that was parsed, since the event of one of the
// profiles lies there.
type innerText struct {
	kept   decoder
	text   []byte
	parsed whole // which was parsed last; ofValue: none
}

// init makes the document ready to read by a plan.
func (doc *document) init(p *plan) {
	doc.plan, doc.duplicate, doc.broken, doc.inner.parsed = p, nil, nil, ofValue
	clear(doc.members)
	doc.members = slices.Grow(doc.members[:0], p.slots)[:p.slots]
}

// decoder is jsontext's working memory, reused for the next value.
type decoder struct {
	jsontext.Decoder
	in bytes.Buffer
}

// jsontext does not check for duplicate keys: only those of objects that are read count, see note.
var (
	strict  = []jsontext.Options{jsontext.AllowDuplicateNames(true)}
	lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
)

// parse reads a value. It must be one JSON object of valid text with unique keys.
func (doc *document) parse(value []byte) *Error {
	if refused := doc.judge(&doc.plan.root, value, -1); refused != nil {
		return refused
	}
	return doc.duplicate
}

// judge reads an object that is a value, or the text of a string at the place inside: see reader.
func (doc *document) judge(n *node, value []byte, inside int) *Error {
	err := doc.read(n, value, inside, true)
	bad, _ := errors.AsType[*jsontext.SyntacticError](err)
	if bad != nil { // Bad syntax anywhere takes precedence over bad text before it.
		other := new(document)
		other.init(newPlan())
		err = other.read(&other.plan.root, value, -1, false)
	}
	refused := invalid(err)
	if refused == nil && bad != nil {
		field := (&plan{root: *n}).named(slices.Collect(bad.JSONPointer.Tokens()))
		refused = &Error{Reason: BadText, Field: field, Detail: notText, Offset: int(bad.ByteOffset)}
	}
	return refused
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

// read reads one object and what is asked for in it. With judgeText it also checks the text and
// remembers all keys. Its error is an *[Error], or jsontext's, whose text may quote the value.
func (doc *document) read(n *node, value []byte, inside int, judgeText bool) error {
	kept := &doc.kept
	if inside >= 0 { // the document's own reads what is around it
		kept = &doc.inner.kept
	}
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
	r := reader{doc: doc, d: d, value: value, inside: inside, judgeText: judgeText}
	if err := r.object(n); err != nil {
		return err
	}
	if rest := bytes.TrimLeft(value[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return &Error{Reason: InvalidJSON, Detail: trailingData, Offset: len(value) - len(rest)}
	}
	return nil
}

// reader is the state of read.
type reader struct {
	doc       *document
	d         *jsontext.Decoder
	value     []byte
	inside    int // the value is the text of a string that begins here; -1: it is none
	judgeText bool
}

// object reads the members of an object that has begun, and its end.
func (r *reader) object(n *node) error {
	var others map[string]bool // the keys seen that the plan does not name
	for r.d.PeekKind() == jsontext.KindString {
		key, err := r.d.ReadValue()
		if err != nil {
			return err
		}
		in := r.note(n, key, int(r.d.InputOffset())-len(key), &others)
		if err := r.keep(in); err != nil {
			return err
		}
	}
	_, err := r.d.ReadToken() // the end of the object, or what should be
	return err
}

// array reads the elements of an array that has begun, and its end.
func (r *reader) array(n *node) error {
	var digits [8]byte
	for i := int64(0); ; i++ {
		switch r.d.PeekKind() {
		case jsontext.KindEndArray, jsontext.KindInvalid:
			_, err := r.d.ReadToken() // the end, or what is wrong
			return err
		}
		if err := r.keep(n.child(strconv.AppendInt(digits[:0], i, 10))); err != nil {
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
		end := int(r.d.InputOffset())
		r.put(n, end-len(raw), end)
		if n.event && kind == jsontext.KindString {
			r.unpack(n, raw)
		}
		return nil
	}
	if _, err := r.d.ReadToken(); err != nil {
		return err
	}
	start := int(r.d.InputOffset()) - 1
	var err error
	switch {
	case n == nil || n.inside == nil:
		err = r.skip(start)
	case kind == jsontext.KindBeginObject:
		err = r.object(n)
	default:
		err = r.array(n)
	}
	if err == nil && n != nil {
		r.put(n, start, int(r.d.InputOffset()))
	}
	return err
}

// put keeps a value for a node.
func (r *reader) put(n *node, start, end int) {
	kept := &r.doc.members[n.slot]
	kept.value, kept.at, kept.in = r.value[start:end], start, start
	if r.inside >= 0 {
		kept.at, kept.of = r.inside, r.doc.inner.parsed
	}
}

// unpack parses a string in which an event's object lies.
func (r *reader) unpack(n *node, quoted jsontext.Value) {
	if r.inside >= 0 { // only once
		return
	}
	at, inner := r.doc.members[n.slot].at, &r.doc.inner
	var text []byte
	if inner.parsed = min(inner.parsed+1, ofLater); inner.parsed == ofFirst {
		text = inner.text[:0]
	}
	text, err := jsontext.AppendUnquote(text, quoted)
	if inner.parsed == ofFirst {
		inner.text = text
	}
	var refused *Error
	switch {
	case err != nil:
		refused = &Error{Reason: BadText, Detail: notText, Offset: at}
	case r.judgeText:
		refused = r.doc.judge(n, text, at)
	default:
		refused = invalid(r.doc.read(n, text, at, false))
	}
	if refused == nil {
		r.doc.members[n.slot].value = jsontext.Value(text) // an object
		return
	}
	refused.Offset = at
	if r.doc.broken == nil {
		r.doc.broken = refused
	}
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

// note records a key, which begins at the offset at, and returns what is read there; nil: nothing.
func (r *reader) note(n *node, key jsontext.Value, at int, others *map[string]bool) *node {
	// Only the names of the plan are looked for: no longer ones, with every character escaped.
	if len(key) > len(`""`)+len(`\u0000`)*len(n.inside) && !r.judgeText {
		return nil
	}
	var room [96]byte
	name := []byte(key[1 : len(key)-1])
	in := n.child(name)
	if (in == nil || in.slashed) && bytes.IndexByte(name, '\\') >= 0 {
		name, _ = jsontext.AppendUnquote(room[:0], key) // bad text is replaced, and names no field
		in = n.child(name)
	}
	if r.doc.order && in != nil && !in.order {
		return nil
	}
	again, named := false, ""
	switch {
	case in != nil:
		if again = r.doc.members[in.slot].value != nil; again {
			named = only(in.fields)
			r.doc.doubt(in)
		}
	case r.judgeText:
		again = (*others)[string(name)]
		if *others == nil {
			*others = map[string]bool{}
		}
		(*others)[string(name)] = true
	}
	if again && r.doc.duplicate == nil {
		if r.inside >= 0 {
			at = r.inside
		}
		r.doc.duplicate = &Error{Reason: DuplicateKey, Field: named, Detail: keyTwice, Offset: at}
	}
	return in
}

// doubt marks all that is read at a key which is there twice.
func (doc *document) doubt(n *node) {
	doc.members[n.slot].twice = true
	for _, in := range slices.Concat(n.inside...) {
		doc.doubt(in)
	}
}
