package fetch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// manyRecords returns records of different sizes with some repetition.
func manyRecords(n int) []rec {
	var all []rec
	for i := range n {
		all = append(all, rec{
			delta: int64(i), time: int64(i * 7), key: fmt.Appendf(nil, "lot-%03d", i%17),
			value:   []byte(strings.Repeat(fmt.Sprintf(`{"park_uuid":"P%d","flow_no":%d},`, i%17, i), 1+i%23)),
			headers: []Header{{Key: "traceparent", Value: fmt.Appendf(nil, "00-%032x-%016x-01", i, i*3)}},
		})
	}
	return all
}

func expect(t *testing.T, got []Record, base int64, want []rec) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i, r := range got {
		w := want[i]
		if r.Offset != base+w.delta || !same(r.Key, w.key) || !same(r.Value, w.value) ||
			!slices.EqualFunc(listed(r.Headers), w.headers, func(a, b Header) bool { return a.Key == b.Key && same(a.Value, b.Value) }) {
			t.Fatalf("record %d is %+v, want %+v", i, r, w)
		}
	}
}

func TestEachCodecInBatches(t *testing.T) {
	for name, p := range packers {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{1, 2, 50, 3000} { // 3000: more than a block of any codec
				want := manyRecords(n)
				log := join(batchAt(0, 0), logBatch{base: 5, records: want, packer: p}.bytes(), batchAt(10_000, 0))
				got, position, err := drain(t, answer(log), 0, roomy)
				if err != nil || position != 10_001 {
					t.Fatalf("%d records: position %d, error %v", n, position, err)
				}
				expect(t, got[1:len(got)-1], 5, want)

				from := int64(5 + n/2) // records before it are unpacked and skipped
				got, _, err = drain(t, answer(log), from, roomy)
				if err != nil {
					t.Fatal(err)
				}
				expect(t, got[:len(got)-1], 5, want[n/2:])
			}
		})
	}
}

