package session

import (
	"maps"

	"release-forwarder/mapping"
)

// Number is what the platform knows an event by: a repeated one of a lot is ignored.
type Number struct{ Lot, Value string }

// Content is what would be sent of a record's event, by field, and its number; nil where the event cannot be mapped, or
// has no number.
func Content(m *mapping.Mapper, rec *mapping.Record) (Number, map[string]string) {
	release, err := m.Map(rec)
	if err != nil {
		return Number{}, nil
	}
	content := maps.Collect(release.All())
	n := Number{release.Lot(), content[m.Endpoint().Repeat]}
	if n.Value == "" {
		return n, nil
	}
	return n, content
}

// Differing names the fields of an endpoint in which two contents differ.
func Differing(e *mapping.Endpoint, a, b map[string]string) (names []string) {
	for _, name := range e.Names() {
		if a[name] != b[name] {
			names = append(names, name)
		}
	}
	return names
}
