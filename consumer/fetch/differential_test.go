package fetch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// history makes up a random log, as several producers, the transaction coordinator and the cleaner would leave
// it.
type history struct {
	*rand.Rand
	packers []packer
	log     []logEntry
	next    int64
	epoch   int32 // of the leader
	// open holds, for each producer in a transaction, its first offset.
	open    map[int64]int64
	aborted []endedTransaction
}

// logEntry is a batch, its offsets and its leader's epoch.
type logEntry struct {
	bytes       []byte
	first, last int64
	epoch       int32
}

// endedTransaction is an aborted transaction and its marker's offset.
type endedTransaction struct {
	abortedTransaction
	end int64
}

// add appends an entry of so many offsets, now and then under another leader.
func (h *history) add(bytes []byte, offsets int64) {
	h.epoch += int32(h.IntN(3) / 2)
	binary.BigEndian.PutUint32(bytes[batchEpochAt:], uint32(h.epoch)) // the checksum does not cover it
	h.log = append(h.log, logEntry{bytes: bytes, first: h.next, last: h.next + offsets - 1, epoch: h.epoch})
	h.next += offsets
}

// fetched is what a broker answers from an offset on: it begins with the batch that holds the offset, and
// lists the aborted transactions that reach beyond it.
func (h *history) fetched(from int64) ([]byte, []abortedTransaction) {
	var log []byte
	for _, e := range h.log {
		if e.last >= from {
			log = append(log, e.bytes...)
		}
	}
	var aborted []abortedTransaction
	for _, a := range h.aborted {
		if a.end >= from {
			aborted = append(aborted, a.abortedTransaction)
		}
	}
	return log, aborted
}

func newHistory(seed uint64) *history {
	h := &history{Rand: rand.New(rand.NewPCG(seed, 0)), next: int64(seed % 1000), open: make(map[int64]int64)}
	for _, name := range slices.Sorted(maps.Keys(packers)) {
		h.packers = append(h.packers, packers[name])
	}
	return h
}

func (h *history) packer() packer { return h.packers[h.IntN(len(h.packers))] }

// bytes returns null, nothing, or something.
func (h *history) bytes(most int) []byte {
	if h.IntN(4) == 0 {
		return nil
	}
	return bytes.Repeat([]byte{byte(h.Uint32())}, h.IntN(most))
}

// records makes up records from offset 0 on with gaps between.
func (h *history) records() []rec {
	var all []rec
	delta := int64(-1)
	for range 1 + h.IntN(20) {
		delta += 1 + int64(h.IntN(3))
		r := rec{delta: delta, time: int64(h.IntN(2000) - 1000), key: h.bytes(20), value: h.bytes(600)}
		for range h.IntN(3) {
			r.headers = append(r.headers, Header{Key: string(h.bytes(9)), Value: h.bytes(9)})
		}
		all = append(all, r)
	}
	return all
}

func (h *history) step() {
	if h.IntN(5) == 0 {
		h.next += int64(h.IntN(10)) // removed by compaction
	}
	producer := int64(h.IntN(4))
	first, open := h.open[producer]
	switch h.IntN(10) {
	case 0:
		last := h.next + int64(h.IntN(9))
		h.add(emptyBatch(h.next, last), last-h.next+1)
	case 1, 2:
		if !open {
			return
		}
		kind := byte(h.IntN(2))
		if kind == 0 {
			h.aborted = append(h.aborted, endedTransaction{abortedTransaction{producer, first}, h.next})
		}
		delete(h.open, producer)
		h.add(marker(producer, h.next, kind), 1)
	default:
		b := logBatch{base: h.next, records: h.records(), packer: h.packer(), producer: -1, baseTime: 1_700_000_000_000, maxTime: 1_700_000_005_000}
		if h.IntN(2) == 0 {
			b.producer, b.attributes = producer, transactional
			if !open {
				h.open[producer] = h.next
			}
		}
		if h.IntN(4) == 0 {
			b.attributes |= logAppendTime
		}
		b.lastDelta = int32(b.records[len(b.records)-1].delta) + int32(h.IntN(3))
		h.add(b.bytes(), int64(b.lastDelta)+1)
	}
}

