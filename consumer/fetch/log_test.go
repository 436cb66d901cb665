package fetch

import (
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"testing"
)

func offsets(records []Record) []int64 {
	var all []int64
	for _, r := range records {
		all = append(all, r.Offset)
	}
	return all
}

func int32p(v int32) *int32 { return &v }

// field32 writes v into a header before its checksum.
func field32(at int, v uint32) func([]byte) {
	return func(b []byte) { binary.BigEndian.PutUint32(b[at:], v) }
}

func cut(b []byte, n int) []byte { return b[:len(b)-n] }

func TestWhatACommittedReaderSees(t *testing.T) {
	spoiledCRC := batchAt(10, 0, 1)
	spoiledCRC[len(spoiledCRC)-1] ^= 1
	for _, c := range []struct {
		name     string
		log      []byte
		aborted  []abortedTransaction
		from     int64
		want     []int64
		position int64
		err      error
	}{
		{name: "nothing", from: 5, position: 5},
		{name: "nothing, from an offset that stands for another", from: -2, position: 0},
		{name: "one batch", log: batchAt(10, 0, 1, 2), from: 10, want: []int64{10, 11, 12}, position: 13},
		{name: "batches in a row", log: join(batchAt(0, 0), batchAt(1, 0, 1), batchAt(3, 0)), want: []int64{0, 1, 2, 3}, position: 4},
		{name: "batch begins before the offset asked for", log: batchAt(10, 0, 1, 2), from: 12, want: []int64{12}, position: 13},
		{name: "batch wholly before", log: join(batchAt(10, 0, 1, 2), batchAt(13, 0)), from: 13, want: []int64{13}, position: 14},
		{name: "batch wholly before, then nothing", log: batchAt(10, 0, 1, 2), from: 20, position: 20},

		{name: "gap inside a batch", log: batchAt(10, 0, 4, 9), from: 10, want: []int64{10, 14, 19}, position: 20},
		{name: "gap at a batch's head", log: logBatch{base: 10, records: at(3, 4)}.bytes(), from: 10, want: []int64{13, 14}, position: 15},
		{name: "gap at a batch's tail", log: logBatch{base: 10, records: at(0, 1), lastDelta: 9}.bytes(), from: 10, want: []int64{10, 11}, position: 20},
		{name: "asked inside the gap at the tail", log: logBatch{base: 10, records: at(0, 1), lastDelta: 9}.bytes(), from: 15, position: 20},
		{name: "gap between batches", log: join(batchAt(10, 0), batchAt(50, 0)), from: 10, want: []int64{10, 50}, position: 51},
		{name: "first batch begins beyond the offset asked for", log: batchAt(50, 0), from: 10, want: []int64{50}, position: 51},
		{name: "empty batch", log: emptyBatch(10, 19), from: 10, position: 20},
		{name: "two empty batches in a row", log: join(emptyBatch(10, 19), emptyBatch(20, 20)), from: 10, position: 21},
		{name: "empty batches around a record", log: join(emptyBatch(0, 4), batchAt(5, 0), emptyBatch(6, 8)), want: []int64{5}, position: 9},
		{name: "empty batch asked from its middle", log: emptyBatch(10, 19), from: 15, position: 20},

		{name: "commit marker at the end", log: join(inTransaction(1, 0, 0, 1), marker(1, 2, 1)), want: []int64{0, 1}, position: 3},
		{name: "markers alone", log: join(marker(1, 0, 1), marker(2, 1, 0)), position: 2},
		{name: "control batch without its marker", log: join(logBatch{base: 0, attributes: control | transactional}.bytes(), batchAt(1, 0)), want: []int64{1}, position: 2},
		{name: "aborted transaction", log: join(inTransaction(1, 0, 0, 1), marker(1, 2, 0)), aborted: []abortedTransaction{{1, 0}}, position: 3},
		{
			name: "aborted, then committed by the same producer", want: []int64{2}, position: 4,
			log:     join(inTransaction(1, 0, 0), marker(1, 1, 0), inTransaction(1, 2, 0), marker(1, 3, 1)),
			aborted: []abortedTransaction{{1, 0}},
		},
		{
			name: "committed, then aborted by the same producer", want: []int64{0}, position: 4,
			log:     join(inTransaction(1, 0, 0), marker(1, 1, 1), inTransaction(1, 2, 0), marker(1, 3, 0)),
			aborted: []abortedTransaction{{1, 2}},
		},
		{
			name: "three producers interleaved, two aborted", want: []int64{1, 4, 5, 8}, position: 11,
			log: join(inTransaction(1, 0, 0), inTransaction(2, 1, 0), inTransaction(3, 2, 0), inTransaction(1, 3, 0), batchAt(4, 0),
				inTransaction(2, 5, 0), marker(1, 6, 0), inTransaction(3, 7, 0), inTransaction(1, 8, 0), marker(3, 9, 0), marker(2, 10, 1)),
			aborted: []abortedTransaction{{3, 2}, {1, 0}},
		},
		{
			name: "aborted twice by the same producer", want: []int64{2}, position: 6,
			log:     join(inTransaction(1, 0, 0), marker(1, 1, 0), batchAt(2, 0), inTransaction(1, 3, 0, 1), marker(1, 5, 0)),
			aborted: []abortedTransaction{{1, 3}, {1, 0}},
		},
		{name: "aborted producer's batch outside a transaction", log: join(inTransaction(1, 0, 0), logBatch{base: 1, records: at(0), producer: 1}.bytes()), aborted: []abortedTransaction{{1, 0}}, want: []int64{1}, position: 2},
		{name: "aborted transaction began before the offset asked for", log: join(inTransaction(1, 10, 0), marker(1, 11, 0)), aborted: []abortedTransaction{{1, 2}}, from: 10, position: 12},
		{name: "aborted tail goes on in the next answer", log: join(batchAt(0, 0), inTransaction(1, 1, 0, 1)), aborted: []abortedTransaction{{1, 1}}, want: []int64{0}, position: 3},
		{name: "abort marker whose transaction began later in the list", log: join(marker(1, 0, 0), inTransaction(1, 1, 0), marker(1, 2, 0)), aborted: []abortedTransaction{{1, 1}}, position: 3},

		{name: "cut off inside the second batch", log: join(batchAt(0, 0, 1), cut(batchAt(2, 0), 3)), want: []int64{0, 1}, position: 2},
		{name: "cut off inside the second header", log: join(batchAt(0, 0, 1), batchAt(2, 0)[:9]), want: []int64{0, 1}, position: 2},
		{name: "cut off behind a batch that is passed over", log: join(emptyBatch(0, 4), batchAt(5, 0)[:30]), position: 5},
		{name: "cut off inside the first batch", log: cut(batchAt(7, 0), 1), from: 7, position: 7, err: &CorruptError{Offset: 7, Kind: Truncated}},
		{name: "cut off inside the first header", log: batchAt(7, 0)[:5], from: 7, position: 7, err: &CorruptError{Offset: 7, Kind: Truncated}},

		{name: "checksum", log: join(batchAt(0, 0), spoiledCRC), want: []int64{0}, position: 1, err: &CorruptError{Offset: 10, Kind: BadChecksum}},
		{name: "negative length", log: func() []byte { b := batchAt(3, 0); field32(8, 0xffffffff)(b); return b }(), err: &CorruptError{Offset: 3, Kind: BadLength}},
		{name: "length below a header's", log: func() []byte { b := batchAt(3, 0); field32(8, 20)(b); return b }(), err: &CorruptError{Offset: 3, Kind: BadLength}},
		{name: "length beyond the answer", log: func() []byte { b := batchAt(3, 0); field32(8, math.MaxInt32)(b); return b }(), err: &CorruptError{Offset: 0, Kind: Truncated}},
		{name: "negative count", log: logBatch{base: 3, records: at(0), count: int32p(-1)}.bytes(), err: &CorruptError{Offset: 3, Kind: BadCount}},
		{name: "least count", log: logBatch{base: 3, records: at(0), count: int32p(math.MinInt32)}.bytes(), err: &CorruptError{Offset: 3, Kind: BadCount}},
		{name: "count above the offsets", log: logBatch{base: 3, records: at(0, 1), count: int32p(3)}.bytes(), err: &CorruptError{Offset: 3, Kind: BadCount}},
		{name: "count above what is there", log: logBatch{base: 3, records: at(0), lastDelta: math.MaxInt32, count: int32p(math.MaxInt32)}.bytes(), err: &CorruptError{Offset: 3, Kind: BadCount}},
		{name: "one record too few", log: logBatch{base: 0, records: at(0, 1), count: int32p(3), lastDelta: 5}.bytes(), want: []int64{0, 1}, position: 2, err: &CorruptError{Kind: Truncated}},
		{name: "one record too many", log: logBatch{base: 0, records: at(0, 1), count: int32p(1)}.bytes(), want: []int64{0}, position: 1, err: &CorruptError{Kind: Trailing}},
		{name: "negative last offset", log: logBatch{base: 3, records: at(0), spoil: field32(batchLastDeltaAt, 0xffffffff)}.bytes(), err: &CorruptError{Offset: 3, Kind: BadOffset}},
		{name: "offsets beyond the largest", log: logBatch{base: math.MaxInt64 - 3, records: at(0), lastDelta: 100}.bytes(), err: &CorruptError{Offset: math.MaxInt64 - 3, Kind: BadOffset}},
		{name: "negative base offset", log: batchAt(-5, 0, 1), err: &CorruptError{Offset: -5, Kind: BadOffset}},
		{name: "batches out of order", log: join(batchAt(5, 0, 1), batchAt(6, 0)), want: []int64{5, 6}, position: 7, err: &CorruptError{Offset: 6, Kind: BadOffset}},
		{name: "record beyond its batch's last offset", log: logBatch{records: at(0, 5), lastDelta: 4}.bytes(), want: []int64{0}, position: 1, err: &CorruptError{Kind: BadOffset}},
		{name: "records out of order", log: logBatch{records: at(2, 1), lastDelta: 4}.bytes(), want: []int64{2}, position: 3, err: &CorruptError{Kind: BadOffset}},
		{name: "record twice", log: logBatch{records: at(2, 2), lastDelta: 4}.bytes(), want: []int64{2}, position: 3, err: &CorruptError{Kind: BadOffset}},
		{name: "fewer bytes than a record has", log: logBatch{count: int32p(1), body: binary.AppendVarint(nil, 1<<30)}.bytes(), err: &CorruptError{Kind: BadCount}},
		{name: "record's length beyond the batch", log: logBatch{count: int32p(1), body: append(binary.AppendVarint(nil, 50), 0, 0, 0, 0, 0, 0, 0)}.bytes(), err: &CorruptError{Kind: BadLength}},
		{name: "record's length negative", log: logBatch{count: int32p(1), body: append(binary.AppendVarint(nil, -7), 0, 0, 0, 0, 0, 0, 0)}.bytes(), err: &CorruptError{Kind: BadLength}},
		{name: "record's length without end", log: logBatch{count: int32p(1), body: slices.Repeat([]byte{0xff}, 20)}.bytes(), err: &CorruptError{Kind: BadLength}},
		{name: "value's length beyond the record", log: logBatch{count: int32p(1), body: []byte{14, 0, 0, 0, 1, 100, 0, 0}}.bytes(), err: &CorruptError{Kind: BadLength}},
		{name: "value's length −2", log: logBatch{count: int32p(1), body: []byte{14, 0, 0, 0, 1, 3, 0, 0}}.bytes(), err: &CorruptError{Kind: BadLength}},
		{name: "number of headers negative", log: logBatch{count: int32p(1), body: []byte{12, 0, 0, 0, 1, 1, 1}}.bytes(), err: &CorruptError{Kind: BadCount}},
		{name: "number of headers beyond the record", log: logBatch{count: int32p(1), body: []byte{14, 0, 0, 0, 1, 1, 100, 0}}.bytes(), err: &CorruptError{Kind: BadCount}},
		{name: "header's key null", log: logBatch{count: int32p(1), body: []byte{16, 0, 0, 0, 1, 1, 2, 1, 1}}.bytes(), err: &CorruptError{Kind: BadLength}},
		{name: "bytes behind a record's headers", log: logBatch{count: int32p(1), body: []byte{14, 0, 0, 0, 1, 1, 0, 0}}.bytes(), err: &CorruptError{Kind: Trailing}},

		{name: "magic 0", log: join(batchAt(0, 0), oldMessage(0, 1, 0), batchAt(2, 0)), want: []int64{0}, position: 1, err: &UnsupportedError{Offset: 1, Magic: 0}},
		{name: "magic 1", log: join(batchAt(0, 0), oldMessage(1, 1, 0), batchAt(2, 0)), want: []int64{0}, position: 1, err: &UnsupportedError{Offset: 1, Magic: 1}},
		{name: "magic 1, packed", log: oldMessage(1, 7, byte(codecGzip)), position: 0, err: &UnsupportedError{Offset: 7, Magic: 1}},
		{name: "magic 3", log: logBatch{base: 4, records: at(0), spoil: func(b []byte) { b[magicAt] = 3 }}.bytes(), err: &UnsupportedError{Offset: 4, Magic: 3}},
		{name: "magic −1", log: logBatch{base: 4, records: at(0), spoil: func(b []byte) { b[magicAt] = 255 }}.bytes(), err: &UnsupportedError{Offset: 4, Magic: -1}},
		{name: "codec 5", log: logBatch{base: 4, records: at(0), attributes: 5}.bytes(), err: &UnsupportedError{Offset: 4, Magic: 2, Codec: 5}},
		{name: "codec 7 in a batch wholly before", log: join(logBatch{base: 4, records: at(0), attributes: 7}.bytes(), batchAt(5, 0)), from: 5, want: []int64{5}, position: 6},
		{name: "codec 7 in an aborted batch", log: logBatch{base: 4, records: at(0), attributes: 7 | transactional, producer: 1}.bytes(), aborted: []abortedTransaction{{1, 4}}, position: 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := answer(c.log, c.aborted...)
			for range 2 { // an answer can be read again
				got, position, err := drain(t, a, c.from, roomy)
				if !slices.Equal(offsets(got), c.want) || position != c.position {
					t.Errorf("offsets %v, position %d; want %v, %d", offsets(got), position, c.want, c.position)
				}
				if !reflect.DeepEqual(err, c.err) {
					t.Errorf("error %v, want %v", err, c.err)
				}
			}
		})
	}
}

