package credential_test

import (
	"slices"
	"strings"
	"testing"

	"release-forwarder/upstream/credential"
)

func one(secret string) credential.Credential {
	return credential.Credential{Secret: credential.NewSecret(secret)}
}

type entries = map[string]credential.Credential

// The table of doc.go.
func TestALotsCredential(t *testing.T) {
	for name, c := range map[string]struct {
		entries  entries
		fallback credential.Credential
		secret   string // "": none
		source   credential.Source
	}{
		"its own":                  {entries{"lot": one("own"), "*": one("any")}, one("all"), "own", credential.OwnEntry},
		"the entry of any lot":     {entries{"other": one("other"), "*": one("any")}, one("all"), "any", credential.AnyEntry},
		"the fallback":             {entries{"other": one("other")}, one("all"), "all", credential.Fallback},
		"never another lot's":      {entries{"other": one("other")}, credential.Credential{}, "", credential.NoSource},
		"no secret is no fallback": {nil, credential.Credential{AppID: "op1"}, "", credential.NoSource},
	} {
		t.Run(name, func(t *testing.T) {
			set := credential.NewSet(c.entries, c.fallback)
			got, has := set.For("lot")
			if got.Secret.Reveal() != c.secret || has != (c.secret != "") || set.Source("lot") != c.source {
				t.Errorf("%q, %v, from %v; want %q from %v", got.Secret.Reveal(), has, set.Source("lot"), c.secret, c.source)
			}
		})
	}
}

func TestTheListIsSortedAndShowsLotsAsItIsTold(t *testing.T) {
	two := credential.Credential{AppID: "op1", Secret: credential.NewSecret("a"), Next: credential.NewSecret("b")}
	list := credential.NewSet(entries{"b": two, "*": one("any"), "a": one("own")}, one("all")).List(strings.ToUpper)
	want := []credential.Listed{
		{Lot: "A", Source: credential.OwnEntry},
		{Lot: "B", AppID: "op1", Source: credential.OwnEntry, Next: true},
		{Lot: "*", Source: credential.AnyEntry},
	}
	if !slices.Equal(list, want) {
		t.Errorf("%+v, want %+v", list, want)
	}
}

func TestWhichLotsSignOtherwise(t *testing.T) {
	before := credential.NewSet(entries{"a": one("1"), "b": one("2"), "c": one("3")}, one("all"))
	for name, c := range map[string]struct {
		now  *credential.Set
		lots []string // nil: all
	}{
		"none":                           {credential.NewSet(entries{"a": one("1"), "b": one("2"), "c": one("3")}, one("all")), []string{}},
		"another secret":                 {credential.NewSet(entries{"a": one("1"), "b": one("x"), "c": one("3")}, one("all")), []string{"b"}},
		"one more, one less":             {credential.NewSet(entries{"a": one("1"), "b": one("2"), "d": one("4")}, one("all")), []string{"c", "d"}},
		"an entry that is the fallback":  {credential.NewSet(entries{"a": one("1"), "b": one("2"), "c": one("3"), "d": one("all")}, one("all")), []string{}},
		"another fallback":               {credential.NewSet(entries{"a": one("1"), "b": one("2"), "c": one("3")}, one("x")), nil},
		"no fallback any more":           {credential.NewSet(entries{"a": one("1"), "b": one("2"), "c": one("3")}, credential.Credential{}), nil},
		"the fallback's secret as any's": {credential.NewSet(entries{"a": one("1"), "b": one("2"), "c": one("3"), "*": one("all")}, credential.Credential{}), []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			if lots := c.now.Changes(before); !slices.Equal(lots, c.lots) || (lots == nil) != (c.lots == nil) {
				t.Errorf("%q, want %q", lots, c.lots)
			}
		})
	}
	none, empty := credential.NewSet(nil, credential.Credential{}), credential.NewSet(entries{"*": {}}, credential.Credential{})
	if lots := empty.Changes(none); lots != nil {
		t.Errorf("an entry where there was none: %q, want all", lots)
	}
}
