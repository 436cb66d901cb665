package credential_test

import (
	"strings"
	"testing"

	"release-forwarder/upstream/credential"
)

// What is signed first, after what the platform said before.
func TestWhichSecretSignsFirst(t *testing.T) {
	two := credential.Credential{Secret: credential.NewSecret("first"), Next: credential.NewSecret("second")}
	for name, c := range map[string]struct {
		// Each is a lot, the secret it was signed with (1 or 2), and a for accepted, r for
		// refused or p for a refused probe.
		before string
		lot    string
		probe  bool
		want   string
	}{
		"nothing was said":                              {"", "a", false, "first"},
		"the first is accepted":                         {"a1a", "b", false, "first"},
		"the second is accepted":                        {"a1r a2a", "b", false, "second"},
		"a refused lot takes the other":                 {"a1r", "a", false, "second"},
		"and no other lot":                              {"a1r", "b", false, "first"},
		"refused with both, it takes the first":         {"a1r a2r", "a", false, "first"},
		"an acceptance ends a lot's refusal":            {"a1r a1a", "a", false, "first"},
		"probes of different lots alternate":            {"a1p", "b", true, "second"},
		"and again":                                     {"a1p b2p", "c", true, "first"},
		"a probe without a refused one":                 {"a1r", "b", true, "first"},
		"a request that is no probe does not alternate": {"a1p", "b", false, "first"},
		"an acceptance ends the alternation":            {"a1p b1a", "c", true, "first"},
		"a refusal from before the change is outdated":  {"b2r a2a", "b", false, "second"},
		"the change may be reverted":                    {"a2a a1a", "b", false, "first"},
	} {
		t.Run(name, func(t *testing.T) {
			var r credential.Rotations
			for event := range strings.FieldsSeq(c.before) {
				lot, second, what := event[:1], event[1] == '2', event[2]
				ch := r.Choose("of nobody", two, false)
				if ch.Next() != second {
					ch = ch.Other()
				}
				switch what {
				case 'a':
					r.Accept(lot, ch)
				default:
					r.Refuse(lot, ch, what == 'p')
				}
			}
			if got := r.Choose(c.lot, two, c.probe).Secret(two).Reveal(); got != c.want {
				t.Errorf("signs with the %s, want the %s", got, c.want)
			}
		})
	}
}

// An answer to a request that was signed before the change neither reverts it nor counts as
// a refusal.
func TestLateAnswersDoNotRevertAChange(t *testing.T) {
	two := credential.Credential{Secret: credential.NewSecret("first"), Next: credential.NewSecret("second")}
	var r credential.Rotations
	late, later := r.Choose("a", two, false), r.Choose("b", two, false)
	if !r.Accept("c", r.Choose("c", two, false).Other()) {
		t.Error("the change is not told")
	}
	if r.Accept("a", late) {
		t.Error("a late acceptance reverts the change")
	}
	r.Refuse("b", later.Other(), true)
	for _, lot := range []string{"a", "b", "c"} {
		if !r.Choose(lot, two, true).Next() {
			t.Errorf("lot %s does not sign with the second", lot)
		}
	}
}

// The states of one credential say nothing about another's, and one with a single secret
// has no other.
func TestCredentialsRotateApart(t *testing.T) {
	two := credential.Credential{Secret: credential.NewSecret("first"), Next: credential.NewSecret("second")}
	other := credential.Credential{AppID: "op1", Secret: two.Secret, Next: two.Next}
	var r credential.Rotations
	r.Accept("a", r.Choose("a", two, false).Other())
	if !r.Choose("b", two, false).Next() || r.Choose("b", other, false).Next() {
		t.Error("the change of one credential is another's")
	}
	var refused credential.Rotations
	refused.Refuse("a", refused.Choose("a", two, false), false)
	if refused.Choose("a", other, false).Next() {
		t.Error("the refusal of a lot's credential is its new one's")
	}
	single := one("only")
	ch := r.Choose("a", single, true)
	r.Refuse("a", ch, true)
	if ch.HasOther() || r.Accept("a", ch) || r.Choose("a", single, false).Secret(single).Reveal() != "only" {
		t.Error("a single secret has another")
	}
}

// A flood of refused lots is forgotten at once, and not without end remembered.
func TestRefusalsAreBounded(t *testing.T) {
	two := credential.Credential{Secret: credential.NewSecret("first"), Next: credential.NewSecret("second")}
	var r credential.Rotations
	for n := range 4096 {
		r.Refuse(string(rune('一'+n)), r.Choose("", two, false), false)
	}
	if !r.Choose("一", two, false).Next() {
		t.Error("a refusal is forgotten too early")
	}
	r.Refuse("one more", r.Choose("", two, false), false)
	if r.Choose("一", two, false).Next() || !r.Choose("one more", two, false).Next() {
		t.Error("the refusals are not bounded")
	}
}
