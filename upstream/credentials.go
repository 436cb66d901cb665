package upstream

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

// Credentials gives each lot its credential: its own entry, else that of AnyLot, else
// the fallback, and never another lot's. It is immutable; a changed file makes a new one.
type Credentials struct {
	own    map[string]Credential // AnyLot is not in it
	rest   Credential            // of all other lots; without a secret if they have none
	source Source                // of rest
}

// NewCredentials makes Credentials from entries by lot, with or without AnyLot, and a
// fallback, which is ignored without a secret.
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

// For returns the credential of a lot, and false if it has none.
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

// Listed is a credential in a form that may be shown to an operator.
type Listed struct {
	Lot    string // sanitized; AnyLot for the lots without an entry of their own
	AppID  string // "": none is sent
	Source Source
	Next   bool // there is a second secret
}

// List returns the credentials sorted by lot, and that of the other lots last. It holds
// no secret.
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

// Changes returns the lots whose credential differs from before: empty for none, nil for
// all, if the shared credential has changed.
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
