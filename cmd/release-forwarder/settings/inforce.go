package settings

import "cmp"

// Shown is a setting with the value in force, as it may be shown: secrets as ***,
// a URL without its query.
type Shown struct{ Name, Value string }

// unset is shown for a setting without a value.
const unset = "-"

// InForce returns every setting in the order of the table, then the proxies; "-" is the
// value of one that is not set and has no default.
func (s *Settings) InForce() []Shown {
	shown := make([]Shown, 0, len(fields)+len(s.outside))
	for _, f := range fields {
		shown = append(shown, Shown{f.Name, cmp.Or(oneLine(s.shown[f.Name]), "-")})
	}
	for _, o := range s.outside {
		shown = append(shown, Shown{o.Name, cmp.Or(oneLine(o.Value), "-")})
	}
	return shown
}
