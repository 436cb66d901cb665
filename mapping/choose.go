package mapping

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Phrases of Error.Detail for a record that fits no profile, or not the one it fits.
const (
	noProfileFits = "no profile of the mapping file fits"
	noEvent       = "no object where the mapping file has the event"
	noBytes       = "does not begin with the five bytes of the Confluent wire format"
)

// opener chooses a record's profile, and reads its value as far as that needs.
type opener struct {
	doc document
	opening
}

// opening is what an opener knows of the record.
type opening struct {
	judgeText bool // the text and all keys too

	opened  bool
	prefix  prefix // as which the value was read last
	value   []byte // behind the prefix
	shift   int    // the length of the prefix
	refused *Error // why it cannot be read so
	first   *Error // why it could not be read when a profile was tried first
}

// choose returns the first profile that fits the record. Its value can be read, unless the
// profile says to ignore the record.
func (o *opener) choose(f *File, rec *Record) (*profile, *Error) {
	for i := range f.profiles {
		p := &f.profiles[i]
		if !o.fits(f, p, rec) {
			continue
		}
		if p.ignore {
			return p, nil
		}
		if refused := o.open(f, p.prefix, rec); refused != nil {
			return nil, refused
		}
		return p, o.eventAt(p.event)
	}
	if o.first != nil {
		return nil, o.first
	}
	return nil, &Error{Reason: NoProfile, Detail: noProfileFits, Offset: -1}
}

// fits reports whether all conditions of a profile hold. A value that cannot be read fits none
// that looks into it.
func (o *opener) fits(f *File, p *profile, rec *Record) bool {
	for i := range p.when {
		c, holds := &p.when[i], false
		switch c.at.kind {
		case fromTopic:
			holds = slices.Contains(c.is, rec.Topic)
		case fromHeader:
			holds = slices.Contains(c.is, string(rec.header(c.at.header)))
		case fromValue:
			holds = c.is == nil && len(rec.Value) == 0 ||
				c.is != nil && o.open(f, p.prefix, rec) == nil && slices.ContainsFunc(c.is, o.doc.members[c.at.slot].is)
		case fromKey: // no condition is on it
		}
		if !holds {
			return false
		}
	}
	return true
}

// open reads the value, unless it was read so before.
func (o *opener) open(f *File, p prefix, rec *Record) *Error {
	if o.opened && o.prefix == p {
		return o.refused
	}
	o.opened, o.prefix, o.value, o.shift, o.refused = true, p, rec.Value, 0, nil
	o.doc.init(f.plans[p])
	switch {
	case p == confluentPrefix && len(o.value) > 0 && (len(o.value) < confluentBytes || o.value[0] != 0):
		o.refused = &Error{Reason: InvalidJSON, Detail: noBytes, Offset: 0}
	case p == confluentPrefix && len(o.value) > 0:
		o.value, o.shift = o.value[confluentBytes:], confluentBytes
		fallthrough
	default:
		if o.judgeText {
			o.refused = o.doc.parse(o.value)
		} else {
			o.refused = invalid(o.doc.read(&f.plans[p].root, o.value, -1, false))
		}
	}
	if o.refused != nil && o.refused.Offset >= 0 {
		o.refused.Offset += o.shift
	}
	if o.first == nil {
		o.first = o.refused
	}
	return o.refused
}

// eventAt says what is wrong with the place of the event's object.
func (o *opener) eventAt(s *source) *Error {
	if s == nil {
		return nil
	}
	m := &o.doc.members[s.slot]
	switch broken := o.doc.broken; {
	case m.value.Kind() == jsontext.KindBeginObject:
		return nil
	case m.value == nil:
		return &Error{Reason: InvalidJSON, Detail: noEvent, Offset: -1}
	case broken != nil && broken.Offset == m.at && broken.Reason != Empty:
		return &Error{Reason: broken.Reason, Field: broken.Field, Detail: broken.Detail, Offset: m.at + o.shift}
	}
	return &Error{Reason: InvalidJSON, Detail: noEvent, Offset: m.at + o.shift}
}

// is reports whether a value is the text that a condition asks for: a string with it, a number
// that is equal to it, true or false.
func (m *member) is(want string) bool {
	switch kind := m.value.Kind(); kind {
	case jsontext.KindString:
		plain, sound := m.unquoted("", false)
		return sound && strings.TrimSpace(plain) == want
	case jsontext.KindNumber:
		a, err1 := strconv.ParseFloat(string(m.value), 64)
		b, err2 := strconv.ParseFloat(want, 64)
		return string(m.value) == want || err1 == nil && err2 == nil && a == b
	case jsontext.KindTrue, jsontext.KindFalse:
		return string(m.value) == want
	}
	return false
}
