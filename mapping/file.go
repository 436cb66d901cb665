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

// File is a mapping file that was read without a mistake. It is immutable.
type File struct {
	endpoint *Endpoint
	own      bool // the endpoint stands in the file
	profiles []profile
	plans    [2]*plan // what is read of a value with the Confluent prefix before it (1) or without (0)
	outside  bool     // topic, headers or key matter
	sum      [sha256.Size]byte
}

// builtIn is the file that holds where none is given.
var builtIn = func() *File {
	f, err := parse([]byte(builtInYAML), nil)
	if err != nil {
		panic("mapping: the built-in file: " + err.Error())
	}
	return f
}()

// Sum is the SHA-256 of the file's text.
func (f *File) Sum() [sha256.Size]byte { return f.sum }

// Endpoint is the one that the records are sent to; own: it stands in the file.
func (f *File) Endpoint() (e *Endpoint, own bool) { return f.endpoint, f.own }

// Profiles returns the names of all profiles, in their order.
func (f *File) Profiles() (names []string) {
	for _, p := range f.profiles {
		names = append(names, p.name)
	}
	return names
}

// Topics returns the topics that profiles name in when, each once, in their order.
func (f *File) Topics() (topics []string) {
	for _, p := range f.profiles {
		for _, c := range p.when {
			for _, topic := range c.is {
				if c.at.kind == fromTopic && !slices.Contains(topics, topic) {
					topics = append(topics, topic)
				}
			}
		}
	}
	return topics
}

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
	when   []condition // all must hold
	event  *source     // where the event's object lies; nil: it is the value
	rules  []rule      // in the order of the fields
	order  []*rule     // those of the order key
}

// prefix is what stands before a value's JSON.
type prefix uint8

const (
	noPrefix        prefix = iota
	confluentPrefix        // a zero byte and four of a schema's ID
)

const confluentBytes = 5

// pathOf is the path of a source from the whole value.
func (p *profile) pathOf(s *source) []string {
	if p.event == nil || s.whole {
		return s.path
	}
	return slices.Concat(p.event.path, s.path)
}

// condition is a part of a profile's when.
type condition struct {
	at source
	is []string // one of these; none: the record has no value
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
	time     timeForm
	zone     *time.Location // nil: EVENT_TIMEZONE
	required bool
	words    []string // its keywords, for people
}

// compile makes the plans, and gives each source its slot in them.
func (f *File) compile() {
	f.plans = [2]*plan{newPlan(), newPlan()}
	for i := range f.profiles {
		p := &f.profiles[i]
		for j := range p.rules {
			if slices.Contains(f.endpoint.Order, p.rules[j].field.Name) {
				p.order = append(p.order, &p.rules[j])
			}
		}
		f.plans[p.prefix].take(p)
		f.outside = f.outside || p.looksOutside()
	}
}

func (p *profile) looksOutside() bool {
	return slices.ContainsFunc(p.when, func(c condition) bool { return c.at.kind != fromValue }) ||
		slices.ContainsFunc(p.rules, func(one rule) bool {
			return slices.ContainsFunc(one.sources, func(s source) bool { return s.kind != fromValue })
		})
}

// take adds what is read for a profile.
func (p *plan) take(f *profile) {
	if f.event != nil {
		n := p.at(f.event.path, true)
		f.event.slot, n.event = n.slot, true
	}
	for i := range f.rules {
		r := &f.rules[i]
		for j := range r.sources {
			p.add(&r.sources[j], f, r.field.Name, slices.Contains(f.order, r))
		}
	}
	for i := range f.when {
		if f.when[i].is != nil {
			p.add(&f.when[i].at, f, "", true)
		}
	}
}
