package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Config holds the operator's settings for the mapping.
type Config struct {
	// Location is the zone of times without one (EVENT_TIMEZONE). It must be set: a
	// wrong default would shift every time of every event.
	Location *time.Location

	// Required names the fields that an event must have (EVENT_REQUIRED_FIELDS): any of the
	// endpoint's, in any order, repeats allowed, including all that it requires. Empty
	// means only those.
	Required []string

	// File says from where the fields come (MAPPING_FILE); nil: the built-in contract.
	File *File

	// Lookups are its lookup files, by name. A lot of one that is not there is not listed.
	Lookups map[string]Lookup
}

// Mapper maps events. It is immutable and may be shared.
type Mapper struct {
	file     *File
	location *time.Location
	required [maxFields]bool // by the places of the fields
	lookups  map[string]Lookup
}

// LooksOutside reports whether the topic, the headers or the key of a record matter.
func (m *Mapper) LooksOutside() bool { return m.file.outside }

// BuiltIn reports whether it maps by the built-in contract, without a mapping file.
func (m *Mapper) BuiltIn() bool { return m.file == builtIn }

// TakesTime reports whether a text is a time in one of the built-in contract's forms.
func (m *Mapper) TakesTime(text string) bool {
	_, problem := timeOf(text, m.location)
	return problem == ""
}

// Endpoint is what its records are mapped for.
func (m *Mapper) Endpoint() *Endpoint { return m.file.Endpoint }

// New makes a Mapper. The error names every mistake.
func New(c Config) (*Mapper, error) {
	var wrong []error
	if c.Location == nil {
		wrong = append(wrong, errors.New("no time zone"))
	}
	m := &Mapper{file: cmp.Or(c.File, builtIn), location: c.Location, lookups: map[string]Lookup{}}
	maps.Copy(m.lookups, c.Lookups)
	for _, name := range c.Required {
		if m.Endpoint().place(name) < 0 {
			wrong = append(wrong, fmt.Errorf("%s is no field of the endpoint", name))
		}
	}
	for i, f := range m.Endpoint().Fields {
		m.required[i] = f.Required || slices.Contains(c.Required, f.Name)
		if f.Required && len(c.Required) > 0 && !slices.Contains(c.Required, f.Name) {
			wrong = append(wrong, fmt.Errorf("%s is always required, but left out", f.Name))
		}
	}
	if wrong != nil {
		return nil, errors.Join(wrong...)
	}
	return m, nil
}
