package fetch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/segmentio/kafka-go"
)

// headroom is how far an answer may exceed the bytes asked for: its first batch comes whole.
const headroom = 64 << 20

// frame reads an answer field by field from the connection, so that each partition's records have memory of
// their own and can be dropped separately. left counts the frame's bytes that are not read yet: nothing is
// read beyond them, and no more is allocated (except the rounding of memory). The first error sticks; fields
// read after it are zero.
type frame struct {
	r    io.Reader
	left int64
	// flexible: lengths are compact, and structs end with tagged fields.
	flexible bool
	err      error
	buf      [16]byte
}

type partitionKey struct {
	topic     string
	partition int32
}

// Tagged fields of a partition's answer. From version 16 on leaders name their successors (tag 1).
const divergingTag = 0

// readAnswer reads one whole answer to r.
func readAnswer(rd io.Reader, r *Request, v int16, id int32) (*Response, error) {
	f := &frame{r: rd, left: 4, flexible: v >= flexibleVersion}
	size := int64(f.int32())
	if f.err != nil {
		return nil, f.err
	}
	if limit := int64(max(r.MaxBytes, 0)) + headroom; size > limit {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrAnswerTooLarge, size, limit)
	}
	f.left = size
	res, err := f.whole(r, v, id)
	if errors.Is(err, io.EOF) { // between two fields
		err = io.ErrUnexpectedEOF
	}
	return res, err
}

// whole reads the whole frame.
func (f *frame) whole(r *Request, v int16, id int32) (*Response, error) {
	if got := f.int32(); f.err == nil && got != id {
		return nil, fmt.Errorf("%w: correlation ID %d, expected %d", ErrMalformed, got, id)
	}
	f.tags(nil)

	res := new(Response)
	res.Throttle = time.Duration(max(f.int32(), 0)) * time.Millisecond
	if code := f.int16(); code != 0 {
		res.refused = kafka.Error(code)
		f.skip(f.left)
		return res, f.err
	}
	f.int32() // session ID
	if err := f.topics(r, v, res); err != nil {
		return nil, err
	}
	f.tags(nil)
	if f.err == nil && f.left != 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrMalformed, f.left)
	}
	return res, f.err
}

// topics reads the topics of the body: each requested partition at most once.
func (f *frame) topics(r *Request, v int16, res *Response) error {
	open := make(map[topicKey]map[int32]string) // the topic's name, by the key of the request
	for i := range r.Partitions {
		p := &r.Partitions[i]
		k := keyOf(p, v)
		if open[k] == nil {
			open[k] = make(map[int32]string)
		}
		open[k][p.Partition] = p.Topic
	}
	res.Partitions = make([]Answer, 0, len(r.Partitions))
	for range f.count(len(r.Partitions)) {
		var k topicKey
		if v >= newestVersion {
			f.fill(k.id[:])
		} else {
			k.name = f.string()
		}
		asked, ok := open[k]
		if f.err == nil && !ok {
			return fmt.Errorf("%w: a topic that was not asked for", ErrMalformed)
		}
		for range f.count(len(r.Partitions)) {
			a := f.answer(r)
			if f.err != nil {
				return f.err
			}
			if a.Topic, ok = asked[a.Partition]; !ok {
				return fmt.Errorf("%w: partition %d was not asked for, or is answered twice", ErrMalformed, a.Partition)
			}
			delete(asked, a.Partition)
			res.Partitions = append(res.Partitions, a)
		}
		f.tags(nil)
	}
	// A partition may be left out: some brokers do so once MaxBytes is reached.
	return f.err
}

func (f *frame) answer(r *Request) Answer {
	a := Answer{Partition: f.int32()}
	if code := f.int16(); code != 0 {
		a.Err = kafka.Error(code)
	}
	a.HighWatermark = f.int64()
	a.LastStableOffset = f.int64()
	a.LogStartOffset = f.int64()
	a.aborted = f.aborted()
	a.Preferred = max(f.int32(), none)
	if a.Preferred != none && a.Err == nil && r.Rack == "" {
		a.Err = ErrOtherReplica
	}
	if n := f.length(); n > 0 {
		kept := n
		if r.Peek {
			kept = min(n, batchHeaderSize)
		}
		a.records = f.bytes(kept)
		f.skip(n - kept)
	}
	f.tags(func(tag uint32) {
		if tag == divergingTag {
			a.Diverges = f.epochEnd()
		}
	})
	if a.Diverges != nil { // the records with it are of another log
		reuse(a.records)
		a.records, a.aborted = nil, nil
	}
	return a
}