// Where reading fails the epoch, like the position, is that of what lies below.
func TestTheEpochWhereReadingFails(t *testing.T) {
	under := func(epoch uint32, batch []byte) []byte {
		field32(batchEpochAt, epoch)(batch)
		return batch
	}
	broken := under(6, logBatch{base: 1, count: int32p(1), body: []byte{14, 0, 0, 0, 1, 1, 100, 0}}.bytes())
	for _, c := range []struct {
		name string
		log  []byte
		from int64
		want int32
	}{
		{"in the first batch", broken, 0, -1},
		{"in the next batch", join(under(5, batchAt(0, 0)), broken), 0, 5},
		{"within a batch, at what was asked for", under(6, logBatch{base: 10, records: at(0, 1), count: int32p(3), lastDelta: 5}.bytes()), 12, 6},
		{"behind a batch without an epoch", join(under(5, batchAt(0, 0)), under(1<<32-1, batchAt(1, 0)), broken[:30]), 0, -1},
		{"behind a batch with an epoch that cannot be", join(under(5, batchAt(0, 0)), under(1<<31, batchAt(1, 0)), broken[:30]), 0, -1},
	} {
		r := answer(c.log).Records(c.from, roomy)
		var err error
		for err == nil {
			_, err = r.Next()
		}
		if r.Epoch() != c.want {
			t.Errorf("%s: epoch %d at %d (%v), want %d", c.name, r.Epoch(), r.Position(), err, c.want)
		}
		r.Close()
	}
}

