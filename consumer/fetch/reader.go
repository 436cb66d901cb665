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
	// Epoch is the leader epoch in which it was written (KIP-101), −1 if the batch does not say.
	Epoch int32
	// Timestamp is in milliseconds since 1970, the broker's if the topic has log-append time; −1 if the record
	// has none.
	Timestamp int64
	// Key and Value are nil if they are null, and empty if they are empty.
	Key, Value []byte
	Headers    Headers
}

// Dated returns the record's timestamp as a time; false if it cannot be believed.
func (r *Record) Dated() (time.Time, bool) { return TimeOf(r.Timestamp) }

// TimeOf returns a record's timestamp as a time; false if it cannot be believed. Producers write microseconds,
// seconds, −1 or anything else there, and Kafka accepts it. Only a time from 2000 to 2099 is used.
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
	// MaxRecordBytes is the size of the largest record that is returned, in bytes of the log's format,
	// unpacked. A larger one ends the reading with a [*TooLargeError] before it is allocated. It must be
	// positive.
	MaxRecordBytes int
	// MaxBlockBytes is the most that a snappy block may hold, which must be unpacked whole; 0: MaxRecordBytes
	// + 32 MiB. Producers write blocks of 32 KiB, or one block for a batch.
	MaxBlockBytes int
}

func (l Limits) withDefaults() Limits {
	if l.MaxBlockBytes <= 0 {
		l.MaxBlockBytes = l.MaxRecordBytes + 32<<20
	}
	return l
}

// Reader returns the records of an answer in order. One goroutine at a time uses it. Several readers may read
// one answer.
type Reader struct {
	// rest holds what follows the batch being read.
	rest []byte
	// position is where reading continues: all below it was returned or skipped. It only grows.
	position int64
	// end is the last offset of the batch before the current one, or −1. The next batch lies beyond it.
	end int64
	// epoch is that of the last record or batch below position. before is that of what lies below the last
	// returned record. −1: this answer holds none.
	epoch, before int32
	// whole: the answer held a complete batch.
	whole bool
	// err ends the reading; it is returned from then on.
	err error

	limits  Limits
	aborted abortedList
	// batch is being read from stream if open is set.
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

// maxOffset is the largest offset of a record: the next offset must exist.
const maxOffset = math.MaxInt64 - 1

// Records returns a reader of what a committed reader can see from offset from on, which is the requested
// offset or a later one. Close it.
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

// Next returns the next record, or io.EOF at the answer's end: the next fetch returns what a broker cut off
// there. Any other error is a [*CorruptError], [*TooLargeError] or [*UnsupportedError]; it is returned again
// from then on, and Position stays behind the last record before it.
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

// Position returns the offset to continue from: the one after all that was returned or skipped. It is right at
// any time: when reading stopped early it follows the last returned record.
func (r *Reader) Position() int64 { return r.position }

// Epoch returns the leader epoch of what lies just below Position: of the last batch with offsets there,
// whether returned, a marker, aborted, or compacted. It is −1 before any batch, and if that batch does not
// say.
func (r *Reader) Epoch() int32 { return r.epoch }

// Close releases what the reader borrowed. It may be called at any time and more than once. From then on Next
// returns io.EOF, or the error that came before.
func (r *Reader) Close() {
	r.stream.close()
	r.open, r.rest = false, nil
	if r.err == nil {
		r.err = io.EOF
	}
}

// Before returns the leader epoch of what lies below the last returned record; −1 if this answer held nothing
// there, or it has none.
func (r *Reader) Before() int32 { return r.before }

// pass moves the position behind offset, where something of this epoch was.
func (r *Reader) pass(offset int64, epoch int32) {
	r.position = max(r.position, offset+1)
	r.epoch = epoch
}

// enter begins the next batch, or skips it and leaves none open.
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

// cutOff judges a batch that did not come whole. Brokers cut at the size asked for and leave the rest to the
// next fetch. But the first batch comes whole since KIP-74, so that every fetch makes progress.
func (r *Reader) cutOff() error {
	if r.whole {
		return io.EOF
	}
	return &CorruptError{Offset: r.position, Kind: Truncated}
}
