package fetch

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// A record batch (KIP-98): its magic, and the positions of its fields.
const (
	batchMagic        = 2
	batchEpochAt      = 12
	batchCRCAt        = 17
	batchAttributesAt = 21 // the checksum's range begins here
	batchLastDeltaAt  = 23
	batchBaseTimeAt   = 27
	batchMaxTimeAt    = 35
	batchProducerAt   = 43
	batchCountAt      = 57
	batchHeaderSize   = 61
)

// Attributes of a batch.
const (
	codecMask     = 0x07
	logAppendTime = 0x08
	transactional = 0x10
	control       = 0x20
)

// Sizes of a record: the least, and the most of its fixed fields.
const (
	minRecordBody   = 6                           // attributes, two deltas, three lengths of one byte
	minRecord       = 1 + minRecordBody           // with its length
	maxRecordPrefix = 1 + 2*binary.MaxVarintLen64 // attributes, two deltas
	minHeader       = 2                           // two lengths
	null            = -1                          // as a length
)

// A control record's key: version and type, two bytes each.
const (
	controlKeySize = 4
	abortMarker    = 0
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is a record batch that is read from Reader.stream.
type batch struct {
	base, lastOffset int64
	// epoch is that of the leader that wrote it.
	epoch int32
	// baseTime plus a record's delta is its timestamp; with log-append time all records have appendTime.
	baseTime, appendTime int64
	isAppendTime         bool
	// count is how many records are left; the next one is above previous.
	count    int
	previous int64
	// isControl: the records are markers.
	isControl bool
}

func (b *batch) last() (offset int64, epoch int32) { return b.lastOffset, b.epoch }

func (b *batch) corrupt(kind Corruption) error {
	return &CorruptError{Offset: b.base, Kind: kind}
}

// enterBatch begins the batch at base, or skips it.
func (r *Reader) enterBatch(base int64, raw []byte) error {
	be := binary.BigEndian
	if len(raw) < batchHeaderSize {
		return &CorruptError{Offset: base, Kind: BadLength}
	}
	if crc32.Checksum(raw[batchAttributesAt:], castagnoli) != be.Uint32(raw[batchCRCAt:]) {
		return &CorruptError{Offset: base, Kind: BadChecksum}
	}
	attributes := be.Uint16(raw[batchAttributesAt:])
	lastDelta := int32(be.Uint32(raw[batchLastDeltaAt:]))
	count := int32(be.Uint32(raw[batchCountAt:]))
	producer := int64(be.Uint64(raw[batchProducerAt:]))
	if lastDelta < 0 || base > maxOffset-int64(lastDelta) {
		return &CorruptError{Offset: base, Kind: BadOffset}
	}
	if count < 0 || int64(count) > int64(lastDelta)+1 {
		return &CorruptError{Offset: base, Kind: BadCount}
	}
	r.batch = batch{
		base:         base,
		lastOffset:   base + int64(lastDelta),
		epoch:        max(epochNone, int32(be.Uint32(raw[batchEpochAt:]))),
		baseTime:     int64(be.Uint64(raw[batchBaseTimeAt:])),
		appendTime:   int64(be.Uint64(raw[batchMaxTimeAt:])),
		isAppendTime: attributes&logAppendTime != 0,
		count:        int(count),
		previous:     base - 1,
		isControl:    attributes&control != 0,
	}
	codec, data := codec(attributes&codecMask), raw[batchHeaderSize:]
	if codec == codecNone && int(count) > len(data)/minRecord {
		return r.batch.corrupt(BadCount)
	}
	r.aborted.advance(base)

	switch {
	case r.batch.isControl:
		if err := r.readMarker(producer, codec, data); err != nil {
			return err
		}
		r.pass(r.batch.last())
	case count == 0,
		r.batch.lastOffset < r.position,
		attributes&transactional != 0 && r.aborted.holds(producer):
		r.pass(r.batch.last())
	default:
		if err := r.stream.open(codec, base, data, r.limits); err != nil {
			return err
		}
		r.open = true
		if base < r.position { // the position lies within
			r.epoch = r.batch.epoch
		}
	}
	r.end = r.batch.lastOffset
	return nil
}

// readMarker reads a control batch. Only an abort marker matters. Its record is not returned, so any offset in
// the batch is accepted, also one below the position.
func (r *Reader) readMarker(producer int64, c codec, data []byte) error {
	if r.batch.count == 0 { // compaction keeps the batch without its marker
		return nil
	}
	if err := r.stream.open(c, r.batch.base, data, r.limits); err != nil {
		return err
	}
	defer r.stream.close()
	for {
		rec, ok, err := r.batch.next(r, r.batch.base)
		if err != nil || !ok {
			return err
		}
		if len(rec.Key) >= controlKeySize && binary.BigEndian.Uint16(rec.Key[2:]) == abortMarker {
			r.aborted.ended(producer)
		}
	}
}

// next returns the next record at or above from; false when all count records were read and nothing follows.
func (b *batch) next(r *Reader, from int64) (Record, bool, error) {
	s := &r.stream
	for b.count > 0 {
		size, err := s.varint()
		if err != nil {
			return Record{}, false, b.broken(err)
		}
		if size < minRecordBody || !s.fits(size) {
			return Record{}, false, b.corrupt(BadLength)
		}
		prefix, err := s.peek(int(min(size, maxRecordPrefix)))
		if err != nil {
			return Record{}, false, b.broken(err)
		}
		c := cursor{b: prefix[1:]} // attributes of records are unused
		timeDelta, offsetDelta := c.varint(), c.varint()
		if c.bad {
			return Record{}, false, b.corrupt(BadLength)
		}
		// Deltas count from 0 to the batch's last one. They are compared before they are added, so that a huge
		// one cannot overflow.
		if offsetDelta < 0 || offsetDelta > b.lastOffset-b.base || b.base+offsetDelta <= b.previous {
			return Record{}, false, b.corrupt(BadOffset)
		}
		rec := Record{Offset: b.base + offsetDelta, Epoch: b.epoch, Timestamp: b.baseTime + timeDelta}
		if b.isAppendTime {
			rec.Timestamp = b.appendTime
		}
		if rec.Offset >= from && size > int64(r.limits.MaxRecordBytes) {
			return Record{}, false, &TooLargeError{Offset: rec.Offset, Size: size, Limit: int64(r.limits.MaxRecordBytes)}
		}
		b.previous = rec.Offset
		b.count--
		if rec.Offset < from {
			if err := s.discard(size); err != nil {
				return Record{}, false, b.broken(err)
			}
			continue
		}
		used := len(prefix) - len(c.b)
		if err := s.discard(int64(used)); err != nil {
			return Record{}, false, b.broken(err)
		}
		body, err := s.take(int(size) - used)
		if err != nil {
			return Record{}, false, b.broken(err)
		}
		if kind := rec.parse(body); kind != "" {
			return Record{}, false, b.corrupt(kind)
		}
		return rec, true, nil
	}
	if more, err := s.more(); err != nil {
		return Record{}, false, b.broken(err)
	} else if more {
		return Record{}, false, b.corrupt(Trailing)
	}
	return Record{}, false, nil
}

// broken makes an error of the stream one of the batch.
func (b *batch) broken(err error) error { return broken(b.base, err) }

func broken(offset int64, err error) error {
	if errors.Is(err, errVarint) {
		return &CorruptError{Offset: offset, Kind: BadLength}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &CorruptError{Offset: offset, Kind: Truncated}
	}
	if _, ok := errors.AsType[*TooLargeError](err); ok {
		return err
	}
	return &CorruptError{Offset: offset, Kind: BadUnpacking, Cause: err}
}

// parse cuts key, value and headers out of body, which the record keeps. It returns what is wrong, or "".
func (rec *Record) parse(body []byte) Corruption {
	c := cursor{b: body}
	rec.Key = c.bytes()
	rec.Value = c.bytes()
	n := c.varint()
	if c.bad {
		return BadLength
	}
	var kind Corruption
	if rec.Headers, kind = cutHeaders(&c, n); kind != "" {
		return kind
	}
	if len(c.b) > 0 {
		return Trailing
	}
	return ""
}

// cursor reads fields of a record from b. A field that cannot be read sets bad and is zero.
type cursor struct {
	b   []byte
	bad bool
}

// varint reads a zigzag-encoded number.
func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.bad = true
		c.b = nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

// bytes reads a length and as many bytes; −1 is null, returned as nil.
func (c *cursor) bytes() []byte {
	n := c.varint()
	if c.bad || n == null {
		return nil
	}
	if n < 0 || n > int64(len(c.b)) {
		c.bad = true
		c.b = nil
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}
