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

// Whatever the bytes: reading does not panic, offsets ascend, the position never goes back, errors are of the
// known kinds, and memory stays within bounds.
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
	f.Add(join(batchAt(0, 0), oldMessage(1, 1, 0)), int64(0), int64(0), int64(0), false)
	for _, p := range packers {
		f.Add(join(inTransaction(7, 0, 0, 1), emptyBatch(2, 4), marker(7, 5, 0), logBatch{base: 6, records: manyRecords(5), packer: p}.bytes(), batchAt(40, 0)[:30]), int64(3), int64(7), int64(0), true)
	}
	f.Fuzz(func(t *testing.T, log []byte, from, producer, first int64, mend bool) {
		if mend {
			fixChecksums(log)
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
		// The records, a decompressor's window or blocks, and a small rest.
		if got := allocated() - before; got > 256*64<<10+64<<20 {
			t.Fatalf("%d bytes allocated for %d", got, len(log))
		}
	})
}

// FuzzAnswer is FuzzLog for the answer around the records, with another library as the judge: an accepted
// answer says what that library reads, each partition was asked for and comes at most once, and nothing that a
// broker may send is refused. A partition may be left out (see topics).
func FuzzAnswer(f *testing.F) {
	for _, v := range versions {
		good := answerIn(v, nil)
		for _, peek := range []bool{false, true} {
			f.Add(good, v, peek)
		}
		f.Add(good[:len(good)-9], v, false)
		for _, change := range []func(r *kmsg.FetchResponse){
			func(r *kmsg.FetchResponse) { r.Topics = nil },
			func(r *kmsg.FetchResponse) { r.Topics = r.Topics[:1] },
			func(r *kmsg.FetchResponse) { r.Topics[0].Partitions[1] = r.Topics[0].Partitions[0] },
			func(r *kmsg.FetchResponse) { r.Topics[1].Partitions[0].RecordBatches = nil },
			func(r *kmsg.FetchResponse) { r.Topics[1].Partitions[0].PreferredReadReplica = 2 },
			func(r *kmsg.FetchResponse) { r.Topics[1].Partitions[0].DivergingEpoch.EndOffset = 7 },
			func(r *kmsg.FetchResponse) { r.Topics[0].Partitions[0].UnknownTags.Set(300, []byte("later")) },
			func(r *kmsg.FetchResponse) { r.Topics[0].UnknownTags.Set(9, nil) },
			func(r *kmsg.FetchResponse) { r.ErrorCode = 29 },
		} {
			f.Add(answerIn(v, change), v, false)
		}
	}
	for _, v := range versions[1:] { // with nothing that manyTags takes for many
		f.Add(answerIn(v, func(r *kmsg.FetchResponse) {
			for _, topic := range r.Topics {
				for i := range topic.Partitions {
					topic.Partitions[i].PreferredReadReplica, topic.Partitions[i].RecordBatches = 4, []byte("records")
				}
			}
		}), v, false)
	}
	for _, at := range []int{10, 22, 56, 80} { // counts and lengths
		f.Add(field(answerOf(nil), at, math.MaxInt32), int16(oldestVersion), false)
	}
	for _, at := range []int{10, 11, 18, 49, 71} {
		f.Add(lying(12, answerIn(12, nil), at, math.MaxUint32), int16(12), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, v int16, peek bool) {
		if !slices.Contains(versions, v) {
			v = versions[uint16(v)%uint16(len(versions))]
		}
		r := *someRequest
		r.Peek = peek
		before := allocated()
		res, _, err := exchangeIn(v, &r, func(id int32) []byte { return framed(id, headed(v, body)) })
		if got := allocated() - before; got > 1<<20+uint64(4*len(body)) {
			t.Fatalf("%d bytes allocated for %d", got, len(body))
		}
		if err == nil || v < flexibleVersion || !manyTags(body) {
			if want, readable := judged(v, body); readable {
				judge(t, &r, v, res, err, want)
			}
		}
		if err == nil {
			checkTaken(t, &r, res, len(body))
		}
	})
}

// manyTags reports whether kmsg might read more than two million tagged fields in what was refused: it counts
// them all, whether they are there or not.
func manyTags(body []byte) bool {
	high := 0
	for _, b := range body {
		if high++; b < 0x80 {
			high = 0
		}
		if high == 3 {
			return true
		}
	}
	return false
}

// judged is an answer as kmsg reads it; false if it reads none, or would write it differently.
func judged(v int16, body []byte) (*kmsg.FetchResponse, bool) {
	res := kmsg.NewFetchResponse()
	res.Version = v
	err := res.ReadFrom(body)
	return &res, err == nil && bytes.Equal(res.AppendTo(nil), body)
}

// judge compares the result of an exchange with what another reader reads in the answer.
func judge(t reporter, r *Request, v int16, res *Response, err error, want *kmsg.FetchResponse) {
	switch asked := asked(r, v, want); {
	case want.ErrorCode != 0:
		if !errors.Is(err, kafka.Error(want.ErrorCode)) {
			t.Fatalf("%v, the answer says error %d", err, want.ErrorCode)
		}
	case asked && err != nil:
		t.Fatalf("refused: %v", err)
	case !asked && err == nil:
		t.Fatalf("partitions that were not asked for, or twice, are taken")
	case err == nil:
		compareAnswers(t, r, v, res, want)
	}
}

