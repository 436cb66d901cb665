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
