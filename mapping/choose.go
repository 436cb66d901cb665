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

// choose returns the first profile that fits the record. Its value can be read, unless the
// profile says to ignore the record.
func (e *evaluation) choose(rec *Record) (*profile, *Error) {
	for i := range e.m.file.profiles {
		switch p := &e.m.file.profiles[i]; {
		case !e.fits(p, rec):
		case p.ignore:
			return p, nil
		case e.open(p.plan, rec.Value) != nil:
			return nil, e.refused
		default:
			return p, e.eventAt(p.event)
		}
	}
	if e.first != nil {
		return nil, e.first
	}
	return nil, &Error{Reason: NoProfile, Detail: noProfileFits, Offset: -1}
}

// fits reports whether all conditions of a profile hold. A value that cannot be read fits none
// that looks into it.
func (e *evaluation) fits(p *profile, rec *Record) bool {
	for i := range p.when {
		c, holds := &p.when[i], false
		switch c.at.kind {
		case fromTopic:
			holds = slices.Contains(c.is, rec.Topic)
		case fromHeader:
			holds = slices.Contains(c.is, string(rec.header(c.at.header)))
		case fromValue:
			holds = e.open(p.plan, rec.Value) == nil && slices.ContainsFunc(c.is, e.members[c.at.slot].is)
		case fromNothing:
			holds = len(rec.Value) == 0
		case fromKey: // no condition is on it
		}
		if !holds {
			return false
		}
	}
	return true
}

// open reads the value by a plan, unless it was read by it before.
func (e *evaluation) open(p *plan, value []byte) *Error {
	if e.plan == p {
		return e.refused
	}
	clear(e.members)
	e.plan, e.members, e.text = p, slices.Grow(e.members[:0], p.slots)[:p.slots], e.text[:0]
	e.shift, e.duplicate, e.broken = 0, nil, nil
	if framed := len(value) >= p.prefix && (p.prefix == 0 || value[0] == 0); framed || len(value) == 0 {
		e.shift = min(p.prefix, len(value))
		if e.refused = e.judge(&p.root, value[e.shift:], -1); e.refused == nil && e.judgeText {
			e.refused = e.duplicate
		}
	} else {
		e.refused = &Error{Reason: InvalidJSON, Detail: noBytes, Offset: 0}
	}
	if e.refused != nil && e.refused.Offset >= 0 {
		e.refused.Offset += e.shift
	}
	if e.first == nil {
		e.first = e.refused
	}
	return e.refused
}

// eventAt says what is wrong with the place of the event's object.
func (e *evaluation) eventAt(s *source) *Error {
	if s == nil || e.members[s.slot].value.Kind() == jsontext.KindBeginObject {
		return nil
	}
	m, refused := &e.members[s.slot], &Error{Reason: InvalidJSON, Detail: noEvent, Offset: -1}
	if at := slices.IndexFunc(e.broken, func(b *Error) bool { return b.Offset == m.at && b.Reason != Empty }); at >= 0 {
		refused = e.broken[at]
	}
	if m.value != nil {
		refused.Offset = m.at + e.shift
	}
	return refused
}

// is reports whether a value is the text that a condition asks for: a string with it, a number
// that is equal to it, true or false.
func (m *member) is(want string) bool {
	switch m.value.Kind() {
	case jsontext.KindString:
		plain, sound := m.unquoted(false, &[2]string{})
		return sound && strings.TrimSpace(plain) == want
	case jsontext.KindNumber, jsontext.KindTrue, jsontext.KindFalse:
		a, err1 := strconv.ParseFloat(string(m.value), 64)
		b, err2 := strconv.ParseFloat(want, 64)
		return string(m.value) == want || err1 == nil && err2 == nil && a == b
	}
	return false
}
