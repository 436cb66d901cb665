package replay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/dlq"
	"release-forwarder/dlq/dlqtest"
)

// grown adds partitions to the dead-letter topic, and waits until clients know them.
func (h *hall) grown(partitions int) {
	h.T.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	grow := kmsg.NewCreatePartitionsRequestTopic()
	grow.Topic, grow.Count = dlqtest.Letters, int32(partitions)
	req.Topics = append(req.Topics, grow)
	if res, err := req.RequestWith(h.Ctx, h.Observer); err != nil || res.Topics[0].ErrorCode != 0 {
		h.T.Fatal(res, err)
	}
	time.Sleep(5 * time.Second)
}

// sent returns the events of a topic by partition, in order.
func (h *hall) sent(topic string) map[int32][]string {
	h.T.Helper()
	values := map[int32][]string{}
	for _, r := range h.Read(topic) {
		values[r.Partition] = append(values[r.Partition], string(r.Value))
	}
	return values
}

// Partitions are added to the dead-letter topic, so that letters of one order key are in two of
// them, the later ones in the lower one.
func TestAReplayKeepsTheEventsOrderWhereverTheirLettersLie(t *testing.T) {
	inHall(t, func(h *hall) {
		const n = 300
		for i := range n {
			if i == n/2 {
				h.grown(3)
			}
			h.Post(dlqtest.Letter(int32(3+i%2), fmt.Sprintf("s-%d", i%2), i)) // 3 and 4: by 2 and by 3 into different ones
		}
		var order []string
		r := all()
		r.Sent = func(s *dlq.Stored, _ string, _ int32, _ int64) { order = append(order, s.Origin) }
		if err := h.person("alice").Run(h.Ctx, r); err != nil {
			t.Fatal(err)
		}
		for partition, values := range h.sent(dlqtest.Events) {
			if !slices.IsSortedFunc(values, byNumber) {
				t.Errorf("partition %d: %v", partition, values)
			}
		}
		if len(order) != n || !slices.IsSortedFunc(order, byPlace) {
			t.Errorf("%d were sent in this order: %v", len(order), order)
		}
	})
}

func numberIn(value string, at int) (n int) {
	_, _ = fmt.Sscan(strings.FieldsFunc(value, func(r rune) bool { return r == '/' || r == ':' })[at], &n)
	return n
}

func byNumber(a, b string) int { return numberIn(a, 1) - numberIn(b, 1) }

// byPlace orders topic/partition/offset.
func byPlace(a, b string) int {
	if c := strings.Compare(a[:strings.IndexByte(a, '/')], b[:strings.IndexByte(b, '/')]); c != 0 {
		return c
	}
	if c := numberIn(a, 1) - numberIn(b, 1); c != 0 {
		return c
	}
	return numberIn(a, 2) - numberIn(b, 2)
}

