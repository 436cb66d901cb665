package simulation

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/dlq/receipt"
)

// receiptRefused keeps receipts from their topic. It is drawn only where receipts are written.
var receiptRefused = refusing("receipt refused", 0, kmsg.Produce, byTopic(apptest.ReceiptsTopic), kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend,
	kerr.TopicAuthorizationFailed, kerr.UnknownTopicOrPartition, kerr.MessageTooLarge)

// drawReceipts lets every third run, of those with one topic, write receipts, half of these required ones, and keeps them from their topic at
// times: required ones once for longer than one that is not required is waited for. It draws from a source of its own, so that all else stays as it is.
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
	if s.required {
		s.faults = append(s.faults, &fault{kind: receiptRefused, a: r.Uint64(), // b is 0: every request is refused
			lasts: receipt.Late + time.Second + time.Duration(r.Int64N(int64(15*time.Second))), from: time.Duration(r.Int64N(int64(s.length)))})
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
	has := map[*record]bool{}
	for _, x := range written {
		if r := o.receiptFor(x); r != nil {
			has[r] = true
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

// receipting judges receipts on their arrival, whatever becomes of them: what one says must be so already. The end would be too
// late to judge that: what is not so yet is so then.
func (o *observer) receipting(req *kmsg.ProduceRequest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range req.Topics {
		if o.nameOf(t.Topic, t.TopicID) != apptest.ReceiptsTopic {
			continue
		}
		o.settle()
		for _, p := range t.Partitions {
			info := o.cluster.Load().PartitionInfo(apptest.ReceiptsTopic, p.Partition)
			if info == nil {
				continue
			}
			batch := &post{base: info.HighWatermark}
			records, err := decodeBatch(p.Records)
			if err != nil {
				o.breach("receipts", "a batch of receipts cannot be read: %v", err)
				continue
			}
			for i := range records {
				batch.count++
				x := apptest.Receipt{Record: &kgo.Record{Key: records[i].Key, Value: records[i].Value}}
				if err := json.Unmarshal(records[i].Value, &x); err != nil {
					o.breach("receipts", "%v: %s", err, records[i].Value)
				} else if r := o.receiptFor(x); r != nil {
					batch.records = append(batch.records, r)
				}
			}
			o.receipts[p.Partition] = batch
		}
	}
}

// settleReceipts finds out which receipts under way have been written. The mutex is held.
func (o *observer) settleReceipts() {
	for partition, b := range o.receipts {
		info := o.cluster.Load().PartitionInfo(apptest.ReceiptsTopic, partition)
		if info == nil || info.HighWatermark < b.base+int64(b.count) {
			continue
		}
		delete(o.receipts, partition)
		for _, r := range b.records {
			r.receipt = true
		}
	}
}

// judgeWaiting checks that a commit has waited for the receipts, where they are required, of what it says is finished and
// the one before did not say. The mutex is held.
func (o *observer) judgeWaiting(l *log, offset int64, c apptest.CommittedProgress) {
	if !o.plan.required || l.life > 0 {
		return // of a log's new life, the commit may tell of the one before
	}
	for at := max(l.last.Offset, 0); at < int64(len(l.records)); at++ {
		if r := l.records[at]; r.finished() && !r.receipt && (at < offset || c.Done[at]) {
			o.breach("receipts", "commit %d of partition %d says that %s is finished, whose receipt is not written", offset, r.partition, r)
			return
		}
	}
}

// receiptFor finds the record that a receipt is of, by its digest and place; nil, and a breach, if there is none, or if it says
// what is not so. The mutex is held.
func (o *observer) receiptFor(x apptest.Receipt) *record {
	for _, r := range o.flows {
		if r.partition == x.Partition && r.offset == x.Offset && bytes.Equal(r.receiptKey(), x.Record.Key) {
			if r.tells(x) {
				return r
			}
			break // the key is one event's alone; of ignored ones there is one at an offset
		}
	}
	o.breach("receipts", "%s: nobody produced that, or it says what is not so", x.Record.Value)
	return nil
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
