package wire

import (
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
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

// When a topic was recreated shortly before the start, brokers that lag may be believed; and a cluster may be
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

func TestTheFirstIDIsToldByTwo(t *testing.T) {
	for range 20 { // the order is random
		inCluster(t, []string{"a:1", "b:1", "c:1"}, func(t *testing.T, n *network, c *Client) {
			all := map[int32]string{1: "a", 2: "b", 3: "c"}
			for id, host := range all {
				n.set(host+":1", tells(id, &state{cluster: "ours", id: ID{2}, brokers: all}))
			}
			n.set("c:1", tells(3, &state{cluster: "ours", id: ID{1}, brokers: all})) // lags
			if id := metadataOf(t, c).Topics["events"].ID; id != (ID{2}) {
				t.Errorf("the first ID is %v", id)
			}
		})
	}
}

func TestTheFirstAnswerWaitsLittleForASecond(t *testing.T) {
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		s := &state{cluster: "ours", id: ID{1}, brokers: map[int32]string{1: "a", 2: "b", 3: "c"}}
		n.set("a:1", tells(1, s))
		n.set("b:1", &broker{hangs: true})
		n.set("c:1", &broker{hangs: true})
		begin := time.Now()
		m := metadataOf(t, c)
		if took := time.Since(begin); m.Topics["events"].ID != (ID{1}) || took > confirmTakes {
			t.Errorf("after %v: %v", took, m.Topics)
		}
	})
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		a := tells(1, &state{cluster: "ours", id: ID{1}, brokers: map[int32]string{1: "a", 2: "b", 3: "c"}})
		b, d := tells(2, &state{cluster: "ours", id: ID{1}}), tells(3, &state{cluster: "ours", id: ID{1}})
		n.set("a:1", a)
		n.set("b:1", b)
		n.set("c:1", d)
		metadataOf(t, c)
		if got := a.count(kmsg.Metadata) + b.count(kmsg.Metadata) + d.count(kmsg.Metadata); got != 2 {
			t.Errorf("%d requests for the first answer", got)
		}
	})
}
func TestAClusterWithoutOurTopicsIsNotKeptForOurs(t *testing.T) {
	inCluster(t, []string{"other:1", "a:1"}, func(t *testing.T, n *network, c *Client) {
		n.set("other:1", tells(1, &state{cluster: "other", missing: true, brokers: map[int32]string{1: "other"}}))
		metadataOf(t, c) // a:1 refuses for now
		time.Sleep(10 * time.Second)
		n.set("a:1", tells(1, one(&state{cluster: "ours"})))
		time.Sleep(time.Hour)
		if m := metadataOf(t, c); m.ClusterID != "ours" {
			t.Errorf("after an hour: %q", m.ClusterID)
		}
	})
}

// The same if a cluster names no topic because of its access rules.
func TestTopicsThatAreNowhereAreAwaitedAndFound(t *testing.T) {
	inCluster(t, []string{"other:1", "hung:1", "a:1"}, func(t *testing.T, n *network, c *Client) {
		other := tells(1, &state{cluster: "other", missing: true, brokers: map[int32]string{1: "other"}})
		answer := other.answer
		other.answer = func(req kmsg.Request) kmsg.Response {
			res := answer(req)
			if m, is := res.(*kmsg.MetadataResponse); is {
				m.Topics[0].ErrorCode = int16(kafka.TopicAuthorizationFailed)
			}
			return res
		}
		s := one(&state{cluster: "ours", missing: true})
		n.set("other:1", other)
		n.set("hung:1", &broker{hangs: true})
		n.set("a:1", tells(1, s))
		metadataOf(t, c)
		for range 60 {
			time.Sleep(time.Second)
			if m := metadataOf(t, c); time.Since(m.Asked) > firstAnswer+2*metadataAge {
				t.Errorf("the metadata is %v old", time.Since(m.Asked))
			}
		}
		if got := n.dials["hung:1"]; got > 3 {
			t.Errorf("the hung address was dialed %d times in a minute", got)
		}
		s.change(func(s *state) { s.missing = false })
		time.Sleep(firstAnswer + 2*metadataAge)
		if m := metadataOf(t, c); m.ClusterID != "ours" {
			t.Errorf("the cluster that has the topics by now is not found: %q", m.ClusterID)
		}
		s.change(func(s *state) { s.missing = true }) // deleted: the cluster stays ours
		time.Sleep(foreignFor / 2)
		if m := metadataOf(t, c); m.ClusterID != "ours" {
			t.Errorf("the cluster is %q after the topics were deleted", m.ClusterID)
		}
	})
}
func TestAnErrorForgetsNoEpoch(t *testing.T) {
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		s := one(&state{cluster: "ours", id: ID{1}, epoch: 7})
		n.set("a:1", tells(1, s))
		metadataOf(t, c)
		s.change(func(s *state) { s.missing = true }) // a broker that has just started
		time.Sleep(3 * time.Second)
		s.change(func(s *state) { s.missing, s.epoch = false, 5 }) // one that lags
		time.Sleep(3 * time.Second)
		if p := metadataOf(t, c).Topics["events"].Partitions[0]; p.Epoch != 7 {
			t.Errorf("epoch %d is believed after 7", p.Epoch)
		}
	})
}

// leads reports the partition with a leader and an epoch, or with neither and an error.
func leads(s *state, epoch int32, code int16) func(kmsg.Request) kmsg.Response {
	b := tells(1, s)
	return func(req kmsg.Request) kmsg.Response {
		res := b.answer(req)
		if m, is := res.(*kmsg.MetadataResponse); is {
			p := &m.Topics[0].Partitions[0]
			if p.LeaderEpoch, p.ErrorCode = epoch, code; code != 0 {
				p.Leader = -1
			}
		}
		return res
	}
}

func TestLowerEpochsAreBelievedWhenTheyStand(t *testing.T) {
	for _, id := range []ID{{}, {1}} {
		for _, between := range []struct {
			epoch int32
			code  int16
		}{{7, 0}, {-1, int16(kafka.LeaderNotAvailable)}, {-1, 0}} {
			inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
				s := one(&state{cluster: "ours", id: id})
				tell := func(epoch int32, code int16, want int32) {
					t.Helper()
					b := tells(1, s)
					b.answer = leads(s, epoch, code)
					n.set("a:1", b)
					time.Sleep(2*metadataAge + refusedFor)
					if p := metadataOf(t, c).Topics["events"].Partitions[0]; p.Epoch != want {
						t.Errorf("%v: epoch %d is told, %d is believed, want %d", id, epoch, p.Epoch, want)
					}
				}
				n.set("a:1", tells(1, s))
				metadataOf(t, c)
				tell(7, 0, 7)
				tell(between.epoch, between.code, between.epoch)
				tell(5, 0, 7)
				time.Sleep(aloneFor / 2)
				tell(5, 0, 7)
				tell(7, 0, 7) // by another broker
				time.Sleep(time.Second)
				tell(5, 0, 7)
				time.Sleep(aloneFor - 2*metadataAge - refusedFor)
				tell(5, 0, 5)
				tell(4, 0, 5)
				tell(6, 0, 6)
			})
		}
	}
}
