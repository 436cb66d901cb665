package mapping

import (
	"bytes"
	"iter"
	"sync"
	"time"
	"unicode/utf8"
)

// FutureTolerance is how far leave_time and operate_time may be after the record's time;
// beyond that the event is suspicious.
const FutureTolerance = 10 * time.Minute

// sharedText is the largest value that is copied to one string, of which the texts are parts.
// That is one allocation, and it keeps the whole value in memory as long as the Release.
const sharedText = 4 << 10

// Record is what is known of a Kafka record.
type Record struct {
	Topic   string // of the event's first place: a replayed record names it in a header
	Key     []byte
	Value   []byte
	Headers iter.Seq2[[]byte, []byte] // nil: none
	// Time is used only for the suspicion [Future]; zero means unknown.
	Time time.Time
}

// header is the value of the last header with a name; nil if there is none.
func (r *Record) header(name string) (value []byte) {
	if r.Headers != nil {
		for key, v := range r.Headers {
			if string(key) == name {
				value = v
			}
		}
	}
	return value
}

// Map maps a record. The error is an *[Error], an *[Ignored] or an *[Unlisted]. The Release shares no memory with
// the record.
func (m *Mapper) Map(rec *Record) (*Release, error) {
	e := evaluations.Get().(*evaluation)
	defer e.free()
	e.zone, e.lookups, e.judgeText = m.location, m.lookups, true
	p, refused := e.choose(m.file, rec)
	switch {
	case refused != nil:
		return nil, refused
	case p.ignore:
		return nil, &Ignored{p.name}
	}
	r := newRelease(m.file.endpoint)
	if len(e.value) <= sharedText {
		e.wholes[ofValue] = string(e.value)
		if e.doc.inner.parsed != ofValue {
			e.wholes[ofFirst] = string(e.doc.inner.text)
		}
	}
	for i := range p.rules {
		rule := &p.rules[i]
		sent, refused := e.evaluate(rule, rec)
		if refused != nil {
			return nil, refused
		}
		if sent == "" && (rule.required || m.required[rule.place]) {
			return nil, missing(rule.field.Name)
		}
		r.sent[rule.place] = sent
	}
	if e.unlisted != nil {
		return nil, e.unlisted
	}
	r.Suspicions = e.suspicions(rec.Time)
	return r, nil
}

func missing(field string) *Error {
	return &Error{Reason: MissingField, Field: field, Detail: requiredField, Offset: -1}
}

// evaluation is the state of Map for one record.
type evaluation struct {
	opener
	zone   *time.Location           // of times without one
	wholes [wholes]string           // of which the texts are parts; "" where they are not
	times  [operating + 1]time.Time // zero if absent
	odd    []Suspicion              // codes that the API does not have

	lookups  map[string]Lookup
	unlisted *Unlisted // the lot, if its lookup file does not have it
}

// evaluations are those that are done, for their memory.
var evaluations = sync.Pool{New: func() any { return new(evaluation) }}

// free ends an evaluation. It keeps nothing of the record.
func (e *evaluation) free() {
	clear(e.doc.members)
	e.doc.members, e.doc.kept.in, e.doc.inner.kept.in = e.doc.members[:0], bytes.Buffer{}, bytes.Buffer{}
	if clear(e.doc.inner.text); cap(e.doc.inner.text) > sharedText {
		e.doc.inner.text = nil
	}
	e.doc.order, e.opening, e.zone, e.wholes, e.odd = false, opening{}, nil, [wholes]string{}, nil
	e.lookups, e.unlisted = nil, nil
	clear(e.times[:])
	evaluations.Put(e)
}

// evaluate returns the text that is sent by a rule, "" if it is absent. Of a lot that is not listed it is the code.
func (e *evaluation) evaluate(r *rule, rec *Record) (string, *Error) {
	s, at, refused := e.text(r, rec)
	if s == "" {
		return "", refused
	}
	if r.codes != nil {
		code, known := r.codes.find(s)
		if !known && code == "" {
			return "", r.refuse(UnknownCode, noCode, at)
		}
		if !known && r.field.odd != "" {
			e.odd = append(e.odd, r.field.odd)
		}
		return code, nil
	}
	if r.lookup != "" {
		sent, listed := e.lookups[r.lookup][s]
		if !listed {
			sent, e.unlisted = s, &Unlisted{r.lookup, s}
		}
		return sent, nil
	}
	if r.field.Kind == Time {
		t, problem := r.timeOf(s, e.zone)
		if problem != "" {
			return "", r.refuse(BadTime, problem, at)
		}
		e.times[r.field.clock] = t
		if len(s) == len("2006-01-02T15:04:05Z") && s[10] == 'T' && s[19] == 'Z' {
			return s, nil // as it is sent
		}
		return t.Format(time.RFC3339), nil
	}
	return s, nil
}

// refuse is the error of a rule's field.
func (r *rule) refuse(reason Reason, detail string, at int) *Error {
	return &Error{Reason: reason, Field: r.field.Name, Detail: detail, Offset: at}
}

// text is what a rule's sources give, and where it begins.
func (e *evaluation) text(r *rule, rec *Record) (text string, at int, refused *Error) {
	switch {
	case r.constant != "":
		return r.constant, -1, nil
	case r.join:
		return e.joined(r, rec)
	}
	for i := range r.sources {
		if text, at, refused = e.textAt(r, &r.sources[i], rec); text != "" || refused != nil {
			return text, at, refused
		}
	}
	return "", -1, nil
}

// joined is the text of all sources with a hyphen between; "" if one of them is absent.
func (e *evaluation) joined(r *rule, rec *Record) (text string, at int, refused *Error) {
	for i := range r.sources {
		part, begins, refused := e.textAt(r, &r.sources[i], rec)
		if part == "" {
			return "", begins, refused
		}
		if i == 0 {
			at, text = begins, part
		} else {
			text += "-" + part
		}
	}
	if utf8.RuneCountInString(text) > MaxTextLength {
		return "", at, r.refuse(TooLong, longText, at)
	}
	return text, at, nil
}

// textAt is the text of one source.
func (e *evaluation) textAt(r *rule, s *source, rec *Record) (text string, at int, refused *Error) {
	at = -1
	switch s.kind {
	case fromHeader:
		text, refused = outsideText(rec.header(s.header))
	case fromKey:
		text, refused = outsideText(rec.Key)
	case fromTopic: // no text comes from it
	case fromValue:
		m := &e.doc.members[s.slot]
		if m.value == nil {
			return "", -1, nil
		}
		at = m.at + e.shift
		text, refused = m.text(r, e.wholes[m.of], e.judgeText)
	}
	if refused != nil {
		refused.Field, refused.Offset = r.field.Name, at
	}
	return text, at, refused
}

func (e *evaluation) suspicions(at time.Time) (found []Suspicion) {
	enter, leave, operate := e.times[entering], e.times[leaving], e.times[operating]
	if last := at.Add(FutureTolerance); !at.IsZero() && (leave.After(last) || operate.After(last)) {
		found = append(found, Future)
	}
	if !leave.IsZero() && leave.Before(enter) {
		found = append(found, LeaveBeforeEnter)
	}
	return append(found, e.odd...)
}
