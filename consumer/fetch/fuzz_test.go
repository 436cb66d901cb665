package fetch

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime/metrics"
	"testing"
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

// FuzzAnswer is FuzzLog for the answer around the records.
func FuzzAnswer(f *testing.F) {
	f.Add(answerOf(nil))
	f.Fuzz(func(t *testing.T, body []byte) {
		before := allocated()
		res, _, err := exchangeWith(someRequest, func(id int32) []byte { return framed(id, body) })
		if got := allocated() - before; got > 1<<20+uint64(4*len(body)) {
			t.Fatalf("%d bytes allocated for %d", got, len(body))
		}
		if err == nil && len(res.Partitions) != len(someRequest.Partitions) {
			t.Fatalf("%d partitions", len(res.Partitions))
		}
	})
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
