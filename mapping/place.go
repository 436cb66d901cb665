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
	var o opener
	p, refused := o.choose(m.file, rec)
	switch {
	case refused != nil:
		return Place{}, refused
	case p.ignore:
		return Place{}, &Ignored{p.name}
	}
	at := slices.IndexFunc(p.rules, func(r rule) bool { return r.field.Name == name })
	if at < 0 {
		return Place{}, &PlaceError{Field: name, Profile: p.name}
	}
	r := &p.rules[at]
	s, by := r.firstPath()
	if s == nil {
		return Place{}, &PlaceError{Field: name, Profile: p.name, By: by}
	}
	path := s.path
	if p.event != nil && !s.whole {
		path = slices.Concat(p.event.path, path)
	}
	return Place{Source: s.written, Path: path, Before: o.shift, Numbers: r.digits || r.field.Kind != Text || r.codes != nil}, nil
}

// firstPath is the first source that is a path; nil with what makes the text if it is not just one source.
func (r *rule) firstPath() (s *source, by string) {
	switch {
	case r.constant != "":
		return nil, "const"
	case r.join:
		return nil, "join"
	case r.lookup != "":
		return nil, "lookup"
	}
	at := slices.IndexFunc(r.sources, func(s source) bool { return s.kind == fromValue })
	if at < 0 {
		return nil, r.sources[0].written
	}
	return &r.sources[at], ""
}
