package fetch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// tight keeps a fuzzer's bombs small.
var tight = Limits{MaxRecordBytes: 64 << 10, MaxBlockBytes: 1 << 20}

// Whatever the bytes, reading does not panic, offsets ascend, the position never
// goes back, errors are of the known kinds, and memory stays in bounds.
func FuzzLog(f *testing.F) {
	files, err := filepath.Glob("testdata/reference/*.log")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		log, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(log, int64(120), int64(11), int64(0), true)
	}
	for _, p := range packers {
		f.Add(join(inTransaction(7, 0, 0, 1), emptyBatch(2, 4), marker(7, 5, 0), logBatch{base: 6, records: manyRecords(5), packer: p}.bytes(), batchAt(40, 0)[:30]), int64(3), int64(7), int64(0), true)
		if p.codec != codecNone {
			f.Add(join(messageAt(0, 3), messageSet(1, p, 4, 6)), int64(0), int64(0), int64(0), false)
		}
	}
	f.Fuzz(func(t *testing.T, log []byte, from, producer, first int64, mend bool) {
		if mend {
			mendChecksums(log)
		}
		before := allocated()
		r := answer(log, abortedTransaction{producer, first}).Records(from, tight)
		defer r.Close()
		position := r.Position()
		for range 256 {
			rec, err := r.Next()
			if r.Position() < position {
				t.Fatalf("position went back from %d to %d", position, r.Position())
			}
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrRecordTooLarge) && !errors.Is(err, ErrUnsupported) {
					t.Fatalf("error of no kind: %v", err)
				}
				break
			}
			if rec.Offset < position || rec.Offset < from || r.Position() != rec.Offset+1 {
				t.Fatalf("offset %d from %d, position %d then %d", rec.Offset, from, position, r.Position())
			}
			if len(rec.Key)+len(rec.Value) > tight.MaxRecordBytes {
				t.Fatalf("a record of %d bytes", len(rec.Key)+len(rec.Value))
			}
			position = r.Position()
		}
		// The records, a decompressor's window or blocks, and change.
		if got := allocated() - before; got > 256*64<<10+64<<20 {
			t.Fatalf("%d bytes allocated for %d", got, len(log))
		}
	})
}

// FuzzAnswer is FuzzLog for the answer around the records, with another library as
// the judge: what is taken says what that one reads, each partition was asked for and
// comes once at the most, and nothing that a broker may send is refused. One that is
// left out is none of these: a broker may do so (see partitions).
func FuzzAnswer(f *testing.F) {
	good := answerOf(nil)
	f.Add(good, false)
	f.Add(good, true)
	f.Add(good[:len(good)-9], false)
	f.Add(answerOf(func(r *kmsg.FetchResponse) { r.Topics = nil }), false)
	f.Add(answerOf(func(r *kmsg.FetchResponse) { r.Topics = r.Topics[:1] }), true)
	f.Add(answerOf(func(r *kmsg.FetchResponse) { r.Topics[0].Partitions[1] = r.Topics[0].Partitions[0] }), false)
	f.Add(answerOf(func(r *kmsg.FetchResponse) { r.Topics[1].Partitions[0].RecordBatches = nil }), false)
	f.Add(answerOf(func(r *kmsg.FetchResponse) { r.ErrorCode = 29 }), false)
	for _, at := range []int{10, 22, 56, 80} { // counts and lengths
		f.Add(field(good, at, math.MaxInt32), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, peek bool) {
		r := *someRequest
		r.Peek = peek
		before := allocated()
		res, _, err := exchangeWith(&r, func(id int32) []byte { return framed(id, body) })
		if got := allocated() - before; got > 1<<20+uint64(4*len(body)) {
			t.Fatalf("%d bytes allocated for %d", got, len(body))
		}
		want, readable := judged(body)
		switch {
		case readable && want.ErrorCode != 0:
			if !errors.Is(err, kafka.Error(want.ErrorCode)) {
				t.Fatalf("%v, the answer says error %d", err, want.ErrorCode)
			}
		case readable && asked(want) && err != nil:
			t.Fatalf("refused: %v", err)
		case readable && !asked(want) && err == nil:
			t.Fatal("partitions that were not asked for, or twice, are taken")
		}
		if err == nil {
			checkTaken(t, res, len(body))
		}
		if readable && err == nil {
			compareAnswers(t, res, want, peek)
		}
	})
}

