package mapping

import "github.com/go-json-experiment/json/jsontext"

// Step is how a field's text is made.
type Step struct {
	Field string
	// Looked are the places that were looked at, and what was seen there.
	Looked []Looked
	Rule   string // "" if the text stays as it is
	Sent   string // "" if nothing is sent
	// Refused is why the event is refused for this field.
	Refused *Error
}

// Looked is a place of a record.
type Looked struct {
	Source string // as it stands in the mapping file
	Seen   string // JSON, or the text of a header or key; "" if there is nothing
}

// looked are the places that a rule looks at, up to the one that it takes.
func (e *evaluation) looked(r *rule, rec *Record) (all []Looked) {
	for i := range r.sources {
		s := &r.sources[i]
		one := Looked{Source: s.written}
		switch s.kind {
		case fromHeader:
			one.Seen = string(rec.header(s.header))
		case fromKey:
			one.Seen = string(rec.Key)
		case fromValue:
			one.Seen = string(e.doc.members[s.slot].value)
		}
		all = append(all, one)
		if text, _, refused := e.textAt(r, s, rec); !r.join && (text != "" || refused != nil) {
			break
		}
	}
	return all
}

// Plain is a record's event as the built-in contract has it: its value, or with a mapping file
// one object of the fields that can be made. A value that cannot be read is returned as it is, and
// of a record that is ignored nothing.
func (m *Mapper) Plain(rec *Record) []byte {
	if m.file == builtIn {
		return rec.Value
	}
	e := evaluation{zone: m.location}
	p, refused := e.choose(m.file, rec)
	switch {
	case refused != nil:
		return rec.Value
	case p.ignore:
		return nil
	}
	plain := []byte{'{'}
	for i := range p.rules {
		r := &p.rules[i]
		text, refused := e.evaluate(r, rec)
		if text == "" || refused != nil {
			continue
		}
		if len(plain) > 1 {
			plain = append(plain, ',')
		}
		plain, _ = jsontext.AppendQuote(plain, r.field.name())
		plain = append(plain, ':')
		plain, _ = jsontext.AppendQuote(plain, text) // of text that is valid it does not fail
	}
	return append(plain, '}')
}
