package mapping

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Examination is all that can be told of a value to whoever makes events. The service needs
// only the first fault, and takes it from [Mapper.Map].
type Examination struct {
	// Release is what would be sent; nil if the event is refused.
	Release *Release
	// Faults has the one that Map refuses with first, then all others, at most one of a
	// reason in each field. It is empty if the event maps.
	Faults []Fault
	// Profile is the profile of the mapping file that fits; "" where there is no such file.
	Profile string
	// Steps are how each field's text is made, in the order of [Fields]. It is empty where the
	// event cannot be read, or is ignored.
	Steps []Step
	// Ignored are the keys at the top level that are not the API's: each once, in their order. With
	// a mapping file they are not told.
	Ignored []string
	// Absent are the API's fields that are absent, null or blank, in the order of [Fields].
	Absent []string
	// Warnings are the suspicions by field, also of an event that is refused.
	Warnings []Warning
	// Encoding is what the value seems to be in, where it is refused for that.
	Encoding Encoding
}

// Fault is one reason to refuse an event.
type Fault struct {
	*Error
	Guess Guess // of a time in none of the forms
}

// Warning is a suspicion about a field.
type Warning struct {
	Suspicion Suspicion
	Field     string
	// Forms are the codes that the field takes, with their names; empty where the code is not to blame.
	Forms string
}

// Examine judges a value as Map does, and goes on behind the first fault as far as the value
// can be read: where it is in another encoding, in what it says there.
func (m *Mapper) Examine(rec *Record) *Examination {
	x := examiner{found: new(Examination), at: map[fault]int{}}
	release, err := m.Map(rec)
	x.found.Release = release
	if ignored, is := errors.AsType[*Ignored](err); is {
		x.found.Profile = ignored.Profile
		return x.found
	}
	readable := *rec
	if refused, is := errors.AsType[*Error](err); is {
		x.add(refused, Guess{})
		x.found.Encoding = EncodingOf(rec.Value)
		readable.Value, x.shift = x.found.Encoding.plain(rec.Value)
	}
	e := evaluation{zone: m.location}
	p, refused := e.choose(m.file, &readable)
	if refused != nil {
		return x.found // nothing beyond the first fault can be told
	}
	e.wholes[ofValue] = string(e.value)
	if m.file == builtIn {
		x.keys(&e.doc, readable.Value)
	} else {
		x.found.Profile = p.name
	}
	for i := range p.rules {
		x.rule(m, &e, &p.rules[i], &readable)
	}
	x.found.Warnings = e.warnings(rec.Time)
	return x.found
}

// rule takes what is wrong with the field of a rule, and how its text is made.
func (x *examiner) rule(m *Mapper, e *evaluation, r *rule, rec *Record) {
	sent, refused := e.evaluate(r, rec)
	step := Step{Field: r.field.name(), Rule: strings.Join(r.words, ", "), Looked: e.looked(r, rec), Sent: sent, Refused: refused}
	x.found.Steps = append(x.found.Steps, step)
	switch {
	case refused != nil:
		text, _, _ := e.text(r, rec)
		g := Guess{}
		if r.time == nil {
			g = guess(text, m.location)
		}
		x.addMoved(refused, g)
	case sent == "":
		x.found.Absent = append(x.found.Absent, r.field.name())
		if m.required[r.field] || r.required {
			x.add(missing(r.field), Guess{})
		}
	}
}

// examiner is the state of Examine.
type examiner struct {
	found *Examination
	shift int           // what to add to a place in the readable text; negative if it is no place in the value
	at    map[fault]int // where in found.Faults each is
}

// fault is what there is at most one of: a reason in a field, or at a place that is in none.
type fault struct {
	reason Reason
	field  string
	offset int // 0 in a field
}

// add takes a fault. Of one that is there already it adds the guess.
func (x *examiner) add(e *Error, g Guess) {
	key := fault{e.Reason, e.Field, 0}
	if e.Field == "" {
		key.offset = e.Offset
	}
	if at, there := x.at[key]; there {
		x.found.Faults[at].Guess = g
		return
	}
	x.at[key] = len(x.found.Faults)
	x.found.Faults = append(x.found.Faults, Fault{Error: e, Guess: g})
}

// addMoved takes a fault whose place is one in the readable text.
func (x *examiner) addMoved(e *Error, g Guess) {
	if e.Offset >= 0 {
		e.Offset = max(e.Offset+x.shift, -1)
	}
	x.add(e, g)
}

// keys goes over the members of one JSON object. It takes what is wrong with text and keys,
// and the keys that are not the API's, and keeps the fields; the last of one that is there
// twice.
func (x *examiner) keys(doc *document, value []byte) {
	d := jsontext.NewDecoder(bytes.NewBuffer(value), lenient...)
	_, _ = d.ReadToken()     // the object begins; the caller has read all of it
	seen := map[string]int{} // how often each key was there
	for d.PeekKind() == jsontext.KindString {
		key, at := next(d, value)
		name, err := jsontext.AppendUnquote(nil, key)
		f := fieldOf(string(name))
		switch {
		case err != nil:
			x.badText(unknown, key, at)
		case seen[string(name)] == 1:
			x.addMoved(&Error{Reason: DuplicateKey, Field: f.name(), Detail: keyTwice, Offset: at}, Guess{})
		case f == unknown && seen[string(name)] == 0:
			x.found.Ignored = append(x.found.Ignored, string(name))
		}
		if err == nil {
			seen[string(name)]++
		}
		raw, at := next(d, value)
		x.badText(f, raw, at)
		if f != unknown {
			doc.members[builtIn.plans[0].root.child(name).slot] = member{value: raw, at: at, in: at}
		}
	}
}

// next is the next key or value, and where it begins.
func next(d *jsontext.Decoder, value []byte) (raw jsontext.Value, at int) {
	v, _ := d.ReadValue()
	end := int(d.InputOffset())
	return value[end-len(v) : end], end - len(v)
}

// badText takes the first text in a key or value of f that is not valid.
func (x *examiner) badText(f field, raw jsontext.Value, at int) {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw), strict...)
	var err error
	for err == nil {
		_, err = d.ReadToken()
	}
	if bad, is := errors.AsType[*jsontext.SyntacticError](err); is {
		x.addMoved(&Error{Reason: BadText, Field: f.name(), Detail: notText, Offset: at + int(bad.ByteOffset)}, Guess{})
	}
}

// warnings are the suspicions of an event by field.
func (e *evaluation) warnings(at time.Time) (found []Warning) {
	for _, s := range e.suspicions(at) {
		switch s {
		case Future:
			for _, f := range []field{leaveTime, operateTime} {
				if e.times[f].After(at.Add(FutureTolerance)) {
					found = append(found, Warning{Suspicion: s, Field: f.name()})
				}
			}
		case LeaveBeforeEnter:
			found = append(found, Warning{Suspicion: s, Field: leaveTime.name()})
		case UnknownPlateColor, UnknownCarType:
			f := slices.IndexFunc(table, func(f Field) bool { return f.codes != nil && f.codes.odd == s })
			found = append(found, Warning{s, table[f].Name, table[f].codes.forms()})
		}
	}
	return found
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
	var doc document
	doc.init(newPlan())
	err := doc.read(&doc.plan.root, text, -1, false)
	switch {
	case err == nil:
		return WholeObject
	case errors.Is(err, io.ErrUnexpectedEOF) && bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")):
		return BegunObject
	}
	return NoObject
}
