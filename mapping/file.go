package mapping

import (
	"crypto/sha256"
	_ "embed"
	"slices"
	"time"
)

//go:embed builtin.yaml
var builtInYAML string

//go:embed mapping.schema.json
var fileSchema string

//go:embed event.schema.json
var eventSchema string

// BuiltInFile returns the mapping file of the built-in contract.
func BuiltInFile() string { return builtInYAML }

// FileSchema returns the JSON Schema (draft 2020-12) of a mapping file. [Parse] refuses some
// files that the schema cannot refuse: see the test.
func FileSchema() string { return fileSchema }

// Schema returns the JSON Schema (draft 2020-12) of the event, for lane teams and other
// producers of events. It requires the four fields that are always required. Map refuses
// some events that the schema cannot refuse: a date that does not exist or is just outside
// the bounds, a local time in a gap of the zone, wrong parts of a 14-digit time, a time as a
// number with a point or an exponent, half of a surrogate pair, and nesting deeper than
// [MaxDepth].
func Schema() string { return eventSchema }

// File is a mapping file that was read without a mistake. Nobody changes it.
type File struct {
	Sum      [sha256.Size]byte // of its text
	Endpoint *Endpoint         // which the records are sent to: [BuiltIn], or one of its own
	Profiles []string          // the names of all profiles, in their order
	Ignoring []string          // and of those that say to ignore records
	Topics   []string          // that profiles name in when, each once
	Lookups  []string          // the lookup files, which lie beside the mapping file, each once

	profiles []profile
	plans    [2]plan // what is read of a value with the Confluent prefix before it (1) or without (0)
	outside  bool    // topic, headers or key matter
}

// builtIn is the file that holds where none is given.
var builtIn = func() *File {
	f, err := parse([]byte(builtInYAML), nil)
	if err != nil {
		panic("mapping: the built-in file: " + err.Error())
	}
	return f
}()

// profile says how the records that fit it are mapped.
type profile struct {
	name   string
	plan   *plan
	ignore bool
	when   []condition // all must hold
	event  *source     // where the event's object lies; nil: it is the value
	rules  []rule      // in the order of the fields
	order  []*rule     // those of the order key
	repeat []*rule     // those of the lot and the repeat key
}

// condition is a part of a profile's when.
type condition struct {
	at source
	is []string // one of these
}

// rule says how a field's text is made.
type rule struct {
	field    Field
	place    int      // of the field in its endpoint
	sources  []source // the first that is there; all, if join
	join     bool
	constant string
	digits   bool      // whole numbers count as text
	codes    *codeList // nil: the text stays
	lookup   string    // the file that has what is sent for the text; "": none
	time     *timeForm
	zone     *time.Location // nil: EVENT_TIMEZONE
	required bool
	words    []string // its keywords, for people
}

// compile makes the plans, and gives each source its path and its slot in them.
func (f *File) compile() {
	for i := range f.profiles {
		p := &f.profiles[i]
		read := func(s *source, field string, order bool) {
			if f.outside = f.outside || s.kind <= fromKey; s.kind != fromValue {
				return
			}
			if p.event != nil && !s.whole {
				s.path = slices.Concat(p.event.path, s.path)
			}
			n := p.plan.at(s.path, order)
			switch s.slot = n.slot; {
			case field == "":
			case !n.read:
				n.read, n.field = true, field
			case n.field != field:
				n.field = ""
			}
		}
		if p.event != nil {
			n := p.plan.at(p.event.path, true)
			p.event.slot, n.event = n.slot, true
		}
		for j := range p.rules {
			r := &p.rules[j]
			ordered := slices.Contains(f.Endpoint.Order, r.field.Name)
			if ordered {
				p.order = append(p.order, r)
			}
			if r.field.Name == f.Endpoint.Order[0] || r.field.Name == f.Endpoint.Repeat {
				p.repeat = append(p.repeat, r)
			}
			for k := range r.sources {
				read(&r.sources[k], r.field.Name, ordered)
			}
		}
		for j := range p.when {
			read(&p.when[j].at, "", true)
		}
	}
}
