package wire

import (
	"testing"
	"time"
)

func TestAnIDThatWasReplacedNeverComesBack(t *testing.T) {
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		all := map[int32]string{1: "a", 2: "b", 3: "c", 4: "d"}
		fresh := &state{cluster: "ours", id: ID{1}, epoch: 3, brokers: all}
		stale := &state{cluster: "ours", id: ID{1}, epoch: 3, brokers: all}
		n.set("a:1", tells(1, fresh))
		n.set("b:1", tells(2, fresh))
		n.set("c:1", tells(3, stale))
		n.set("d:1", tells(4, stale))
		metadataOf(t, c)
		time.Sleep(20 * time.Second)
		fresh.change(func(s *state) { s.id, s.epoch = ID{2}, 0 })
		changes, last := 0, ID{1}
		for range 600 {
			c.Refresh()
			time.Sleep(100 * time.Millisecond)
			if id := metadataOf(t, c).Topics["events"].ID; id != last {
				changes++
				last = id
			}
		}
		if changes > 1 {
			t.Errorf("an ID that was replaced is believed again: %d changes in a minute", changes)
		}
	})
}

// At a start after a topic was made anew the brokers that lag may be believed; and a cluster may be
// restored from a snapshot.
func TestAReplacedIDIsBelievedWhenNobodyTellsTheOtherOneAnyMore(t *testing.T) {
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		s := &state{cluster: "ours", id: ID{1}, brokers: map[int32]string{1: "a", 2: "b"}}
		n.set("a:1", tells(1, s))
		n.set("b:1", tells(2, s))
		for _, step := range []struct {
			tells, want ID
			after       time.Duration
		}{
			{ID{1}, ID{1}, time.Second},
			{ID{2}, ID{2}, 10 * time.Second},
			{ID{1}, ID{2}, foreignFor - 2*metadataAge},
			{ID{2}, ID{2}, 10 * time.Second},
			{ID{1}, ID{2}, foreignFor - 2*metadataAge},
			{ID{1}, ID{1}, 4 * metadataAge},
			{ID{2}, ID{1}, foreignFor - 2*metadataAge},
		} {
			s.change(func(s *state) { s.id = step.tells })
			metadataOf(t, c)
			time.Sleep(step.after)
			if id := metadataOf(t, c).Topics["events"].ID; id != step.want {
				t.Errorf("%v after %v is told the ID is %v, want %v", step.after, step.tells[0], id[0], step.want[0])
			}
		}
	})
}
