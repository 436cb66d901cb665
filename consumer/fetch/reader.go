package fetch

import (
	"encoding/binary"
	"io"
	"math"
	"time"
)

// Record is one record of the log. Its bytes are its own.
type Record struct {
	Offset int64
	// Epoch is the leader epoch in which it was written (KIP-101), −1 where the batch
	// does not say.
	Epoch int32
	// Timestamp is in milliseconds since 1970, the broker's where the topic has
	// log-append time; −1 if the record has none.
	Timestamp int64
	// Key and Value are nil where they are null, and empty where they are empty.
	Key, Value []byte
	Headers    Headers
}

// Dated is the record's timestamp as a time; false where it cannot be believed.
func (r *Record) Dated() (time.Time, bool) { return TimeOf(r.Timestamp) }

// TimeOf is a record's timestamp as a time; false where it is none that can be believed.
// Producers write microseconds, seconds, −1 or anything else there, and Kafka takes it. Only
// a time from 2000 to 2099 enters any arithmetic.
func TimeOf(timestamp int64) (t time.Time, believable bool) {
	if timestamp < year2000 || timestamp >= year2100 {
		return time.Time{}, false
	}
	return time.UnixMilli(timestamp).UTC(), true
}

// The beginnings of these years, in milliseconds since 1970.
const year2000, year2100 = 946_684_800_000, 4_102_444_800_000

// Limits bounds what a Reader allocates.
type Limits struct {
	// MaxRecordBytes is the largest record that is returned, in bytes of the
	// log's format unpacked; a larger one ends the reading with a
	// [*TooLargeError] before it is allocated. It must be positive.
	MaxRecordBytes int
	// MaxBlockBytes is the most that a snappy block, which cannot be unpacked in
	// parts, may hold; 0 means MaxRecordBytes + 32 MiB. Producers write blocks of
	// 32 KiB, or one block for a batch.
	MaxBlockBytes int
}

func (l Limits) withDefaults() Limits {
	if l.MaxBlockBytes <= 0 {
		l.MaxBlockBytes = l.MaxRecordBytes + 32<<20
	}
	return l
}

// Reader yields the records of an answer in order. It is used by one goroutine
// at a time. Several may read one answer.
type Reader struct {
	// rest holds what follows the batch being read.
	rest []byte
	// position is where reading goes on: everything below it was returned or
	// passed over for good. It only grows.
	position int64
	// end is the last offset of the batch before the current one, or −1. The
	// next batch lies beyond it.
	end int64
	// epoch is the one of the last record or batch below position, before the one of what
	// lies below the record that was returned last; −1 where this answer holds none.
	epoch, before int32
	// whole says that the answer held a complete batch.
	whole bool
	// err ends the reading; it is returned from then on.
	err error

	limits  Limits
	aborted abortedList
	// batch is being read where open says so, out of stream.
	open   bool
	batch  batch
	stream stream
}

// The first bytes of a batch, and of a message in the formats before.
const (
	prefixSize = 12 // offset, length of what follows
	magicAt    = 16
	minLength  = 14 // of the smallest message of magic 0
)

// maxOffset is the largest offset a record may have: its successor is still one.
const maxOffset = math.MaxInt64 - 1

// Records returns a reader of what a committed consumer can see from offset
// from on, which is the offset that was asked for or one later. Close it.
func (a *Answer) Records(from int64, l Limits) *Reader {
	return &Reader{
		rest:     a.records,
		position: max(from, 0),
		end:      -1,
		epoch:    epochNone,
		before:   epochNone,
		limits:   l.withDefaults(),
		aborted:  newAbortedList(a.aborted),
	}
}

// Next returns the next record, or io.EOF at the answer's end: what a broker
// cut off there is left for the next fetch. Any other error is one of
// [*CorruptError], [*TooLargeError] and [*UnsupportedError], comes again from
// then on, and leaves Position behind the last record before it.
func (r *Reader) Next() (Record, error) {
	for r.err == nil {
		if !r.open {
			if r.err = r.enter(); r.err != nil {
				r.stream.close()
			}
			continue
		}
		rec, ok, err := r.batch.next(r, r.position)
		switch {
		case err != nil:
			r.err = err
			r.stream.close()
		case ok:
			r.position = rec.Offset + 1
			if r.before = r.epoch; rec.Offset > r.batch.base {
				r.before = rec.Epoch // what lies below it is of the same batch
			}
			r.epoch = rec.Epoch
			return rec, nil
		default:
			r.stream.close()
			r.pass(r.batch.last())
			r.open = false
		}
	}
	return Record{}, r.err
}

// Position returns the offset to go on from: the one after everything returned
// or passed over so far. It is right at any time, also when reading stopped
// early; then it follows the last record returned.
func (r *Reader) Position() int64 { return r.position }

// Epoch returns the leader epoch of what lies just below Position: of the last batch
// whose records (returned or not, a marker, aborted, or removed by compaction) lie
// there. It is −1 before any, and where that batch does not say.
func (r *Reader) Epoch() int32 { return r.epoch }

// Close gives back what the reader borrowed. It may be called at any time and
// more than once. Next returns io.EOF from then on unless an error came before.
func (r *Reader) Close() {
	r.stream.close()
	r.open, r.rest = false, nil
	if r.err == nil {
		r.err = io.EOF
	}
}

// Before returns the leader epoch of what lies below the record that was returned last;
// −1 where this answer held nothing there, or it has none.
func (r *Reader) Before() int32 { return r.before }

// pass moves the position behind offset, where something of this epoch was.
func (r *Reader) pass(offset int64, epoch int32) {
	r.position = max(r.position, offset+1)
	r.epoch = epoch
}

// enter begins the next batch, or passes over it and leaves none open.
func (r *Reader) enter() error {
	if len(r.rest) == 0 {
		return io.EOF
	}
	if len(r.rest) <= magicAt {
		return r.cutOff()
	}
	base := int64(binary.BigEndian.Uint64(r.rest))
	length := int64(int32(binary.BigEndian.Uint32(r.rest[8:])))
	if length < minLength {
		return &CorruptError{Offset: base, Kind: BadLength}
	}
	if length > int64(len(r.rest)-prefixSize) {
		return r.cutOff()
	}
	b := r.rest[:prefixSize+length]
	if base <= r.end || base > maxOffset {
		return &CorruptError{Offset: base, Kind: BadOffset}
	}
	if magic := int8(b[magicAt]); magic != batchMagic {
		return &UnsupportedError{Offset: base, Magic: magic}
	}
	if err := r.enterBatch(base, b); err != nil {
		return err
	}
	r.rest = r.rest[len(b):]
	r.whole = true
	return nil
}

// cutOff judges a batch that the answer does not hold whole. Brokers cut at
// the size asked for and leave the rest to the next fetch; but the first one
// comes whole since KIP-74, so that every fetch gets on.
func (r *Reader) cutOff() error {
	if r.whole {
		return io.EOF
	}
	return &CorruptError{Offset: r.position, Kind: Truncated}
}
