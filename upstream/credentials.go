package upstream

import (
	"maps"
	"slices"
)

// Credential is what a request is signed with.
type Credential struct {
	AppID  string // sent and signed when not empty
	Secret Secret
	// Next is the secret that is about to replace Secret, or has just done so:
	// while a platform changes from one to the other both are tried. Zero: none.
	Next Secret
}

// Equal reports whether both sign alike.
func (c Credential) Equal(other Credential) bool {
	return c.AppID == other.AppID && c.Secret.Equal(other.Secret) && c.Next.Equal(other.Next)
}

// AnyLot is the key of the credential for the lots that have none of their own.
const AnyLot = "*"

// Source says which of an operator's credentials a lot uses.
type Source int

// The sources of a credential, the nearest first.
const (
	NoSource Source = iota // there is none for the lot
	OwnEntry               // the entry of the lot itself
	AnyEntry               // the entry of AnyLot
	Fallback               // the one for an operator who has but one
)

// Credentials says for each lot with what its requests are signed: with its own
// entry, else with that of AnyLot, else with the fallback, and never with another
// lot's. It does not change; a changed file makes another one.
type Credentials struct {
	own    map[string]Credential // AnyLot is not in it
	rest   Credential            // of all other lots; has no secret where they have none
	source Source                // of rest
}

// NewCredentials makes Credentials of entries by lot, AnyLot among them or not,
// and of a fallback, which does not count without a secret.
func NewCredentials(entries map[string]Credential, fallback Credential) *Credentials {
	c := &Credentials{own: maps.Clone(entries)}
	if anyLot, is := entries[AnyLot]; is {
		c.rest, c.source = anyLot, AnyEntry
		delete(c.own, AnyLot)
	} else if !fallback.Secret.IsZero() {
		c.rest, c.source = fallback, Fallback
	}
	return c
}

// For returns the credential of a lot, and false where it has none.
func (c *Credentials) For(lot string) (Credential, bool) {
	if own, is := c.own[lot]; is {
		return own, true
	}
	return c.rest, c.source != NoSource
}

// Source says where For takes a lot's credential from.
func (c *Credentials) Source(lot string) Source {
	if _, is := c.own[lot]; is {
		return OwnEntry
	}
	return c.source
}

// Listed is a credential as it may be shown to an operator.
type Listed struct {
	Lot    string // sanitized; AnyLot for the lots without an entry of their own
	AppID  string // "": none is sent
	Source Source
	Next   bool // there is a second secret
}

// List returns the credentials by lot, ascending, and that of the other lots
// last. No secret is in it.
func (c *Credentials) List() []Listed {
	list := make([]Listed, 0, len(c.own)+1)
	for _, lot := range slices.Sorted(maps.Keys(c.own)) {
		own := c.own[lot]
		list = append(list, Listed{Sanitize(lot), own.AppID, OwnEntry, !own.Next.IsZero()})
	}
	if c.source != NoSource {
		list = append(list, Listed{AnyLot, c.rest.AppID, c.source, !c.rest.Next.IsZero()})
	}
	return list
}

// Changes returns the lots that sign otherwise than before: empty for none, nil
// for all, since what the lots without an entry share has changed.
func (c *Credentials) Changes(before *Credentials) []string {
	if (c.source == NoSource) != (before.source == NoSource) || !c.rest.Equal(before.rest) {
		return nil
	}
	lots := []string{}
	named := make(map[string]Credential, len(c.own))
	maps.Copy(named, c.own)
	maps.Copy(named, before.own)
	for lot := range named {
		now, has := c.For(lot)
		was, had := before.For(lot)
		if has != had || !now.Equal(was) {
			lots = append(lots, lot)
		}
	}
	slices.Sort(lots)
	return lots
}