// reporter is a test of this package's or of rapid's.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

// nameIn returns the name by which a topic of an answer was asked for; false if it was not.
func nameIn(r *Request, v int16, topic *kmsg.FetchResponseTopic) (string, bool) {
	for _, p := range r.Partitions {
		if v < 13 && p.Topic == topic.Topic || v >= 13 && p.TopicID == topic.TopicID {
			return p.Topic, true
		}
	}
	return "", false
}

// asked reports whether an answer names only what was asked for, each once.
func asked(r *Request, v int16, res *kmsg.FetchResponse) bool {
	left := map[partitionKey]int{}
	for _, p := range r.Partitions {
		left[partitionKey{p.Topic, p.Partition}]++
	}
	for i := range res.Topics {
		topic := &res.Topics[i]
		name, ok := nameIn(r, v, topic)
		if !ok {
			return false
		}
		for _, p := range topic.Partitions {
			if left[partitionKey{name, p.Partition}]--; left[partitionKey{name, p.Partition}] < 0 {
				return false
			}
		}
	}
	return len(res.Topics) <= len(r.Partitions) // the same one again and again, empty
}

// checkTaken compares an accepted answer with the request and with what came.
func checkTaken(t reporter, r *Request, res *Response, came int) {
	t.Helper()
	seen := map[partitionKey]bool{}
	held := 0
	for i := range res.Partitions {
		a := &res.Partitions[i]
		k := partitionKey{a.Topic, a.Partition}
		if seen[k] || !slices.ContainsFunc(r.Partitions, func(p Partition) bool { return k == partitionKey{p.Topic, p.Partition} }) {
			t.Fatalf("%v was not asked for, or is there twice", k)
		}
		seen[k] = true
		held += a.Len()
	}
	if held > came {
		t.Fatalf("%d bytes held of %d", held, came)
	}
}

// compareAnswers compares an accepted answer with what the judge reads.
func compareAnswers(t reporter, r *Request, v int16, res *Response, want *kmsg.FetchResponse) {
	t.Helper()
	if res.Throttle != time.Duration(max(want.ThrottleMillis, 0))*time.Millisecond {
		t.Fatalf("throttled for %s, want %d ms", res.Throttle, want.ThrottleMillis)
	}
	got := res.Partitions
	for i := range want.Topics {
		name, _ := nameIn(r, v, &want.Topics[i])
		for _, p := range want.Topics[i].Partitions {
			if len(got) == 0 {
				t.Fatalf("%s/%d is lost", name, p.Partition)
			}
			a := got[0]
			got = got[1:]
			if a.Topic != name {
				t.Fatalf("topic %q, want %q", a.Topic, name)
			}
			comparePartition(t, r, &a, &p)
		}
	}
	if len(got) != 0 {
		t.Fatalf("%d partitions too many", len(got))
	}
}

func comparePartition(t reporter, r *Request, a *Answer, p *kmsg.FetchResponseTopicPartition) {
	t.Helper()
	records, aborted := p.RecordBatches, len(p.AbortedTransactions)
	if r.Peek {
		records = records[:min(len(records), batchHeaderSize)]
	}
	end := EpochEnd{p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset}
	diverges := end != EpochEnd{-1, -1}
	if diverges {
		records, aborted = nil, 0
	}
	switch {
	case a.Partition != p.Partition || a.HighWatermark != p.HighWatermark || a.LastStableOffset != p.LastStableOffset || a.LogStartOffset != p.LogStartOffset:
		t.Fatalf("%+v, want %+v", a, p)
	case !bytes.Equal(a.records, records) || len(a.aborted) != aborted:
		t.Fatalf("%d bytes and %d aborted, want %d and %d", len(a.records), len(a.aborted), len(records), aborted)
	case (a.Diverges != nil) != diverges || diverges && *a.Diverges != end:
		t.Fatalf("diverges at %+v, want %+v", a.Diverges, end)
	case a.Preferred != max(p.PreferredReadReplica, -1):
		t.Fatalf("replica %d, want %d", a.Preferred, p.PreferredReadReplica)
	case p.ErrorCode != 0 && !errors.Is(a.Err, kafka.Error(p.ErrorCode)):
		t.Fatalf("error %v, want %d", a.Err, p.ErrorCode)
	case p.ErrorCode == 0 && (a.Err != nil) != (p.PreferredReadReplica >= 0 && r.Rack == ""):
		t.Fatalf("error %v with replica %d", a.Err, p.PreferredReadReplica)
	}
	for i, one := range a.aborted {
		if of := p.AbortedTransactions[i]; one != (abortedTransaction{of.ProducerID, of.FirstOffset}) {
			t.Fatalf("aborted %+v, want %+v", one, of)
		}
	}
}

// fixChecksums corrects the checksums of whole entries, so that what lies behind them is reached.
func fixChecksums(log []byte) {
	for len(log) > magicAt {
		n := int64(int32(binary.BigEndian.Uint32(log[8:])))
		if n < minLength || n > int64(len(log)-prefixSize) {
			return
		}
		e := log[:prefixSize+n]
		if len(e) >= batchHeaderSize {
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