// judged is an answer as kmsg reads it; false where it reads none, or would write it
// otherwise.
func judged(body []byte) (*kmsg.FetchResponse, bool) {
	res := kmsg.NewFetchResponse()
	res.Version = version
	err := res.ReadFrom(body)
	return &res, err == nil && bytes.Equal(res.AppendTo(nil), body)
}

// asked tells whether an answer names nothing but what someRequest asks for, once.
func asked(res *kmsg.FetchResponse) bool {
	left := map[partitionKey]int{}
	for _, p := range someRequest.Partitions {
		left[partitionKey{p.Topic, p.Partition}]++
	}
	for _, topic := range res.Topics {
		for _, p := range topic.Partitions {
			if left[partitionKey{topic.Topic, p.Partition}]--; left[partitionKey{topic.Topic, p.Partition}] < 0 {
				return false
			}
		}
	}
	return len(res.Topics) <= len(someRequest.Partitions) // the same one again and again, empty
}

// checkTaken holds an answer that was taken to the request and to what came.
func checkTaken(t *testing.T, res *Response, came int) {
	t.Helper()
	seen := map[partitionKey]bool{}
	held := 0
	for i := range res.Partitions {
		a := &res.Partitions[i]
		k := partitionKey{a.Topic, a.Partition}
		if seen[k] || !slices.ContainsFunc(someRequest.Partitions, func(p Partition) bool { return k == partitionKey{p.Topic, p.Partition} }) {
			t.Fatalf("%v was not asked for, or is there twice", k)
		}
		seen[k] = true
		held += a.Len()
	}
	if held > came {
		t.Fatalf("%d bytes held of %d", held, came)
	}
}

// compareAnswers holds what was taken against what the judge reads.
func compareAnswers(t *testing.T, res *Response, want *kmsg.FetchResponse, peek bool) {
	t.Helper()
	if res.Throttle != time.Duration(max(want.ThrottleMillis, 0))*time.Millisecond {
		t.Fatalf("throttled for %s, want %d ms", res.Throttle, want.ThrottleMillis)
	}
	got := res.Partitions
	for _, topic := range want.Topics {
		for _, p := range topic.Partitions {
			if len(got) == 0 {
				t.Fatalf("%s/%d is lost", topic.Topic, p.Partition)
			}
			a := got[0]
			got = got[1:]
			records := p.RecordBatches
			if peek {
				records = records[:min(len(records), batchHeaderSize)]
			}
			switch {
			case a.Topic != topic.Topic || a.Partition != p.Partition || a.HighWatermark != p.HighWatermark || a.LastStableOffset != p.LastStableOffset || a.LogStartOffset != p.LogStartOffset:
				t.Fatalf("%+v, want %+v", a, p)
			case !bytes.Equal(a.records, records) || len(a.aborted) != len(p.AbortedTransactions):
				t.Fatalf("%d bytes and %d aborted, want %d and %d", len(a.records), len(a.aborted), len(records), len(p.AbortedTransactions))
			case p.ErrorCode != 0 && !errors.Is(a.Err, kafka.Error(p.ErrorCode)):
				t.Fatalf("error %v, want %d", a.Err, p.ErrorCode)
			case p.ErrorCode == 0 && (a.Err != nil) != (p.PreferredReadReplica >= 0):
				t.Fatalf("error %v with replica %d", a.Err, p.PreferredReadReplica)
			}
		}
	}
	if len(got) != 0 {
		t.Fatalf("%d partitions too many", len(got))
	}
}

// mendChecksums makes the checksums of whole entries right, so that what lies
// behind them is reached.
func mendChecksums(log []byte) {
	for len(log) > magicAt {
		n := int64(int32(binary.BigEndian.Uint32(log[8:])))
		if n < minLength || n > int64(len(log)-prefixSize) {
			return
		}
		e := log[:prefixSize+n]
		switch {
		case e[magicAt] < 2:
			binary.BigEndian.PutUint32(e[messageCRCAt:], crc32.ChecksumIEEE(e[magicAt:]))
		case len(e) >= batchHeaderSize:
			binary.BigEndian.PutUint32(e[batchCRCAt:], crc32.Checksum(e[batchAttributesAt:], castagnoli))
		}
		log = log[len(e):]
	}
}

// allocated returns the bytes allocated by the process so far.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
