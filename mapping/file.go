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

// BuiltInFile returns the mapping file of the built-in contract.
func BuiltInFile() string { return builtInYAML }

// FileSchema returns the JSON Schema (draft 2020-12) of a mapping file. [Parse] refuses some
// files that the schema cannot refuse: see the test.
func FileSchema() string { return fileSchema }

// File is a mapping file that was read without a mistake. It is immutable.
type File struct {
	profiles []profile
	// What is read of a value, with the Confluent prefix before it (1) or without (0): all, and
	// for the order key alone.
	whole, order [2]*plan
	outside      bool // topic, headers or key matter
	sum          [sha256.Size]byte
}

// builtIn is the file that holds where none is given.
var builtIn = func() *File {
	f, err := Parse([]byte(builtInYAML))
	if err != nil {
		panic("mapping: the built-in file: " + err.Error())
	}
	return f
}()

// Sum is the SHA-256 of the file's text.
func (f *File) Sum() [sha256.Size]byte { return f.sum }

// Ignoring returns the names of the profiles that say to ignore records.
func (f *File) Ignoring() (names []string) {
	for _, p := range f.profiles {
		if p.ignore {
			names = append(names, p.name)
		}
	}
	return names
}

// profile says how the records that fit it are mapped.
type profile struct {
	name   string
	prefix prefix
	ignore bool
	all    reading // for all fields
	order  reading // for those of the order key alone
}

// reading is what of a profile goes by the slots of a plan.
type reading struct {
	when  []condition // all must hold
	event *source     // where the event's object lies; nil: it is the value
	rules []rule      // in the order of the fields
}

// prefix is what stands before a value's JSON.
type prefix uint8

const (
	noPrefix        prefix = iota
	confluentPrefix        // a zero byte and four of a schema's ID
)

const confluentBytes = 5

// conditionKind is what a condition looks at.
type conditionKind uint8

const (
	whenTopic conditionKind = iota
	whenHeader
	whenValue
	whenNoValue // the record has no value
)

// condition is a part of a profile's when.
type condition struct {
	kind conditionKind
	name string // of the header, or the path as it is written
	at   source // of whenValue
	is   []string
}

// rule says how a field's text is made.
type rule struct {
	field    field
	kind     Kind     // of the field
	sources  []source // the first that is there; all, if join
	join     bool
	constant string
	digits   bool      // whole numbers count as text
	codes    *codeList // nil: the text stays
	time     timeForm
	zone     *time.Location // nil: EVENT_TIMEZONE
	required bool
	words    []string // its keywords, for people
}

// compile makes the plans, and gives each source its slot in them.
func (f *File) compile() {
	for i := range f.whole {
		f.whole[i], f.order[i] = newPlan(), newPlan()
	}
	for i := range f.profiles {
		p := &f.profiles[i]
		p.order = p.all.clone(func(r *rule) bool { return slices.Contains(endpoint.Order, r.field.name()) })
		f.outside = f.outside || p.all.looksOutside()
		f.whole[p.prefix].take(&p.all)
		f.order[p.prefix].take(&p.order)
	}
}

func (r *reading) looksOutside() bool {
	return slices.ContainsFunc(r.when, func(c condition) bool { return c.kind == whenTopic || c.kind == whenHeader }) ||
		slices.ContainsFunc(r.rules, func(one rule) bool {
			return slices.ContainsFunc(one.sources, func(s source) bool { return s.kind != fromValue })
		})
}

// clone copies a reading with some of its rules.
func (r *reading) clone(chosen func(*rule) bool) reading {
	c := reading{when: slices.Clone(r.when)}
	if r.event != nil {
		event := *r.event
		c.event = &event
	}
	for _, one := range r.rules {
		if chosen(&one) {
			one.sources = slices.Clone(one.sources)
			c.rules = append(c.rules, one)
		}
	}
	return c
}

// take adds what is read for a profile.
func (p *plan) take(r *reading) {
	var path []string
	if r.event != nil {
		path = r.event.path
		n := p.at(path)
		r.event.slot, n.event = n.slot, true
	}
	for i := range r.rules {
		for j := range r.rules[i].sources {
			p.add(&r.rules[i].sources[j], path, r.rules[i].field)
		}
	}
	for i := range r.when {
		if r.when[i].kind == whenValue {
			p.add(&r.when[i].at, path, unknown)
		}
	}
}