// Another implementation reads the same from the same log, from any offset.
func TestAgainstFranz(t *testing.T) {
	for seed := range uint64(100) {
		h := newHistory(seed)
		start := h.next
		for range 3 + h.IntN(30) {
			h.step()
		}
		for p, first := range h.open { // undecided: as if aborted later, so that both must skip them
			h.aborted = append(h.aborted, endedTransaction{abortedTransaction{p, first}, h.next})
		}
		from := start
		if h.IntN(2) == 0 {
			from += h.Int64N(h.next - start + 1)
		}
		log, aborted := h.fetched(from)
		if h.IntN(3) == 0 && len(log) > 3000 { // the first entry stays whole
			log = log[:len(log)-h.IntN(60)]
		}
		got, position, err := drain(t, answer(log, aborted...), from, roomy)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		want, franz := franzReads(log, aborted, from)
		if position != franz {
			t.Errorf("seed %d: position %d, franz-go's %d", seed, position, franz)
		}
		if !slices.Equal(text(got), text(want)) {
			t.Fatalf("seed %d from %d:\n%s", seed, from, cmp.Diff(text(want), text(got)))
		}
	}
}

// An answer read from a later offset returns the end of what it returns from its beginning, also if that skips
// markers of transactions.
func TestReadingAnAnswerAgainFromWithin(t *testing.T) {
	for seed := range uint64(15) {
		h := newHistory(seed)
		start := h.next
		for range 30 {
			h.step()
		}
		log, aborted := h.fetched(start)
		a := answer(log, aborted...)
		all, end, err := drain(t, a, start, roomy)
		if err != nil {
			t.Fatal(err)
		}
		for from := start; from <= end; from += 1 + (end-start)/20 {
			want := slices.DeleteFunc(slices.Clone(all), func(r Record) bool { return r.Offset < from })
			got, position, err := drain(t, a, from, roomy)
			if err != nil || position != end || !slices.Equal(text(got), text(want)) {
				t.Fatalf("seed %d from %d: position %d of %d, %v\n%s", seed, from, position, end, err, cmp.Diff(text(want), text(got)))
			}
		}
	}
}

// The epoch of a position is that of the last batch that begins below it, from any offset on and wherever
// reading stops; −1 before any was read.
func TestTheEpochBelowThePosition(t *testing.T) {
	for seed := range uint64(40) {
		h := newHistory(seed)
		start := h.next
		for range 30 {
			h.step()
		}
		below := func(from, position int64) int32 {
			epoch := int32(epochNone)
			for _, e := range h.log {
				if e.last >= from && e.first < position {
					epoch = e.epoch
				}
			}
			return epoch
		}
		for from := start; from <= h.next; from += 1 + (h.next-start)/30 {
			log, aborted := h.fetched(from)
			r := answer(log, aborted...).Records(from, roomy)
			if r.Epoch() != epochNone {
				t.Fatalf("seed %d from %d: epoch %d before anything was read", seed, from, r.Epoch())
			}
			for {
				rec, err := r.Next()
				if want := below(from, r.Position()); r.Epoch() != want || err == nil && rec.Epoch != want {
					t.Fatalf("seed %d from %d: epoch %d at %d, the record's %d, want %d", seed, from, r.Epoch(), r.Position(), rec.Epoch, want)
				}
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			r.Close()
		}
	}
}

// franzReads reads with franz-go and returns the records and where to continue.
func franzReads(log []byte, aborted []abortedTransaction, from int64) ([]Record, int64) {
	rp := kmsg.NewFetchResponseTopicPartition()
	rp.RecordBatches = log
	for _, a := range aborted {
		x := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
		x.ProducerID, x.FirstOffset = a.producer, a.first
		rp.AbortedTransactions = append(rp.AbortedTransactions, x)
	}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Offset: from, IsolationLevel: kgo.ReadCommitted(), Topic: "events"}, &rp, kgo.DefaultDecompressor(), nil)
	if fp.Err != nil {
		panic(fp.Err)
	}
	var all []Record
	for _, r := range fp.Records {
		x := Record{Offset: r.Offset, Epoch: r.LeaderEpoch, Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
		var list []Header
		for _, h := range r.Headers {
			list = append(list, Header{Key: h.Key, Value: h.Value})
		}
		x.Headers = HeadersOf(list...)
		if r.Attrs.TimestampType() < 0 {
			x.Timestamp = -1
		}
		all = append(all, x)
	}
	return all, next
}

// text returns a line for each record.
func text(records []Record) []string {
	var all []string
	for _, r := range records {
		all = append(all, fmt.Sprintf("%d %d %d %s %s %#v", r.Offset, r.Epoch, r.Timestamp, sum(r.Key), sum(r.Value), listed(r.Headers)))
	}
	return all
}
