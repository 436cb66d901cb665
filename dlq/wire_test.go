package dlq

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// asked counts how requests name a topic to leaders.
type asked struct{ fetches, offsets, vague int }

func (h *hall) asked() *asked {
	a := &asked{}
	id := h.cluster.TopicInfo(letterTopic).TopicID
	h.cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		h.cluster.KeepControl()
		t := r.(*kmsg.FetchRequest).Topics[0]
		if a.fetches++; t.TopicID != id || t.Partitions[0].CurrentLeaderEpoch < 0 || t.Partitions[0].LastFetchedEpoch != -1 {
			a.vague++
		}
		return nil, nil, false
	})
	h.cluster.ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (kmsg.Response, error, bool) {
		h.cluster.KeepControl()
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
	inHall(t, func(h *hall) {
		h.post(letters(20)...)
		a := h.asked()
		log := NewLog(h.wire(), "", letterTopic)
		spans, err := log.Spans(h.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.Since(h.ctx, spans, time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := log.endOnce(h.ctx, 1, false); err != nil {
			t.Fatal(err)
		}
		if _, _, err := log.Peek(h.ctx, 1, 0); err != nil {
			t.Fatal(err)
		}
		if n := h.readAll(log, spans); n != 20 {
			t.Errorf("%d dead letters", n)
		}
		// 2 partitions: firsts, ends and since; one end.
		if a.fetches != 3 || a.offsets != 7 || a.vague != 0 {
			t.Errorf("%+v", *a)
		}
	})
}

func (h *hall) readAll(log *Log, spans []Span) (n int) {
	h.t.Helper()
	for _, span := range spans {
		for _, err := range log.Read(h.ctx, span.Partition, span.First, span.End) {
			if err != nil {
				h.t.Fatal(err)
			}
			n++
		}
	}
	return n
}

// The leader that the metadata names is no longer the leader, or is leader again.
func TestANewLeaderIsFoundAtOnce(t *testing.T) {
	for name, to := range map[string]int32{"another": 1, "the same": 0} {
		t.Run(name, func(t *testing.T) {
			inHall(t, func(h *hall) {
				for p := range int32(2) {
					h.moved(letterTopic, p, 0)
				}
				h.post(letters(20)...)
				log := NewLog(h.wire(), "", letterTopic)
				spans, err := log.Spans(h.ctx)
				if err != nil {
					t.Fatal(err)
				}
				for what, ask := range map[string]func() error{
					"bounds":  func() (err error) { spans, err = log.Spans(h.ctx); return err },
					"records": func() error { h.readAll(log, spans); return nil },
					"an end":  func() error { _, err := log.end(h.ctx, 0, true); return err },
				} {
					for p := range int32(2) {
						h.moved(letterTopic, p, to)
					}
					begun := time.Now()
					if err := ask(); err != nil {
						t.Errorf("%s: %v", what, err)
					}
					// One pause before the next try, to refresh the metadata.
					if d := time.Since(begun); d > 2*tryPause {
						t.Errorf("%s took %s", what, d)
					}
					for p := range int32(2) {
						h.moved(letterTopic, p, 0)
					}
					time.Sleep(time.Minute)
				}
				if n := h.readAll(log, spans); n != 20 {
					t.Errorf("%d dead letters", n)
				}
			}, kfake.NumBrokers(2))
		})
	}
}

func (h *hall) moved(topic string, partition, to int32) {
	h.t.Helper()
	if err := h.cluster.MoveTopicPartition(topic, partition, to); err != nil {
		h.t.Fatal(err)
	}
}

// A leader that does not answer does not hide the partitions of others.
func TestALeaderThatRefusesHidesNoOthersBounds(t *testing.T) {
	inHall(t, func(h *hall) {
		h.moved(letterTopic, 0, 0)
		h.moved(letterTopic, 1, 1)
		h.post(letters(20)...)
		h.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Nodes: []int32{1}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		spans, err := NewLog(h.wire(), "", letterTopic).Bounds(h.ctx)
		if err == nil || len(spans) != 1 || spans[0].Partition != 0 || spans[0].End == 0 {
			t.Errorf("%v, %v", spans, err)
		}
	}, kfake.NumBrokers(2))
}