// Reading may stop after any record and continue with another fetch from Position: each record comes once.
func TestStoppingAnywhere(t *testing.T) {
	log := join(batchAt(0, 0, 1, 5), emptyBatch(6, 9), logBatch{base: 10, records: at(2, 3), lastDelta: 7, packer: snappyBlock}.bytes(),
		inTransaction(1, 18, 0), marker(1, 19, 0), logBatch{base: 20, records: at(0, 2, 3), packer: gzipPacker(5)}.bytes(), batchAt(24, 0))
	want := []int64{0, 1, 5, 12, 13, 20, 22, 23, 24}
	for stop := 1; stop <= len(want); stop++ {
		var got []int64
		position := int64(0)
		for {
			r := answer(log, abortedTransaction{1, 18}).Records(position, roomy)
			var err error
			for range stop {
				var rec Record
				if rec, err = r.Next(); err != nil {
					break
				}
				got = append(got, rec.Offset)
			}
			position = r.Position()
			r.Close()
			r.Close()
			if err != nil {
				break
			}
		}
		if !slices.Equal(got, want) || position != 25 {
			t.Errorf("stopping after %d: %v, position %d", stop, got, position)
		}
	}
}

func TestNullAndEmptyStayApart(t *testing.T) {
	headers := []Header{{Key: "", Value: nil}, {Key: "a", Value: []byte{}}, {Key: "a", Value: []byte("v")}, {Key: "\xff\xfe", Value: []byte{0}}}
	records := []rec{
		{delta: 0}, {delta: 1, key: []byte{}}, {delta: 2, value: []byte{}}, {delta: 3, key: []byte{}, value: []byte{}},
		{delta: 4, key: []byte("k"), value: []byte("v"), headers: headers},
	}
	got, _, err := drain(t, answer(logBatch{records: records}.bytes()), 0, roomy)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range got {
		if !same(r.Key, records[i].key) || !same(r.Value, records[i].value) || r.Headers.Len() != len(records[i].headers) {
			t.Errorf("record %d: %#v, want %#v", i, r, records[i])
		}
	}
	for i, h := range listed(got[4].Headers) {
		if h.Key != headers[i].Key || !same(h.Value, headers[i].Value) {
			t.Errorf("header %d: %#v, want %#v", i, h, headers[i])
		}
	}
	// What belongs to one field cannot grow into the next.
	_ = append(got[4].Key, "unexpected"...)
	if string(got[4].Value) != "v" {
		t.Error("the key's memory reaches into the value")
	}
}

func same(a, b []byte) bool { return string(a) == string(b) && (a == nil) == (b == nil) }

func TestTimestamps(t *testing.T) {
	for _, c := range []struct {
		name string
		log  []byte
		want []int64
	}{
		{"create time", logBatch{records: at(0, 1, 2), baseTime: 1000, maxTime: 9999}.bytes(), []int64{1000, 1001, 1002}},
		{"log-append time", logBatch{records: at(0, 1, 2), baseTime: 1000, maxTime: 9999, attributes: logAppendTime}.bytes(), []int64{9999, 9999, 9999}},
		{"none", logBatch{records: []rec{{}}, baseTime: -1, maxTime: -1}.bytes(), []int64{-1}},
		{"records before the first", logBatch{records: []rec{{time: -10}}, baseTime: 1000}.bytes(), []int64{990}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := drain(t, answer(c.log), 0, roomy)
			if err != nil {
				t.Fatal(err)
			}
			var times []int64
			for _, r := range got {
				times = append(times, r.Timestamp)
			}
			if !slices.Equal(times, c.want) {
				t.Errorf("%v, want %v", times, c.want)
			}
		})
	}
}
