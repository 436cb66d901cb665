package mapping

import "maps"

// Lookup is what a lookup file says (package settings/lookup): the platform's UUID by the vendor's code of a lot.
// It is not changed.
type Lookup map[string]string

// Unlisted is the error of [Mapper.Map] for an event of which all is right but that the lookup file does
// not have its lot. That is the operator's fault, so it is no *[Error]: it maps when the file has the lot.
type Unlisted struct {
	File string
	Code string // the lot's, as the vendor writes it
}

// Lot names the lot among others: what is sent never has U+0000.
func (u *Unlisted) Lot() string { return u.File + "\x00" + u.Code }

// Error names no code: it is a text of the event.
func (u *Unlisted) Error() string { return "the lot's code is not in " + u.File }

// With returns a mapper that goes by a newer lookup file.
func (m *Mapper) With(file string, l Lookup) *Mapper {
	newer := *m
	newer.lookups = maps.Clone(m.lookups) // New makes one
	newer.lookups[file] = l
	return &newer
}

// Lists reports whether the lookup file has a lot that it did not have.
func (m *Mapper) Lists(u *Unlisted) bool {
	_, listed := m.lookups[u.File][u.Code]
	return listed
}
