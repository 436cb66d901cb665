package deadletters

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/dlq"
	"release-forwarder/mapping"
)

// editor changes fields of events.
type editor struct {
	fields []redact.Member // Value is the text as given
	mapper *mapping.Mapper
	reveal bool
}

// newEditor reads field=value pairs.
func newEditor(pairs []string, mapper *mapping.Mapper, reveal bool) (*editor, error) {
	m := &editor{mapper: mapper, reveal: reveal}
	for i, pair := range pairs {
		name, value, is := strings.Cut(pair, "=")
		field, known := mapper.Endpoint().Field(name)
		if !is || !known {
			return nil, fmt.Errorf("--set: number %d is not field=value; fields are %s", i+1, strings.Join(mapper.Endpoint().Names(), ", ")) // it may be a plate
		}
		if slices.ContainsFunc(m.fields, func(f redact.Member) bool { return f.Name == name }) {
			return nil, fmt.Errorf("--set: %s is given twice", name)
		}
		// An optional text is what people write: several lines, and characters that join others.
		if field.Kind != mapping.Text || field.Required {
			var err error
			if value, err = settings.Text(value); err != nil {
				return nil, fmt.Errorf("--set: the value of %s %w", name, err)
			}
		}
		m.fields = append(m.fields, redact.Member{Name: name, Value: value})
	}
	return m, nil
}

// errUneditable says that a dead letter's event cannot be sent with the fields
// given.
var errUneditable = errors.New("the fields cannot be set")

// fromLane is what to do where --set cannot help.
const fromLane = "have the lane send it right, then close the dead letter"

// change returns the dead letter's value with the fields set, each where the mapping looks for it first. It is an error
// if the event would not be what was asked for: it would only come back, or be another event.
func (m *editor) change(s *dlq.Stored) ([]byte, error) {
	value, err := m.set(s)
	if err == nil {
		err = m.judge(session.Mapped(s, s.Value), session.Mapped(s, value))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUneditable, err)
	}
	return value, nil
}

func (m *editor) set(s *dlq.Stored) ([]byte, error) {
	value := s.Value
	for _, f := range m.fields {
		place, err := m.mapper.Place(session.Mapped(s, s.Value), f.Name)
		if placeless, is := errors.AsType[*mapping.PlaceError](err); is {
			return nil, fmt.Errorf("%w; %s", err, remedyFor(placeless.By))
		}
		if err != nil {
			return nil, err
		}
		t := textSetter{text: f.Value, numbers: place.Numbers}
		object, err := t.object(value[place.Before:], place.Path)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w; %s", f.Name, place.Source, err, fromLane)
		}
		value = slices.Concat(value[:place.Before], object)
	}
	return value, nil
}

// remedyFor says what to do where a field's text has no place in the value.
func remedyFor(by string) string {
	switch by {
	case "", "const":
		return "change MAPPING_FILE, then replay without this --set"
	case "lookup":
		return "change the file that it is looked up in, then replay without this --set"
	}
	return fromLane
}

// judge is an error if the event would not be what was asked for.
func (m *editor) judge(before, after *mapping.Record) error {
	if _, err := m.mapper.Map(after); err != nil {
		return fmt.Errorf("with them it could not be sent either: %w", err)
	}
	wasLot, wasSerial := m.mapper.Identify(before)
	if lot, serial := m.mapper.Identify(after); wasLot != "" && wasLot != lot || wasSerial != "" && wasSerial != serial {
		return fmt.Errorf("%s keep the order of a parking's events, and stay as they are; %s", strings.Join(m.mapper.Endpoint().Order, " and "), fromLane)
	}
	was, is := m.mapper.Explain(before), m.mapper.Explain(after)
	if was.Profile != is.Profile {
		return fmt.Errorf("with them the profile %s would fit, no longer %s; %s", is.Profile, was.Profile, fromLane)
	}
	for i, step := range is.Steps { // as those before: of one profile
		switch at := slices.IndexFunc(m.fields, func(f redact.Member) bool { return f.Name == step.Field }); {
		case at < 0 && step.Sent != was.Steps[i].Sent:
			return fmt.Errorf("%s would change too: it comes from the same place; set it as well", step.Field)
		case at >= 0 && step.Text != strings.TrimSpace(m.fields[at].Value):
			return fmt.Errorf("%s: its first path does not count, or another field is set there; %s", step.Field, fromLane)
		}
	}
	return nil
}

// members are the values of an event's fields, as the built-in contract has them.
func (m *editor) members(rec *mapping.Record) map[string]jsontext.Value {
	values := map[string]jsontext.Value{}
	_ = redact.EachMember(m.mapper.Plain(rec), func(name string, raw jsontext.Value) error {
		values[name] = raw.Clone()
		return nil
	})
	return values
}

// difference says what change has changed, redacted.
func (m *editor) difference(s *dlq.Stored, value []byte) string {
	before, after := m.members(session.Mapped(s, s.Value)), m.members(session.Mapped(s, value))
	var parts []string
	for _, f := range m.fields {
		parts = append(parts, fmt.Sprintf("%s: %s -> %s", f.Name, m.shown(f.Name, before), m.shown(f.Name, after)))
	}
	return strings.Join(parts, ", ")
}

// shown is a field's value as a person may see it.
func (m *editor) shown(name string, values map[string]jsontext.Value) string {
	raw, is := values[name]
	if !is {
		return "(nothing)"
	}
	field, _ := m.mapper.Endpoint().Field(name)
	return redact.Clean(redact.ShowValue(raw, field.Personal && !m.reveal))
}
