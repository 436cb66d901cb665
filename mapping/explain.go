package mapping

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// Explanation is how a record is mapped, for people. The service needs only what [Mapper.Map] says.
type Explanation struct {
	// Profile is the profile of the mapping file that fits; "" where there is no such file.
	Profile string
	// Steps are how each field's text is made, in the order of the endpoint. It is empty where the
	// event cannot be read, or is ignored.
	Steps []Step
}

// Step is how a field's text is made.
type Step struct {
	Field string
	// Looked are the places that were looked at, and what was seen there.
	Looked []Looked
	Text   string   // what is there; "" if nothing is, or it is refused
	Rule   []string // the keywords that change the text; none if it stays as it is
	Sent   string   // "" if nothing is sent
	// Refused is why the event is refused for this field. It is not always what Map says first.
	Refused *Error
	// Unlisted is the lot that its lookup file does not have.
	Unlisted *Unlisted
	// Suspicions are what is strange in the field, also of an event that is refused.
	Suspicions []Suspicion
	Takes      string // the codes that the field takes, with their names, where one is strange
}

// Looked is a place of a record.
type Looked struct {
	Source string // as it stands in the mapping file
	Seen   string // JSON, or the text of a header or key; "" if there is nothing
}

// Explain maps a record as Map does, but goes on behind what is wrong: behind bad text, behind a key
// that is there twice, and from field to field.
func (m *Mapper) Explain(rec *Record) *Explanation {
	e := evaluation{state: state{m: m, lookups: m.lookups, explains: true}}
	p, refused := e.choose(rec)
	if refused != nil {
		return &Explanation{}
	}
	x := &Explanation{Steps: make([]Step, 0, len(p.rules))}
	if m.file != builtIn {
		x.Profile = p.name
	}
	for i := range p.rules {
		x.Steps = append(x.Steps, e.step(&p.rules[i], rec))
	}
	for i := range x.Steps { // when all times are known
		x.Steps[i].Suspicions = e.suspicions(&p.rules[i].field, rec.Time, nil)
	}
	return x
}

// step is how the field of a rule is made.
func (e *evaluation) step(r *rule, rec *Record) Step {
	odd := len(e.odd)
	e.looked = nil
	text, at, refused := e.textOf(r, rec)
	s := Step{Field: r.field.Name, Looked: e.looked, Text: text, Rule: r.words}
	s.Sent, s.Refused = e.sent(r, text, at, refused)
	if r.lookup != "" && e.unlisted != nil {
		s.Sent, s.Unlisted = "", e.unlisted
	}
	if len(e.odd) > odd {
		s.Takes = r.field.codes.forms()
	}
	return s
}

// Reads reports whether any profile reads what stands at a path of a value, behind the prefix, and whether
// one reads something in it.
func (m *Mapper) Reads(path []string) (there, within bool) {
	for i := range m.file.plans {
		n := &m.file.plans[i].root
		for _, name := range path {
			if n = n.child([]byte(name)); n == nil {
				break
			}
		}
		there, within = there || n != nil, within || n != nil && n.inside != nil
	}
	return there, within
}

// Plain is a record's event as the built-in contract has it: its value, or with a mapping file
// one object of the fields that can be made; of a lot that is not listed, the code. A value that
// cannot be read is returned as it is, and of a record that is ignored nothing.
func (m *Mapper) Plain(rec *Record) []byte {
	if m.BuiltIn() {
		return rec.Value
	}
	x := m.Explain(rec)
	switch {
	case x.Steps == nil:
		return rec.Value
	case len(x.Steps) == 0:
		return nil
	}
	var plain bytes.Buffer
	w := jsontext.NewEncoder(&plain) // what is sent is valid: it does not fail
	_ = w.WriteToken(jsontext.BeginObject)
	for _, s := range x.Steps {
		text := s.Sent
		if s.Unlisted != nil {
			text = s.Unlisted.Code
		}
		if text != "" {
			_ = errors.Join(w.WriteToken(jsontext.String(s.Field)), w.WriteToken(jsontext.String(text)))
		}
	}
	_ = w.WriteToken(jsontext.EndObject)
	return bytes.TrimSpace(plain.Bytes())
}
