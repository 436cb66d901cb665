package topic_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/topic"
	"release-forwarder/consumer/topic/topictest"
)

const name = "events"

// inHall runs a test with a topic of 2 partitions.
func inHall(t *testing.T, test func(h *topictest.Hall), more ...kfake.Opt) {
	t.Helper()
	topictest.In(t, test, append([]kfake.Opt{kfake.SeedTopics(2, name)}, more...)...)
}

func logOf(h *topictest.Hall) *topic.Log { return topic.NewLog(h.Wire(name), "", name) }

// asked counts how requests name a topic to leaders.
type asked struct{ fetches, offsets, vague int }

func askedOf(h *topictest.Hall) *asked {
	a := &asked{}
	id := h.Cluster.TopicInfo(name).TopicID
	h.Cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		h.Cluster.KeepControl()
		t := r.(*kmsg.FetchRequest).Topics[0]
		if a.fetches++; t.TopicID != id || t.Partitions[0].CurrentLeaderEpoch < 0 || t.Partitions[0].LastFetchedEpoch != -1 {
			a.vague++
		}
		return nil, nil, false
	})
	h.Cluster.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		h.Cluster.KeepControl()
		for _, p := range r.(*kmsg.ListOffsetsRequest).Topics[0].Partitions {
			if a.offsets++; p.CurrentLeaderEpoch < 0 {
				a.vague++
			}
		}
		return nil, nil, false
	})
	return a
}

// A leader that was replaced and does not know it refuses only requests with the epoch. A
// recreated topic of the same name is recognized only by requests with the ID.
func TestALeaderIsAskedByItsEpochAndTheTopicsID(t *testing.T) {
	inHall(t, func(h *topictest.Hall) {
		h.Fill(name, 20)
		a := askedOf(h)
		log := logOf(h)
		spans, err := log.Spans(h.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.Since(h.Ctx, spans, time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := log.EndOnce(h.Ctx, 1, false); err != nil {
			t.Fatal(err)
		}
		if _, _, err := log.Peek(h.Ctx, 1, 0); err != nil {
			t.Fatal(err)
		}
		if n := readAll(h, log, spans); n != 20 {
			t.Errorf("%d records", n)
		}
		// 2 partitions: firsts, ends and since; one end.
		if a.fetches != 3 || a.offsets != 7 || a.vague != 0 {
			t.Errorf("%+v", *a)
		}
	})
}

func readAll(h *topictest.Hall, log *topic.Log, spans []topic.Span) (n int) {
	h.T.Helper()
	for _, span := range spans {
		for _, err := range log.Read(h.Ctx, span.Partition, span.First, span.End) {
			if err != nil {
				h.T.Fatal(err)
			}
			n++
		}
	}
	return n
}

// The leader that the metadata names is no longer the leader, or is leader again.
func TestANewLeaderIsFoundAtOnce(t *testing.T) {
	for which, to := range map[string]int32{"another": 1, "the same": 0} {
		t.Run(which, func(t *testing.T) {
			inHall(t, func(h *topictest.Hall) {
				for p := range int32(2) {
					h.Move(name, p, 0)
				}
				h.Fill(name, 20)
				log := logOf(h)
				spans, err := log.Spans(h.Ctx)
				if err != nil {
					t.Fatal(err)
				}
				for what, ask := range map[string]func() error{
					"bounds":  func() (err error) { spans, err = log.Spans(h.Ctx); return err },
					"records": func() error { readAll(h, log, spans); return nil },
					"an end":  func() error { _, err := log.End(h.Ctx, 0, true); return err },
				} {
					for p := range int32(2) {
						h.Move(name, p, to)
					}
					begun := time.Now()
					if err := ask(); err != nil {
						t.Errorf("%s: %v", what, err)
					}
					// One pause before the next try, to refresh the metadata.
					if d := time.Since(begun); d > 2*topic.TryPause {
						t.Errorf("%s took %s", what, d)
					}
					for p := range int32(2) {
						h.Move(name, p, 0)
					}
					time.Sleep(time.Minute)
				}
				if n := readAll(h, log, spans); n != 20 {
					t.Errorf("%d records", n)
				}
			}, kfake.NumBrokers(2))
		})
	}
}

// A leader that does not answer does not hide the partitions of others.
func TestALeaderThatRefusesHidesNoOthersBounds(t *testing.T) {
	inHall(t, func(h *topictest.Hall) {
		h.Move(name, 0, 0)
		h.Move(name, 1, 1)
		h.Fill(name, 20)
		h.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Nodes: []int32{1}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		spans, err := logOf(h).Bounds(h.Ctx)
		if err == nil || len(spans) != 1 || spans[0].Partition != 0 || spans[0].End == 0 {
			t.Errorf("%v, %v", spans, err)
		}
	}, kfake.NumBrokers(2))
}
