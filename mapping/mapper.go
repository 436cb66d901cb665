package mapping

import (
	"cmp"
	"maps"
	"slices"
	"strings"
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
func (m *Mapper) Endpoint() *Endpoint { return m.file.endpoint }

// New makes a Mapper. The error is a *[ConfigError] that names every mistake.
func New(c Config) (*Mapper, error) {
	wrong := ConfigError{NoLocation: c.Location == nil}
	m := &Mapper{file: cmp.Or(c.File, builtIn), location: c.Location, lookups: map[string]Lookup{}}
	maps.Copy(m.lookups, c.Lookups)
	required := c.Required
	if len(required) == 0 {
		required = m.Endpoint().Required()
	}
	for _, name := range required {
		if at := m.Endpoint().place(name); at >= 0 {
			m.required[at] = true
		} else {
			wrong.Unknown = append(wrong.Unknown, name)
		}
	}
	for _, name := range m.Endpoint().Required() {
		if !slices.Contains(required, name) {
			wrong.LeftOut = append(wrong.LeftOut, name)
		}
	}
	if wrong.NoLocation || wrong.Unknown != nil || wrong.LeftOut != nil {
		return nil, &wrong
	}
	return m, nil
}

// ConfigError says what is wrong with a [Config].
type ConfigError struct {
	// NoLocation: Config.Location is nil.
	NoLocation bool
	// Unknown holds the names in Config.Required that are no fields of the endpoint.
	Unknown []string
	// LeftOut holds the fields that the endpoint requires and Config.Required lacks.
	LeftOut []string
}

func (e *ConfigError) Error() string {
	var parts []string
	if e.NoLocation {
		parts = append(parts, "no time zone")
	}
	if len(e.Unknown) > 0 {
		parts = append(parts, "not fields of the event: "+strings.Join(e.Unknown, ", "))
	}
	if len(e.LeftOut) > 0 {
		parts = append(parts, "always required, but left out: "+strings.Join(e.LeftOut, ", "))
	}
	return strings.Join(parts, "; ")
}
