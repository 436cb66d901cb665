package simulation

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// receiptRefused keeps receipts from their topic. It is drawn only where receipts are written.
var receiptRefused = refusing("receipt refused", 0, kmsg.Produce, byTopic(apptest.ReceiptsTopic), kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend,
	kerr.TopicAuthorizationFailed, kerr.UnknownTopicOrPartition, kerr.MessageTooLarge)

// drawReceipts lets every third run, of those with one topic, write receipts, half of these required ones, and keeps them from their topic at
// times. It draws from a source of its own, so that all else stays as it is.
func (s *schedule) drawReceipts() {
	if s.receipts = s.seed%3 == 1; !s.receipts {
		return
	}
	r := rand.New(rand.NewPCG(s.seed, 0x7ece1b7))
	s.required = r.IntN(2) == 0
	for range r.IntN(3) {
		k := receiptRefused
		s.faults = append(s.faults, &fault{kind: k, a: r.Uint64(), b: r.Uint64(),
			lasts: k.least + time.Duration(r.Int64N(int64(k.most-k.least))), from: time.Duration(r.Int64N(int64(s.length)))})
	}
	slices.SortStableFunc(s.faults, func(a, b *fault) int { return int(a.from - b.from) })
}

// accountReceipts holds the receipts against what became of each event: none may say what is not so, and each
// finished event has one, unless a replica has counted it as missing. It knows whose receipt one is by its digest,
// made here, or by its place where an event cannot be mapped.
func (s *simulation) accountReceipts() {
	if !s.plan.receipts {
		return
	}
	written, err := apptest.ReadReceipts(s.kafka.Load(), s.brokers, s.net.Dial)
	if err != nil {
		s.observer.fail("reading the receipts: %v", err)
		return
	}
	missing := int64(0)
	for _, m := range s.members {
		missing += m.service.Snapshot().Receipts.Missing
	}
	s.observer.judgeReceipts(written, missing)
}

func (o *observer) judgeReceipts(written []apptest.Receipt, missing int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	byPlace := map[string][]*record{} // of all lives of a log
	for _, r := range o.flows {
		place := fmt.Sprint(r.partition, "/", r.offset, "/", string(r.receiptKey()))
		byPlace[place] = append(byPlace[place], r)
	}
	has := map[*record]bool{}
	for _, x := range written {
		told := false
		for _, r := range byPlace[fmt.Sprint(x.Partition, "/", x.Offset, "/", string(x.Record.Key))] {
			if r.tells(x) {
				told, has[r] = true, true
			}
		}
		if !told {
			o.breach("receipts", "%s: nobody produced that, or it says what is not so", x.Record.Value)
		}
	}
	without := int64(0)
	var first *record
	for _, r := range o.flows {
		if r.finished() && !r.gone && !has[r] {
			without++
			first = r
		}
	}
	if without > missing {
		o.breach("receipts", "%d finished events have no receipt, %s for one, and %d were counted as missing", without, first, missing)
	}
	if o.plan.required && missing > 0 {
		o.breach("receipts", "%d receipts were counted as missing, and they are required", missing)
	}
	o.say("%d receipts, of %d events; %d counted as missing", len(written), len(has), missing)
}

// receiptKey is the key of an event's receipts.
func (r *record) receiptKey() []byte {
	if r.nature == ignored {
		return nil
	}
	h := hmac.New(sha256.New, []byte(apptest.ReceiptsKey))
	fmt.Fprintf(h, "lot-%d\x00%s", r.lot, r)
	return h.Sum(nil)
}

// tells reports whether a receipt says what became of the event.
func (r *record) tells(x apptest.Receipt) bool {
	switch x.Verdict {
	case "accepted":
		return len(r.accepted) > 0
	case "dead-letter":
		return len(r.written) > 0
	case "ignored":
		return r.nature == ignored
	}
	return false
}
