package mapping

import "bytes"

// document is what one pass over a value finds: the members that the API knows, still
// as they stand in the value, and what is wrong with the whole.
type document struct {
	data    []byte
	members [fieldCount]literal
	seen    [fieldCount]bool
	twice   [fieldCount]bool

	// fault is the first place that is not JSON, nil for a JSON object. While it is
	// not nil, nothing else here may be relied on.
	fault *Error
	// badText and duplicate are the first of their reasons. Only judge fills them.
	badText, duplicate *Error
}

// read passes over the value and keeps its members, without judging text and keys.
func (d *document) read(value []byte) {
	s := scanner{data: value, badText: -1}
	d.walk(&s, nil)
}

// judge is read, and sees text and duplicate keys too.
func (d *document) judge(value []byte) {
	s := scanner{data: value, badText: -1, judgeText: true}
	var keys otherKeys
	d.walk(&s, &keys)
}

func (d *document) walk(s *scanner, keys *otherKeys) {
	d.data = s.data
	c := s.space()
	if s.pos == len(s.data) {
		d.fault = &Error{Reason: Empty, Detail: "no value", Offset: -1}
		return
	}
	ok := c == '{' || s.fail(noObject)
	if ok {
		s.pos++
		ok = d.walkMembers(s, keys)
	}
	if ok {
		s.space()
		ok = s.pos == len(s.data) || s.fail(trailingData)
	}
	if !ok {
		d.fault = &Error{Reason: InvalidJSON, Detail: s.problem, Offset: s.pos}
	}
}

// walkMembers reads from behind the object's opening brace to behind its closing one.
func (d *document) walkMembers(s *scanner, keys *otherKeys) bool {
	if s.space() == '}' {
		s.pos++
		return true
	}
	for {
		key, ok := s.keyLiteral()
		if !ok {
			return false
		}
		f := d.fieldOf(key)
		if f != unknown {
			d.noteField(f, key)
		} else if keys != nil && d.duplicate == nil && s.badText < 0 && keys.repeated(s.data, key) {
			d.duplicate = &Error{Reason: DuplicateKey, Detail: keyTwice, Offset: key.from}
		}
		d.noteBadText(s, unknown)
		l, ok := s.value(1)
		if !ok {
			return false
		}
		if f != unknown {
			d.members[f] = l
		}
		d.noteBadText(s, f)
		switch s.space() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return true
		default:
			return s.fail(wantCommaOrEnd)
		}
	}
}

const keyTwice = "the key is there twice"

// noteField marks that the key of f was read.
func (d *document) noteField(f field, key literal) {
	if d.seen[f] {
		d.twice[f] = true
		if d.duplicate == nil {
			d.duplicate = &Error{Reason: DuplicateKey, Field: f.name(), Detail: keyTwice, Offset: key.from}
		}
	}
	d.seen[f] = true
}

// noteBadText takes down the scanner's first unsound string, which lies in f.
func (d *document) noteBadText(s *scanner, f field) {
	if s.badText >= 0 && d.badText == nil {
		d.badText = &Error{Reason: BadText, Field: f.name(), Detail: notText, Offset: s.badText}
	}
}

// fieldOf finds the field that a key names; a key may be written with escapes.
func (d *document) fieldOf(key literal) field {
	if !key.has(escaped) {
		return fieldOf(d.data[key.from:key.to])
	}
	const longestEscaped = 6 * len("parking_serial")
	if key.to-key.from > longestEscaped || key.has(surrogates) {
		return unknown
	}
	var room [longestEscaped]byte
	return fieldOf(appendText(room[:0], d.data, key))
}

// otherKeys remembers the keys that the API does not know, to see one that comes twice.
// Events have few of them and cost no allocation; a value that is all keys costs memory in
// proportion to its length.
type otherKeys struct {
	few   [8][]byte
	count int
	many  map[string]struct{}
}

// repeated tells whether the key was there before, and remembers it.
func (o *otherKeys) repeated(data []byte, key literal) bool {
	name := data[key.from:key.to]
	if key.has(escaped) {
		name = appendText(nil, data, key)
	}
	if o.many != nil {
		before := len(o.many)
		o.many[string(name)] = struct{}{}
		return len(o.many) == before
	}
	for _, k := range o.few[:o.count] {
		if bytes.Equal(k, name) {
			return true
		}
	}
	if o.count < len(o.few) {
		o.few[o.count] = name
		o.count++
		return false
	}
	o.many = make(map[string]struct{}, 4*len(o.few))
	for _, k := range o.few {
		o.many[string(k)] = struct{}{}
	}
	o.many[string(name)] = struct{}{}
	return false
}
