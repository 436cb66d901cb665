package dlq

import (
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	produceapi "github.com/segmentio/kafka-go/protocol/produce"
)

// states counts the letters by state.
func (h *hall) states() map[State]int {
	h.t.Helper()
	d := h.reader("observer")
	ledger, err := d.Ledger(h.ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	spans, err := d.Spans(h.ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	counts := map[State]int{}
	for s, err := range d.Letters(h.ctx, spans, nil) {
		if err != nil {
			h.t.Fatal(err)
		}
		counts[ledger.State(s)]++
	}
	return counts
}

func at(partition int32, offset int64) ID { return ID{letterTopic, partition, offset} }

func TestAClosedLetterIsNotReplayed(t *testing.T) {
	inHall(t, func(h *hall) {
		const n = 20
		h.post(letters(n)...)
		d := h.reader("alice")
		if closed, err := d.Close(h.ctx, []ID{at(0, 1), at(1, 0), at(0, 1)}, "tests of the vendor"); err != nil || closed != 2 {
			t.Fatalf("%d closed: %v", closed, err)
		}
		if closed, err := d.Close(h.ctx, []ID{at(0, 1), at(0, 2)}, "once more"); err != nil || closed != 1 {
			t.Fatalf("%d closed: %v", closed, err)
		}
		ledger, err := d.Ledger(h.ctx, at(0, 1))
		if err != nil {
			t.Fatal(err)
		}
		for s, err := range d.Pick(h.ctx, at(0, 1)) {
			if err != nil {
				t.Fatal(err)
			}
			if e := ledger.Entry(s); e == nil || e.State != Closed || e.By != "alice" || e.Why != "tests of the vendor" || !e.At.Equal(e.At.UTC()) || time.Since(e.At) > time.Minute {
				t.Errorf("the ledger tells %+v", e)
			}
		}
		if err := d.Replay(h.ctx, all()); err != nil {
			t.Fatal(err)
		}
		if missing, repeated := h.account(n); missing != 3 || repeated != 0 {
			t.Errorf("%d were not sent, want the 3 that are closed; %d repeated", missing, repeated)
		}
		if got := h.states(); got[Closed] != 3 || got[Replayed] != n-3 || got[Open] != 0 {
			t.Errorf("%v", got)
		}
	})
}

func TestAMistypedIDClosesNothing(t *testing.T) {
	inHall(t, func(h *hall) {
		h.post(letters(20)...)
		_, err := h.reader("alice").Close(h.ctx, []ID{at(0, 0), at(0, 500)}, "why")
		if missing, is := errors.AsType[*MissingError](err); !is || missing.ID != at(0, 500) {
			t.Errorf("%v", err)
		}
		if got := h.states(); got[Closed] != 0 {
			t.Errorf("%v", got)
		}
		for _, why := range []string{"", string(make([]byte, MaxWhy+1))} {
			if _, err := h.reader("alice").Close(h.ctx, []ID{at(0, 0)}, why); err == nil {
				t.Errorf("closed with a reason of %d bytes", len(why))
			}
		}
	})
}

// A letter that is being sent cannot be closed until the replay has finished with it.
func TestCloseWaitsForAReplay(t *testing.T) {
	inHall(t, func(h *hall) {
		h.post(letters(20)...)
		type outcome struct {
			closed int
			err    error
		}
		bob := make(chan outcome, 1)
		begun := false
		p := &power{before: func(req any) error {
			if sendsTo(req, eventTopic) && !begun {
				begun = true
				go func() {
					closed, err := h.reader("bob").Close(h.ctx, []ID{at(0, 0)}, "why")
					bob <- outcome{closed, err}
				}()
				time.Sleep(3 * time.Second) // bob reads the ledger meanwhile
			}
			return nil
		}}
		if err := h.readerOver("alice", p).Replay(h.ctx, all()); err != nil {
			t.Error(err)
		}
		if got := <-bob; got.err != nil || got.closed != 0 {
			t.Errorf("%+v, want none closed: it was sent", got)
		}
		if got := h.states(); got[Replayed] != 20 {
			t.Errorf("%v", got)
		}
	})
}

// Letters that a killed replay left unconfirmed can be closed after its lease.
func TestCloseWaitsForADeadReplayNotForEver(t *testing.T) {
	inHall(t, func(h *hall) {
		h.post(letters(20)...)
		p := &power{}
		p.before = func(req any) error {
			if p.dead = p.dead || sendsTo(req, eventTopic); p.dead {
				return errCut
			}
			return nil
		}
		if err := h.readerOver("alice", p).Replay(h.ctx, all()); !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		begun := time.Now()
		if closed, err := h.reader("bob").Close(h.ctx, []ID{at(0, 0)}, "why"); err != nil || closed != 1 || time.Since(begun) < leaseTime {
			t.Errorf("%d closed after %s: %v", closed, time.Since(begun), err)
		}
	})
}

// sendsTo reports whether a request writes to a topic.
func sendsTo(req any, topic string) bool {
	p, is := req.(*produceapi.Request)
	return is && p.Topics[0].Topic == topic
}

// valuesOf reads the values in a request, and leaves the request unchanged.
func valuesOf(req any) (values []string) {
	records := &req.(*produceapi.Request).Topics[0].Partitions[0].RecordSet
	var all []protocol.Record
	for {
		r, err := records.Records.ReadRecord()
		if err != nil {
			break
		}
		value, _ := protocol.ReadAll(r.Value)
		values = append(values, string(value))
		key, _ := protocol.ReadAll(r.Key)
		all = append(all, protocol.Record{Time: r.Time, Key: protocol.NewBytes(key), Value: protocol.NewBytes(value), Headers: r.Headers})
	}
	records.Records = protocol.NewRecordReader(all...)
	return values
}