// jumbled are n letters of two topics and three of their partitions, written in random order,
// some of them large.
func jumbled(n int) []dlq.Letter {
	random := rand.New(rand.NewPCG(1, 2))
	var all []dlq.Letter
	for i := range n {
		l := dlqtest.Letter(int32(i%3), "s", i)
		l.Topic = []string{"events", "another"}[i/3%2]
		if i%10 == 0 {
			l.Value = append(l.Value, strings.Repeat(" ", 100_000)...)
		}
		all = append(all, l)
	}
	random.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// choice returns the origins of the letters that Choose yields, in its order.
func (h *hall) choice(r *Plan) (order []string) {
	h.T.Helper()
	d := h.person("observer")
	ledger, err := d.ledger(h.Ctx)
	if err != nil {
		h.T.Fatal(err)
	}
	if err := d.Choose(h.Ctx, ledger, r, func(s *dlq.Stored) error { order = append(order, s.Origin); return nil }); err != nil {
		h.T.Fatal(err)
	}
	return order
}

func TestAChoiceIsInTheEventsOrder(t *testing.T) {
	inHall(t, func(h *hall) {
		const n = 1200 // more than is read at a time
		h.Post(jumbled(n)...)
		whole := h.choice(all())
		if len(whole) != n || !slices.IsSortedFunc(whole, byPlace) {
			t.Errorf("%d in this order: %v", len(whole), whole)
		}
		few := all()
		few.Limit = 7
		if got := h.choice(few); !slices.Equal(got, whole[:7]) {
			t.Errorf("limited to 7: %v, want %v", got, whole[:7])
		}
		named := all()
		for i := range int64(20) {
			named.IDs = append(named.IDs, dlqtest.ID(int32(i%2), 40-i))
		}
		if got := h.choice(named); len(got) != 20 || !slices.IsSortedFunc(got, byPlace) {
			t.Errorf("by ID: %v", got)
		}
	})
}

// A replayed event keeps its original place, before the events that followed it.
func TestAReplayedEventKeepsItsPlaceAmongTheOthers(t *testing.T) {
	inHall(t, func(h *hall) {
		again := dlqtest.Letter(0, "s", 900)
		again.Topic, again.Headers = "replay", dlqtest.HeadersOf(dlq.HeaderPrefix+"redrives", "1", dlq.HeaderPrefix+"origin", "events/2/5")
		forged := dlqtest.Letter(1, "s", 901)
		forged.Headers = dlqtest.HeadersOf(dlq.HeaderPrefix+"origin", "events/0/0")
		h.Post(dlqtest.Letter(2, "s", 6), forged, again, dlqtest.Letter(2, "s", 4))
		want := []string{"events/0/0", "events/2/4", "events/2/5", "events/2/6"}
		if got := h.choice(all()); got[0] != want[0] || !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// A run is killed at any point, with letters of one order key in an old and in an added
// partition: the next run continues in order.
func TestAReplayThatIsKilledGoesOnInTheEventsOrder(t *testing.T) {
	for at := int64(1); ; at += 5 {
		finished := false
		inHall(t, func(h *hall) {
			const n = 250
			var all250 []dlq.Letter
			for i := range n {
				all250 = append(all250, dlqtest.Letter(3, fmt.Sprintf("s-%d", i%7), i))
			}
			h.Post(all250[:n/2]...)
			h.grown(3)
			h.Post(all250[n/2:]...)
			p := &power{at: at, late: at%2 == 0}
			finished = h.personOver("alice", p).Run(h.Ctx, all()) == nil && p.count.Load() < at
			if err := h.person("bob").Run(h.Ctx, all()); err != nil {
				t.Fatalf("cut at %d: the next run: %v", at, err)
			}
			if missing, repeated := h.account(n); missing != 0 || repeated > batchMost {
				t.Errorf("cut at %d: %d missing, %d repeated", at, missing, repeated)
			}
		})
		if finished || t.Failed() {
			break
		}
	}
}

// Letters that are deleted between the choice and the sending are reported.
func TestALetterThatIsGoneIsToldOf(t *testing.T) {
	inHall(t, func(h *hall) {
		h.Post(dlqtest.Many(20)...)
		d := h.person("alice")
		ledger, err := d.ledger(h.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		r := all()
		if r.Order, err = d.Order(h.Ctx, ledger, r); err != nil || r.Order.Len() != 20 {
			t.Fatal(r.Order, err)
		}
		if err := h.Cluster.DeleteRecords(dlqtest.Letters, 0, 4); err != nil {
			t.Fatal(err)
		}
		sent, gone := 0, []string{}
		r.Sent = func(*dlq.Stored, string, int32, int64) { sent++ }
		r.LeftOut = func(s *dlq.Stored, err error) {
			if !errors.Is(err, ErrGone) {
				t.Error(err)
			}
			gone = append(gone, s.ID.Short())
		}
		if err := d.Run(h.Ctx, r); err != nil {
			t.Fatal(err)
		}
		if slices.Sort(gone); sent != 16 || strings.Join(gone, " ") != "0/0 0/1 0/2 0/3" {
			t.Errorf("%d sent, gone: %v", sent, gone)
		}
	})
}
