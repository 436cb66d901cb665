package credential

import (
	"maps"
	"slices"
)

// Credential is what a request is signed with.
type Credential struct {
	AppID  string // sent and signed when not empty
	Secret Secret
	// Next is the secret that will replace Secret, or has just done so: during the
	// change both are tried. Zero: none.
	Next Secret
}

// Equal reports whether both sign alike.
func (c Credential) Equal(other Credential) bool {
	return c.AppID == other.AppID && c.Secret.Equal(other.Secret) && c.Next.Equal(other.Next)
}

// AnyLot is the key of the credential for lots that have none of their own.
const AnyLot = "*"

// Source says which of the operator's credentials a lot uses.
type Source int

// The sources of a credential, the nearest first.
const (
	NoSource Source = iota // there is none for the lot
	OwnEntry               // the entry of the lot itself
	AnyEntry               // the entry of AnyLot
	Fallback               // the settings' one secret for all lots
)

// Set gives each lot its credential: its own entry, else that of AnyLot, else the fallback,
// and never another lot's. It is immutable; a changed file makes a new one.
type Set struct {
	own    map[string]Credential // AnyLot is not in it
	rest   Credential            // of all other lots; without a secret if they have none
	source Source                // of rest
}

// NewSet makes a Set from entries by lot, with or without AnyLot, and a fallback, which is
// ignored without a secret.
func NewSet(entries map[string]Credential, fallback Credential) *Set {
	s := &Set{own: maps.Clone(entries)}
	if anyLot, is := entries[AnyLot]; is {
		s.rest, s.source = anyLot, AnyEntry
		delete(s.own, AnyLot)
	} else if !fallback.Secret.IsZero() {
		s.rest, s.source = fallback, Fallback
	}
	return s
}

// For returns the credential of a lot, and false if it has none.
func (s *Set) For(lot string) (Credential, bool) {
	if own, is := s.own[lot]; is {
		return own, true
	}
	return s.rest, s.source != NoSource
}

// Source says where For takes a lot's credential from.
func (s *Set) Source(lot string) Source {
	if _, is := s.own[lot]; is {
		return OwnEntry
	}
	return s.source
}

// Listed is a credential in a form that may be shown to an operator.
type Listed struct {
	Lot    string // as List's show returned it; AnyLot for the lots without an entry of their own
	AppID  string // "": none is sent
	Source Source
	Next   bool // there is a second secret
}

// List returns the credentials sorted by lot, and that of the other lots last. show makes a
// lot harmless to print. The list holds no secret.
func (s *Set) List(show func(lot string) string) []Listed {
	list := make([]Listed, 0, len(s.own)+1)
	for _, lot := range slices.Sorted(maps.Keys(s.own)) {
		own := s.own[lot]
		list = append(list, Listed{show(lot), own.AppID, OwnEntry, !own.Next.IsZero()})
	}
	if s.source != NoSource {
		list = append(list, Listed{AnyLot, s.rest.AppID, s.source, !s.rest.Next.IsZero()})
	}
	return list
}

// Changes returns the lots whose credential differs from before: empty for none, nil for
// all, if the shared credential has changed.
func (s *Set) Changes(before *Set) []string {
	if (s.source == NoSource) != (before.source == NoSource) || !s.rest.Equal(before.rest) {
		return nil
	}
	lots := []string{}
	named := make(map[string]Credential, len(s.own))
	maps.Copy(named, s.own)
	maps.Copy(named, before.own)
	for lot := range named {
		now, has := s.For(lot)
		was, had := before.For(lot)
		if has != had || !now.Equal(was) {
			lots = append(lots, lot)
		}
	}
	slices.Sort(lots)
	return lots
}
