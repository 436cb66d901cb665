package main

import (
	"strings"
	"testing"
)

// A name may stand in an event any number of times: no more is kept for showing than a
// person looks through.
func TestOfAnEventOfManyMembersTheFirstAreShown(t *testing.T) {
	value := "{" + strings.Repeat(`"plate":"B1","x":1,`, 5000) + `"x":2}`
	for reveal, shown := range map[bool]int{false: 5000, true: 10_001} {
		e, err := showEvent([]byte(value), reveal)
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Members) != maxMembers || e.More != shown-maxMembers || e.Others != 10_001-shown {
			t.Errorf("reveal %t: %d members, %d more, %d others", reveal, len(e.Members), e.More, e.Others)
		}
	}
}
