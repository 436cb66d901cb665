package redact

import (
	"strings"
	"testing"

	"release-forwarder/mapping"
)

// What is personal is shown as its first character and length, and what is not as it is.
func TestPersonalFieldsAreRedacted(t *testing.T) {
	var parts []string
	for _, name := range mapping.BuiltIn().Names() {
		parts = append(parts, `"`+name+`":"SECRET"`)
	}
	event := []byte("{" + strings.Join(parts, ",") + "}")
	hidden, err := ShowEvent(mapping.BuiltIn(), event, false)
	if err != nil || len(hidden.Members) != len(mapping.BuiltIn().Names()) || hidden.Others != 0 {
		t.Fatalf("%+v, %v", hidden, err)
	}
	for _, m := range hidden.Members {
		want := "SECRET"
		if f, _ := mapping.BuiltIn().Field(m.Name); f.Personal {
			want = "S… (6)"
		}
		if m.Value != want {
			t.Errorf("%s is shown as %q, want %q", m.Name, m.Value, want)
		}
	}
	for _, name := range []string{"plate", "operator", "reason", "car_desc"} {
		if f, _ := mapping.BuiltIn().Field(name); !f.Personal {
			t.Errorf("%s is personal", name)
		}
	}
}

// A name may stand in an event any number of times: no more is kept for showing than a
// person looks through.
func TestOfAnEventOfManyMembersTheFirstAreShown(t *testing.T) {
	value := "{" + strings.Repeat(`"plate":"B1","x":1,`, 5000) + `"x":2}`
	for reveal, shown := range map[bool]int{false: 5000, true: 10_001} {
		e, err := ShowEvent(mapping.BuiltIn(), []byte(value), reveal)
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Members) != maxMembers || e.More != shown-maxMembers || e.Others != 10_001-shown {
			t.Errorf("reveal %t: %d members, %d more, %d others", reveal, len(e.Members), e.More, e.Others)
		}
	}
}
