package deadletters

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

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
		field, known := mapping.FieldOf(name)
		if !is || !known {
			return nil, fmt.Errorf("--set: number %d is not field=value; fields are %s", i+1, strings.Join(mapping.Fields(), ", ")) // it may be a plate
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

// change returns the dead letter's value with the fields set. It is an error if the
// value is not one JSON object, or if the event still cannot be mapped: it would only
// come back.
func (m *editor) change(s *dlq.Stored) ([]byte, error) {
	value, err := setMembers(s.Value, m.fields)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUneditable, err)
	}
	if m.same(s) {
		value = s.Value
	}
	if _, err := m.mapper.Map(&mapping.Record{Value: value}); err != nil {
		return nil, fmt.Errorf("%w: with them it could not be sent either: %w", errUneditable, err)
	}
	return value, nil
}

// same reports whether the event has the fields with these values already.
func (m *editor) same(s *dlq.Stored) bool {
	times := map[string]int{}
	err := redact.EachMember(s.Value, func(name string, raw jsontext.Value) error {
		i := slices.IndexFunc(m.fields, func(f redact.Member) bool { return f.Name == name })
		if i < 0 {
			return nil
		}
		plain, err := jsontext.AppendUnquote(nil, raw)
		if err != nil || string(plain) != m.fields[i].Value {
			return redact.ErrNoObject
		}
		times[name]++
		return nil
	})
	return err == nil && !slices.ContainsFunc(m.fields, func(f redact.Member) bool { return times[f.Name] != 1 })
}

// difference says what change changes, redacted.
func (m *editor) difference(s *dlq.Stored) string {
	before := map[string]string{}
	_ = redact.EachMember(s.Value, func(name string, raw jsontext.Value) error {
		if f, known := mapping.FieldOf(name); known {
			before[name] = redact.ShowValue(raw, f.Personal && !m.reveal)
		}
		return nil
	})
	var parts []string
	for _, f := range m.fields {
		old, was := before[f.Name]
		if !was {
			old = "(absent)"
		}
		parts = append(parts, fmt.Sprintf("%s: %s -> %s", f.Name, redact.Clean(old), redact.Clean(shownField(f, m.reveal))))
	}
	return strings.Join(parts, ", ")
}

func shownField(f redact.Member, reveal bool) string {
	if field, _ := mapping.FieldOf(f.Name); field.Personal && !reveal {
		return redact.Text(f.Value)
	}
	return f.Value
}

// setMembers returns the object with members set to texts. Each occurs once: where it
// first was, else at the end. All else stays byte for byte, except white space between
// members.
func setMembers(value []byte, fields []redact.Member) ([]byte, error) {
	out := []byte{'{'}
	done := map[string]bool{}
	put := func(name, raw []byte) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), raw...)
	}
	quote := func(text string) ([]byte, error) { return jsontext.AppendQuote(nil, text) }
	err := redact.EachMember(value, func(name string, raw jsontext.Value) error {
		quotedName, err := quote(name)
		if err != nil {
			return redact.ErrNoObject
		}
		i := slices.IndexFunc(fields, func(f redact.Member) bool { return f.Name == name })
		switch {
		case i < 0:
			put(quotedName, raw)
		case !done[name]:
			done[name] = true
			text, err := quote(fields[i].Value)
			if err != nil {
				return fmt.Errorf("the text for %s is not UTF-8", name)
			}
			put(quotedName, text)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		if done[f.Name] {
			continue
		}
		text, err := quote(f.Value)
		if err != nil {
			return nil, fmt.Errorf("the text for %s is not UTF-8", f.Name)
		}
		put([]byte(`"`+f.Name+`"`), text)
	}
	return append(out, '}'), nil
}
