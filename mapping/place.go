package mapping

import "slices"

// Place is where in a record's value the text of a field is looked for first, so that a person can
// set it there.
type Place struct {
	Source  string   // as it stands in the mapping file
	Path    []string // from the value's object; a string on the way holds JSON
	Before  int      // bytes before the value's JSON
	Numbers bool     // a number counts there
}

// PlaceError says why the text of a field has no place in the value.
type PlaceError struct {
	Field, Profile string
	By             string // what makes the text: const, join, lookup, header:NAME or key; "": nothing does
}

func (e *PlaceError) Error() string {
	if e.By == "" {
		return e.Field + ": the profile " + e.Profile + " does not have it"
	}
	return e.Field + ": the profile " + e.Profile + " makes it by " + e.By
}

// Place returns where the text of a field is looked for first, by the profile that fits the record:
// the first of its sources that is a path. The error is a *[PlaceError], an *[Error] or an *[Ignored].
func (m *Mapper) Place(rec *Record, name string) (Place, error) {
	e := evaluation{state: state{m: m}}
	p, refused := e.choose(rec)
	switch {
	case refused != nil:
		return Place{}, refused
	case p.ignore:
		return Place{}, &Ignored{p.name}
	}
	none := &PlaceError{Field: name, Profile: p.name}
	at := slices.IndexFunc(p.rules, func(r rule) bool { return r.field.Name == name })
	if at < 0 {
		return Place{}, none
	}
	switch r := &p.rules[at]; {
	case r.constant != "":
		none.By = "const"
	case r.join:
		none.By = "join"
	case r.lookup != "":
		none.By = "lookup"
	default:
		for _, s := range r.sources {
			if s.kind == fromValue {
				return Place{s.written, s.path, e.shift, r.digits || r.field.Kind != Text || r.codes != nil}, nil
			}
		}
		none.By = r.sources[0].written
	}
	return Place{}, none
}
