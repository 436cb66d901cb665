package fetch

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
)

// headroom is what an answer may have above the bytes asked for, where the
// caller set no bound: its first batch, which comes whole.
const headroom = 64 << 20

// frame reads an answer field by field off the connection, so that each
// partition's records get memory of their own and can be dropped alone. left is
// what the frame still holds: nothing is read beyond it, and nothing allocated (but
// for the rounding of memory).
// The first error sticks; fields read after it are zero.
type frame struct {
	r    io.Reader
	left int64
	err  error
	buf  [16]byte
}

type partitionKey struct {
	topic     string
	partition int32
}

// readAnswer reads one answer to r whole.
func readAnswer(rd io.Reader, r *Request, id int32) (*Response, error) {
	f := &frame{r: rd, left: 4}
	size := int64(f.int32())
	if f.err != nil {
		return nil, f.err
	}
	limit := r.MaxAnswer
	if limit <= 0 {
		limit = int64(max(r.MaxBytes, 0)) + headroom
	}
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrAnswerTooLarge, size, limit)
	}
	f.left = size
	if got := f.int32(); f.err == nil && got != id {
		return nil, fmt.Errorf("%w: correlation ID %d, expected %d", ErrMalformed, got, id)
	}

	res := new(Response)
	res.Throttle = time.Duration(max(f.int32(), 0)) * time.Millisecond
	if code := f.int16(); f.err == nil && code != 0 {
		return nil, kafka.Error(code)
	}
	f.int32() // session ID
	if err := f.partitions(r, res); err != nil {
		return nil, err
	}
	if f.err == nil && f.left != 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrMalformed, f.left)
	}
	return res, f.err
}

// partitions reads the body's topics: each partition asked for exactly once.
func (f *frame) partitions(r *Request, res *Response) error {
	open := make(map[partitionKey]bool, len(r.Partitions))
	for _, p := range r.Partitions {
		open[partitionKey{p.Topic, p.Partition}] = true
	}
	res.Partitions = make([]Answer, 0, len(open))
	for range f.count(len(open)) {
		topic := f.string()
		for range f.count(len(open)) {
			a := f.answer(topic, r.Peek)
			if f.err != nil {
				return f.err
			}
			k := partitionKey{a.Topic, a.Partition}
			if !open[k] {
				return fmt.Errorf("%w: partition %d was not asked for, or is answered twice", ErrMalformed, a.Partition)
			}
			delete(open, k)
			res.Partitions = append(res.Partitions, a)
		}
	}
	// A partition may be left out: some brokers do so once MaxBytes is reached.
	return f.err
}

func (f *frame) answer(topic string, peek bool) Answer {
	a := Answer{Topic: topic, Partition: f.int32()}
	if code := f.int16(); code != 0 {
		a.Err = kafka.Error(code)
	}
	a.HighWatermark = f.int64()
	a.LastStableOffset = f.int64()
	a.LogStartOffset = f.int64()
	if n := int64(f.int32()); n > 0 { // −1: null
		if n > f.left/abortedSize {
			f.fail("%d aborted transactions in %d bytes", n, f.left)
			return a
		}
		a.aborted = make([]abortedTransaction, n)
		for i := range a.aborted {
			a.aborted[i] = abortedTransaction{producer: f.int64(), first: f.int64()}
		}
	}
	if replica := f.int32(); replica >= 0 && a.Err == nil {
		a.Err = ErrOtherReplica
	}
	if n := int64(f.int32()); n > 0 { // −1: null
		kept := n
		if peek {
			kept = min(n, batchHeaderSize)
		}
		a.records = f.bytes(kept)
		f.skip(n - kept)
	}
	return a
}

// count reads an array's length: at most limit, null as none.
func (f *frame) count(limit int) int {
	n := f.int32()
	if int(n) > limit {
		f.fail("a count of %d where at most %d can be", n, limit)
		return 0
	}
	return int(max(n, 0))
}

func (f *frame) string() string {
	n := f.int16()
	if n <= 0 {
		return ""
	}
	return string(f.bytes(int64(n)))
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

// skip passes over n bytes.
func (f *frame) skip(n int64) {
	if f.err == nil && n > f.left {
		f.fail("a length of %d in %d bytes", n, f.left)
	}
	if f.err == nil {
		f.left -= n
		_, f.err = io.CopyN(io.Discard, f.r, n)
	}
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

// fill reads all of b, or clears it and notes why not.
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
