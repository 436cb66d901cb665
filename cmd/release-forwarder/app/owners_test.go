package app

import (
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/consumer/membership"
)

// A partition that moves again and again does not count as without an owner: it has one in between.
func TestAPartitionThatMovesIsNotWithoutAnOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOwners(&connect.Kafka{}, "group", []string{"events"}, nil)
		moving, left := membership.Partition{Topic: "events", Number: 1}, membership.Partition{Topic: "events", Number: 2}
		for range 10 {
			o.note([]membership.Partition{moving, left}, time.Now())
			time.Sleep(ownersPatience - time.Second)
			o.note([]membership.Partition{left}, time.Now())
			time.Sleep(time.Second)
		}
		if s := o.snapshot(); s.UnownedByTopic[left.Topic] != 1 || len(s.Unowned) != 1 || s.Unowned[0] != left {
			t.Errorf("%+v", s)
		}
		time.Sleep(ownersPatience)
		if s := o.snapshot(); s.Unowned != nil || s.UnownedByTopic != nil || s.AllOwned {
			t.Errorf("an answer of a minute ago counts: %+v", s)
		}
	})
}
