package settings

import "cmp"

// Shown is a setting with the value in force as it may be shown: secrets as ***,
// a URL without its query.
type Shown struct{ Name, Value string }

// InForce returns every setting in the order of the table; "-" stands for one
// that is not set and has no default.
func (s *Settings) InForce() []Shown {
	shown := make([]Shown, 0, len(fields))
	for _, f := range fields {
		shown = append(shown, Shown{f.Name, cmp.Or(oneLine(s.shown[f.Name]), "-")})
	}
	return shown
}
