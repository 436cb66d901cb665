package mapping

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// FutureTolerance is how far leave_time and operate_time may be after the record's time;
// beyond that the event is suspicious.
const FutureTolerance = 10 * time.Minute

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
	e.m, e.lookups, e.judgeText = m, m.lookups, true
	p, refused := e.choose(rec)
	switch {
	case refused != nil:
		return nil, refused
	case p.ignore:
		return nil, &Ignored{p.name}
	}
	if len(rec.Value) <= sharedText {
		e.wholes = [2]string{string(rec.Value[e.shift:]), string(e.text)}
	}
	r := &Release{endpoint: m.file.Endpoint, sent: make([]string, len(m.file.Endpoint.Fields))}
	for i := range p.rules {
		sent, refused := e.evaluate(&p.rules[i], rec)
		if refused != nil {
			return nil, refused
		}
		r.sent[p.rules[i].place] = sent
	}
	if e.unlisted != nil {
		return nil, e.unlisted
	}
	var strange []Suspicion
	for i := range p.rules {
		if f := &p.rules[i].field; f.clock != 0 || f.odd != "" {
			strange = e.suspicions(f, rec.Time, strange)
		}
	}
	if strange != nil {
		r.Suspicions = slices.DeleteFunc(Suspicions(), func(s Suspicion) bool { return !slices.Contains(strange, s) })
	}
	return r, nil
}

// evaluation is how one record is read and mapped.
type evaluation struct {
	state

	// Memory that the next one uses again.
	outer, inner decoder  // of the value, and of a string in which an event lies
	members      []member // by slot
	text         []byte   // the strings that were parsed, one behind the other
}

// state is what is known of a record.
type state struct {
	judgeText  bool // the text and all keys too
	orderAlone bool // only what the order key needs is read
	explains   bool // what is looked at is kept
	m          *Mapper
	lookups    map[string]Lookup // the mapper's, or none

	plan      *plan     // by which the value was read last
	shift     int       // what its prefix takes
	refused   *Error    // why it cannot be read by it
	first     *Error    // why it could not be read when a profile was tried first
	broken    []*Error  // why an event's object is not in a string, by the place of that
	wholes    [2]string // copies of the value and of text, of which the texts are parts; "" where they are not
	duplicate *Error    // the first key that occurs twice in an object that is read: any, if the text was judged

	looked   []Looked                 // at for the rule
	times    [operating + 1]time.Time // zero if absent
	odd      []Suspicion              // codes that the API does not have
	unlisted *Unlisted                // the lot, if its lookup file does not have it
}

// evaluations are those that are done, for their memory.
var evaluations = sync.Pool{New: func() any { return new(evaluation) }}

// free ends an evaluation. It keeps nothing of the record.
func (e *evaluation) free() {
	clear(e.members)
	if clear(e.text); cap(e.text) > sharedText {
		e.text = nil
	}
	e.state, e.members, e.outer.in, e.inner.in = state{}, e.members[:0], bytes.Buffer{}, bytes.Buffer{}
	evaluations.Put(e)
}

// evaluate returns the text that is sent by a rule, "" if it is absent. Of a lot that is not listed it is the code.
func (e *evaluation) evaluate(r *rule, rec *Record) (string, *Error) {
	text, at, refused := e.textOf(r, rec)
	return e.sent(r, text, at, refused)
}

// sent is what is sent for what textOf found.
func (e *evaluation) sent(r *rule, s string, at int, refused *Error) (string, *Error) {
	switch {
	case s == "":
		return "", refused
	case r.codes != nil:
		code, known := r.codes.find(s)
		if !known && code == "" {
			return "", r.refuse(UnknownCode, noCode, at)
		}
		if !known && r.field.odd != "" {
			e.odd = append(e.odd, r.field.odd)
		}
		return code, nil
	case r.lookup != "":
		if sent, listed := e.lookups[r.lookup][s]; listed {
			return sent, nil
		}
		e.unlisted = &Unlisted{r.lookup, s}
	case r.field.Kind == Time:
		t, problem := r.time.read(s, cmp.Or(r.zone, e.m.location))
		if problem != "" {
			return "", r.refuse(BadTime, problem, at)
		}
		e.times[r.field.clock] = t
		if len(s) != len("2006-01-02T15:04:05Z") || s[10] != 'T' || s[19] != 'Z' { // else as it is sent
			return t.Format(time.RFC3339), nil
		}
	}
	return s, nil
}

// refuse is the error of a rule's field.
func (r *rule) refuse(reason Reason, detail string, at int) *Error {
	return &Error{Reason: reason, Field: r.field.Name, Detail: detail, Offset: at}
}

// textOf is what a rule's sources give, and where it begins: the text of the first that has one or is refused,
// or of a join that of all with a hyphen between. "" is refused where the field is required.
func (e *evaluation) textOf(r *rule, rec *Record) (text string, at int, refused *Error) {
	text, at = r.constant, -1
	for i := range r.sources {
		part, begins, wrong := e.textAt(r, &r.sources[i], rec)
		switch {
		case !r.join && part == "" && wrong == nil:
		case !r.join:
			return part, begins, wrong
		case i == 0 || part == "" && text != "":
			text, at, refused = part, begins, wrong
		case text != "":
			text += "-" + part
		}
	}
	switch {
	case r.join && utf8.RuneCountInString(text) > MaxTextLength:
		return "", at, r.refuse(TooLong, longText, at)
	case text == "" && refused == nil && (r.required || e.m.required[r.place]):
		return "", -1, r.refuse(MissingField, requiredField, -1)
	}
	return text, at, refused
}

// textAt is the text of one source.
func (e *evaluation) textAt(r *rule, s *source, rec *Record) (text string, at int, refused *Error) {
	var raw []byte
	switch at = -1; s.kind {
	case fromHeader:
		raw = rec.header(s.header)
	case fromKey:
		raw = rec.Key
	case fromTopic, fromNothing: // no text comes from them
	case fromValue:
		if m := &e.members[s.slot]; m.value != nil {
			raw, at = m.value, m.at+e.shift
			text, refused = m.text(r, e.judgeText, &e.wholes)
		}
	}
	if s.kind != fromValue {
		text, refused = plainText(string(raw), utf8.Valid(raw))
	}
	if e.explains {
		e.looked = append(e.looked, Looked{s.written, string(raw)})
	}
	if refused != nil {
		refused.Field, refused.Offset = r.field.Name, at
	}
	return text, at, refused
}

// suspicions adds what is strange in a field of an event that came at a time.
func (e *evaluation) suspicions(f *Field, came time.Time, found []Suspicion) []Suspicion {
	t := e.times[f.clock]
	if (f.clock == leaving || f.clock == operating) && !came.IsZero() && t.After(came.Add(FutureTolerance)) {
		found = append(found, Future)
	}
	if f.clock == leaving && !t.IsZero() && t.Before(e.times[entering]) {
		found = append(found, LeaveBeforeEnter)
	}
	if f.odd != "" && slices.Contains(e.odd, f.odd) {
		found = append(found, f.odd)
	}
	return found
}
