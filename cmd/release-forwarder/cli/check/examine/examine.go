package examine

import (
	"errors"
	"slices"
	"strings"

	"release-forwarder/mapping"
)

// Examination is all that can be told of a record to whoever makes events.
type Examination struct {
	// Release is what would be sent; nil if the event is refused or ignored.
	Release *mapping.Release
	// Faults has the one that Map refuses with first, then all others, at most one of a
	// reason in each field. It is empty if the event maps.
	Faults []Fault
	// Profile is the profile of the mapping file that fits; "" where there is no such file.
	Profile string
	// Unlisted is the lot that its lookup file does not have; nil: it has. Without faults the event is held.
	Unlisted *mapping.Unlisted
	// Steps are how each field's text is made. It is empty where the event cannot be read, or is ignored.
	Steps []mapping.Step
	// Ignored are the keys at the top level that are not the API's: each once, in their order. With
	// a mapping file they are not told.
	Ignored []string
	// Absent are the API's fields that are absent, null or blank, in the order of its table.
	Absent []string
	// Warnings are the suspicions by field, also of an event that is refused.
	Warnings []Warning
	// Encoding is what the value seems to be in, where it is refused for that.
	Encoding Encoding
}

// Fault is one reason to refuse an event.
type Fault struct {
	*mapping.Error
	Guess Guess // of a time in none of the forms
}

// Warning is a suspicion about a field.
type Warning struct {
	Suspicion mapping.Suspicion
	Field     string
	// Forms are the codes that the field takes, with their names; empty where the code is not to blame.
	Forms string
}

// Event judges a record as [mapping.Mapper.Map] does, and goes on behind the first fault as far as the
// value can be read: where it is in another encoding, in what it says there.
func Event(m *mapping.Mapper, rec *mapping.Record) *Examination {
	x := examiner{found: new(Examination), at: map[fault]int{}}
	release, err := m.Map(rec)
	x.found.Release = release
	if ignored, is := errors.AsType[*mapping.Ignored](err); is {
		x.found.Profile = ignored.Profile
		return x.found
	}
	readable := *rec
	if refused, is := errors.AsType[*mapping.Error](err); is {
		x.add(refused, Guess{})
		x.found.Encoding = EncodingOf(rec.Value)
		readable.Value, x.shift = x.found.Encoding.plain(rec.Value)
	}
	if m.BuiltIn() && ShapeOf(readable.Value) == WholeObject {
		readable.Value = x.keys(readable.Value)
	}
	explained := m.Explain(&readable)
	x.found.Profile, x.found.Steps = explained.Profile, explained.Steps
	for _, s := range explained.Steps {
		x.step(m, s)
	}
	x.found.Warnings = warnings(explained.Steps)
	return x.found
}

// step takes what is wrong with a field.
func (x *examiner) step(m *mapping.Mapper, s mapping.Step) {
	ownForm := slices.ContainsFunc(s.Rule, func(word string) bool { return strings.HasPrefix(word, "time ") })
	switch {
	case s.Unlisted != nil:
		x.found.Unlisted = s.Unlisted
		return
	case s.Refused == nil:
	case s.Refused.Reason == mapping.BadTime && !ownForm:
		x.addMoved(s.Refused, guess(s.Text, m.TakesTime))
	default:
		x.addMoved(s.Refused, Guess{})
	}
	if s.Sent == "" && (s.Refused == nil || s.Refused.Reason == mapping.MissingField) {
		x.found.Absent = append(x.found.Absent, s.Field)
	}
}

// examiner is the state of Event.
type examiner struct {
	found *Examination
	shift int           // what to add to a place in the readable text; negative if it is no place in the value
	at    map[fault]int // where in found.Faults each is
}

// fault is what there is at most one of: a reason in a field, or at a place that is in none.
type fault struct {
	reason mapping.Reason
	field  string
	offset int // 0 in a field
}

// add takes a fault. Of one that is there already it adds the guess.
func (x *examiner) add(e *mapping.Error, g Guess) {
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
func (x *examiner) addMoved(e *mapping.Error, g Guess) {
	if e.Offset >= 0 {
		e.Offset = max(e.Offset+x.shift, -1)
	}
	x.add(e, g)
}

// warnings are the suspicions by field, in the order of [mapping.Suspicions].
func warnings(steps []mapping.Step) (found []Warning) {
	for _, kind := range mapping.Suspicions() {
		for _, s := range steps {
			if slices.Contains(s.Suspicions, kind) {
				found = append(found, Warning{kind, s.Field, s.Takes})
			}
		}
	}
	return found
}