// Files packed by the reference programs gzip, lz4 and zstd: the records of manyRecords(3000).
func TestReferencePackers(t *testing.T) {
	want := manyRecords(3000)
	if os.Getenv("WRITE_RECORDS") != "" { // the input of those programs
		if err := os.WriteFile(os.Getenv("WRITE_RECORDS"), recordBytes(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for ext, codec := range map[string]codec{"gz": codecGzip, "lz4": codecLZ4, "zst": codecZstd} {
		files, err := filepath.Glob("testdata/packed/*." + ext)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files: %v", err)
		}
		for _, f := range files {
			t.Run(filepath.Base(f), func(t *testing.T) {
				packed, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				got, _, err := drain(t, answer(logBatch{base: 7, records: want, body: packed, packer: packer{codec: codec}}.bytes()), 0, roomy)
				if err != nil {
					t.Fatal(err)
				}
				expect(t, got, 7, want)
			})
		}
	}
}

func TestDamagedPacking(t *testing.T) {
	records := manyRecords(200)
	for name, p := range packers {
		if p.codec == codecNone {
			continue
		}
		t.Run(name, func(t *testing.T) {
			whole := p.pack(recordBytes(records))
			for n := 0; n < len(whole); n += 1 + len(whole)/200 {
				got, _, err := drain(t, answer(logBatch{records: records, body: append([]byte{}, whole[:n]...), packer: p}.bytes()), 0, roomy)
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("cut to %d of %d bytes: %v", n, len(whole), err)
				}
				expect(t, got, 0, records[:len(got)])
			}
			got, _, err := drain(t, answer(logBatch{records: records, body: p.pack(append(recordBytes(records), 0)), packer: p}.bytes()), 0, roomy)
			if a, ok := errors.AsType[*CorruptError](err); !ok || a.Kind != Trailing || len(got) != len(records) {
				t.Errorf("a byte too many: %v after %d records", err, len(got))
			}
		})
	}
}

func TestSnappyBounds(t *testing.T) {
	block := func(size uint64, data ...byte) []byte { return append(binary.AppendUvarint(nil, size), data...) }
	framed := func(blocks ...[]byte) []byte {
		b := append(slices.Clone(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1)
		for _, x := range blocks {
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(x))), x...)
		}
		return b
	}
	zeros := s2.EncodeSnappy(nil, make([]byte, 2<<20))
	for _, c := range []struct {
		name string
		body []byte
		want error
	}{
		{"declares 4 GiB in a few bytes", block(1<<32-1, 0), ErrCorrupt},
		{"declares more than 32 bits", block(1<<40, 0), ErrCorrupt},
		{"block above the limit", zeros, ErrRecordTooLarge},
		{"framed block above the limit", framed(zeros), ErrRecordTooLarge},
		{"framed block longer than the batch", append(framed(), 0x7f, 0xff, 0xff, 0xff, 1), ErrCorrupt},
		{"framed block of negative length", append(framed(), 0xff, 0xff, 0xff, 0xff, 1), ErrCorrupt},
		{"frame cut off in its header", framed()[:10], ErrCorrupt},
		{"frame without blocks", framed(), ErrCorrupt},
		{"frame of empty blocks", framed(block(0), block(0)), ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := drain(t, answer(logBatch{base: 3, body: c.body, count: int32p(1), packer: packer{codec: codecSnappy}}.bytes()), 0, Limits{MaxRecordBytes: 1 << 10, MaxBlockBytes: 1 << 20})
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestRecordAboveTheLimit(t *testing.T) {
	limits := Limits{MaxRecordBytes: 1000}
	big := rec{delta: 1, value: make([]byte, 2000)}
	small := func(d int64) rec { return rec{delta: d, value: []byte("v")} }
	for name, p := range packers {
		log := logBatch{base: 10, records: []rec{small(0), big, small(2)}, packer: p}.bytes()
		got, position, err := drain(t, answer(log), 10, limits)
		e, ok := errors.AsType[*TooLargeError](err)
		if !ok || !errors.Is(err, ErrRecordTooLarge) || e.Offset != 11 || e.Limit != 1000 || e.Size < 2000 || len(got) != 1 || position != 11 {
			t.Errorf("%s: %d records, position %d, error %v", name, len(got), position, err)
		}
		// A reader that begins behind the record need not hold it.
		got, position, err = drain(t, answer(log), 12, limits)
		if err != nil || len(got) != 1 || position != 13 {
			t.Errorf("%s: behind it: %d records, position %d, error %v", name, len(got), position, err)
		}
	}
}

// packedZeros returns a batch's body of n records of size zeros.
func packedZeros(t *testing.T, c codec, n, size int) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	switch c {
	case codecGzip:
		return gzipPacker(1).pack(bytes.Repeat(rec{value: make([]byte, size)}.bytes(), n))
	case codecLZ4:
		w = lz4.NewWriter(&buf)
	default:
		z, err := zstd.NewWriter(&buf, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	for i := range n {
		if _, err := w.Write(rec{delta: int64(i), value: make([]byte, size)}.bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// A small batch that unpacks to 32 MiB of records costs no more memory than one record and the unpacker. One
// that unpacks to a single record of 64 MiB is refused or skipped.
func TestBombs(t *testing.T) {
	const size, n = 64 << 10, 512
	read := func(t *testing.T, body []byte, c codec, count int, from int64) error {
		t.Helper()
		r := answer(logBatch{body: body, count: int32p(int32(count)), lastDelta: int32(count - 1), packer: packer{codec: c}}.bytes()).Records(from, roomy)
		defer r.Close()
		for {
			if _, err := r.Next(); err != nil {
				return err
			}
		}
	}
	for _, c := range []codec{codecLZ4, codecZstd} {
		many := packedZeros(t, c, n, size)
		var before, after runtime.MemStats
		peak := uint64(0)
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := answer(logBatch{body: many, count: int32p(n), lastDelta: n - 1, packer: packer{codec: c}}.bytes()).Records(0, roomy)
		got := 0
		for {
			_, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if got++; got%128 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&after)
				peak = max(peak, after.HeapAlloc)
			}
		}
		r.Close()
		if got != n {
			t.Fatalf("codec %d: %d records", c, got)
		}
		if grown := int64(peak) - int64(before.HeapAlloc); grown > 16<<20 {
			t.Errorf("codec %d: %d bytes in use while unpacking %d records of %d", c, grown, n, size)
		}
	}
	for _, c := range []codec{codecGzip, codecLZ4, codecZstd} {
		one := packedZeros(t, c, 1, 64<<20)
		if len(one) > 300<<10 {
			t.Fatalf("codec %d: the bomb has %d bytes", c, len(one))
		}
		for _, from := range []int64{0, 1} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			// A second record follows, so the first one must be skipped.
			err := read(t, one, c, 2, from)
			runtime.ReadMemStats(&after)
			want := ErrRecordTooLarge
			if from == 1 {
				want = ErrCorrupt // there is no second record
			}
			if !errors.Is(err, want) {
				t.Errorf("codec %d from %d: %v, want %v", c, from, err, want)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 20<<20 {
				t.Errorf("codec %d from %d: %d bytes allocated", c, from, got)
			}
		}
	}
	// Memory for a length without bytes grows only as bytes come.
	var before, after runtime.MemStats
	lie := gzipPacker(6).pack(append(binary.AppendVarint(nil, 900<<20), 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	runtime.ReadMemStats(&before)
	_, _, err := drain(t, answer(logBatch{body: lie, count: int32p(1), packer: packer{codec: codecGzip}}.bytes()), 0, Limits{MaxRecordBytes: 1 << 30})
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrCorrupt) || got > 4<<20 {
		t.Errorf("%v, %d bytes allocated", err, got)
	}
}

// A record is read whole that is larger than eagerAllocation and than the window of a zstd decoder.
func TestLargeRecords(t *testing.T) {
	value := bytes.Repeat([]byte("0123456789abcdef"), 600<<10) // 9.8 MB
	for _, name := range []string{"none", "gzip 1", "snappy block", "lz4 4 MiB", "zstd one block", "zstd 64 MiB"} {
		got, _, err := drain(t, answer(logBatch{records: []rec{{value: value}}, packer: packers[name]}.bytes()), 0, Limits{MaxRecordBytes: 16 << 20})
		if err != nil || len(got) != 1 || !bytes.Equal(got[0].Value, value) {
			t.Errorf("%s: %d records, %v", name, len(got), err)
		}
	}
}

// Only the first frame's window is reduced; batches have no other frame. A second frame is not unpacked with
// as much memory as it declares.
func TestSecondFrameOfAGreatWindow(t *testing.T) {
	records := manyRecords(3000)
	large := packers["zstd 64 MiB"].pack
	body := join(large(recordBytes(records[:1500])), large(recordBytes(records[1500:])))
	got, _, err := drain(t, answer(logBatch{records: records, body: body, packer: packer{codec: codecZstd}}.bytes()), 0, roomy)
	if !errors.Is(err, zstd.ErrWindowSizeExceeded) || !errors.Is(err, ErrCorrupt) {
		t.Errorf("%d records, %v", len(got), err)
	}
}