// none is the preferred replica in an answer that names none.
const none = -1

func (f *frame) aborted() []abortedTransaction {
	n, size := f.length(), int64(abortedSize)
	if f.flexible {
		size++ // at least the number of its tagged fields
	}
	if n > f.left/size {
		f.fail("%d aborted transactions in %d bytes", n, f.left)
	}
	if n <= 0 || f.err != nil {
		return nil
	}
	all := make([]abortedTransaction, n)
	for i := range all {
		all[i] = abortedTransaction{producer: f.int64(), first: f.int64()}
		f.tags(nil)
	}
	return all
}

// epochEnd reads a divergence: nil if both fields have the values that mean an absent field.
func (f *frame) epochEnd() *EpochEnd {
	e := EpochEnd{Epoch: f.int32(), End: f.int64()}
	f.tags(nil)
	if e == (EpochEnd{Epoch: epochNone, End: -1}) {
		return nil
	}
	return &e
}

// tags reads the tagged fields at a struct's end (KIP-482). A field of which known reads nothing is unknown
// and is skipped.
func (f *frame) tags(known func(tag uint32)) {
	if !f.flexible {
		return
	}
	for n := int64(f.uvarint()); n > 0 && f.err == nil; n-- {
		tag, size := f.uvarint(), int64(f.uvarint())
		end := f.left - size
		if known != nil {
			known(tag)
		}
		switch {
		case f.left == end+size:
			f.skip(size)
		case f.left != end:
			f.fail("a tagged field of %d bytes holds %d", size, end+size-f.left)
		}
	}
}

// count reads an array's length: at most limit, null as none.
func (f *frame) count(limit int) int {
	n := f.length()
	if n > int64(limit) {
		f.fail("a count of %d where at most %d can be", n, limit)
		return 0
	}
	return int(max(n, 0))
}

// length reads the length of an array or of records: negative is null.
func (f *frame) length() int64 {
	if f.flexible {
		return int64(f.uvarint()) - 1
	}
	return int64(f.int32())
}

// string reads a name, null as empty.
func (f *frame) string() string {
	var n int64
	if f.flexible {
		n = f.length()
	} else {
		n = int64(f.int16())
	}
	if n > math.MaxInt16 {
		f.fail("a name of %d bytes", n)
	}
	if n <= 0 || f.err != nil {
		return ""
	}
	return string(f.bytes(n))
}

func (f *frame) bytes(n int64) []byte {
	if f.err == nil && n > f.left {
		f.fail("a length of %d in %d bytes", n, f.left)
	}
	if f.err != nil {
		return nil
	}
	b := memory(int(n))
	f.fill(b)
	return b
}

func (f *frame) skip(n int64) {
	if f.err == nil && n > f.left {
		f.fail("a length of %d in %d bytes", n, f.left)
	}
	if f.err == nil {
		f.left -= n
		_, f.err = io.CopyN(io.Discard, f.r, n)
	}
}

// uvarint reads a number of at most 32 bits, seven in each byte.
func (f *frame) uvarint() uint32 {
	var v uint64
	b := f.buf[:1]
	for shift := 0; shift < 35; shift += 7 {
		f.fill(b)
		v |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			break
		}
	}
	if b[0] >= 0x80 || v > math.MaxUint32 {
		f.fail("a length of more than 32 bits")
		return 0
	}
	return uint32(v)
}

func (f *frame) int16() int16 {
	b := f.buf[:2]
	f.fill(b)
	return int16(binary.BigEndian.Uint16(b))
}

func (f *frame) int32() int32 {
	b := f.buf[:4]
	f.fill(b)
	return int32(binary.BigEndian.Uint32(b))
}

func (f *frame) int64() int64 {
	b := f.buf[:8]
	f.fill(b)
	return int64(binary.BigEndian.Uint64(b))
}

// fill reads all of b, or clears it and notes the error.
func (f *frame) fill(b []byte) {
	if f.err == nil && int64(len(b)) > f.left {
		f.fail("%d bytes wanted where %d are left", len(b), f.left)
	}
	if f.err == nil {
		f.left -= int64(len(b))
		_, f.err = io.ReadFull(f.r, b)
	}
	if f.err != nil {
		clear(b)
	}
}

func (f *frame) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
	}
}
