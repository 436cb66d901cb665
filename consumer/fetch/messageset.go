package fetch

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// A message (magic 0 and 1, KIP-31 and KIP-32): where its fields lie, counted
// from its offset.
const (
	messageCRCAt        = 12
	messageAttributesAt = 17
	messageTimeAt       = 18 // magic 1 only
	messageKeyAt0       = 18
	messageKeyAt1       = 26
	noTimestamp         = -1
)

// message is one message, its fields still in the bytes it was read from.
type message struct {
	attributes byte
	timestamp  int64
	key, value []byte
}

// parseMessage reads the message raw, whose length was checked to be its own.
func parseMessage(offset int64, magic int8, raw []byte) (message, error) {
	if crc32.ChecksumIEEE(raw[magicAt:]) != binary.BigEndian.Uint32(raw[messageCRCAt:]) {
		return message{}, &CorruptError{Offset: offset, Kind: BadChecksum}
	}
	m := message{attributes: raw[messageAttributesAt], timestamp: noTimestamp}
	at := messageKeyAt0
	if magic == 1 {
		at = messageKeyAt1
		if len(raw) < at {
			return message{}, &CorruptError{Offset: offset, Kind: BadLength}
		}
		m.timestamp = int64(binary.BigEndian.Uint64(raw[messageTimeAt:]))
	}
	var ok bool
	rest := raw[at:]
	if m.key, rest, ok = cutBytes(rest); ok {
		m.value, rest, ok = cutBytes(rest)
	}
	if !ok {
		return message{}, &CorruptError{Offset: offset, Kind: BadLength}
	}
	if len(rest) > 0 {
		return message{}, &CorruptError{Offset: offset, Kind: Trailing}
	}
	return m, nil
}

// cutBytes reads a length of 32 bits and as many bytes; −1 is null.
func cutBytes(b []byte) (v, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := int64(int32(binary.BigEndian.Uint32(b)))
	b = b[4:]
	if n == null {
		return nil, b, true
	}
	if n < 0 || n > int64(len(b)) {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}

// own copies key and value into one piece of memory.
func (m *message) own() {
	b := make([]byte, 0, len(m.key)+len(m.value))
	if m.key != nil {
		b = append(b, m.key...)
		m.key = b[:len(b):len(b)]
	}
	if m.value != nil {
		n := len(b)
		b = append(b, m.value...)
		m.value = b[n:len(b):len(b)]
	}
}

// enterMessage begins the message at offset: one record, or a wrapper that
// holds a compressed message set, whose offset is its last message's.
func (r *Reader) enterMessage(offset int64, magic int8, raw []byte) error {
	m, err := parseMessage(offset, magic, raw)
	if err != nil {
		return err
	}
	c := codec(m.attributes & codecMask)
	r.wrapper = wrapper{magic: magic, offset: offset, timestamp: m.timestamp, previous: r.end}
	switch {
	case offset < r.position:
		r.pass(r.wrapper.last())
	case c == codecNone:
		if size := len(raw) - prefixSize; size > r.limits.MaxRecordBytes {
			return &TooLargeError{Offset: offset, Size: int64(size), Limit: int64(r.limits.MaxRecordBytes)}
		}
		m.own()
		r.wrapper.single = &m
		r.in = &r.wrapper
	default:
		r.wrapper.appendTime = magic == 1 && m.attributes&logAppendTime != 0
		if err := r.openWrapper(c, m.value); err != nil {
			return err
		}
		r.in = &r.wrapper
	}
	r.end = offset
	return nil
}

// openWrapper opens the compressed set. Offsets in a set of magic 1 count from
// its first message, yet only the last one's is known (KIP-31): the set is
// unpacked twice, first to find the last, so that it is never held whole.
func (r *Reader) openWrapper(c codec, data []byte) error {
	w := &r.wrapper
	if data == nil {
		return &CorruptError{Offset: w.offset, Kind: BadLength}
	}
	if w.magic == 1 {
		if err := r.stream.open(c, w.magic, w.offset, data, r.limits); err != nil {
			return err
		}
		last, err := w.findLast(&r.stream)
		r.stream.close()
		if err != nil {
			return err
		}
		if last < 0 || last > w.offset {
			return &CorruptError{Offset: w.offset, Kind: BadOffset}
		}
		w.shift = w.offset - last
	}
	return r.stream.open(c, w.magic, w.offset, data, r.limits)
}

// wrapper is a message being read: one record, or the messages packed into its
// value, read from Reader.stream.
type wrapper struct {
	magic  int8
	offset int64
	// single is the record of a message that is not compressed, until returned.
	single *message
	// shift makes an inner offset one of the log.
	shift int64
	// timestamp is the wrapper's, which counts for all inner messages with
	// appendTime.
	timestamp  int64
	appendTime bool
	// previous is the offset before the next message; read says that there was
	// one in this set.
	previous int64
	read     bool
}

func (w *wrapper) last() (offset int64, epoch int32) { return w.offset, epochNone }

func (w *wrapper) corrupt(kind Corruption) error {
	return &CorruptError{Offset: w.offset, Kind: kind}
}

func (w *wrapper) next(r *Reader, from int64) (Record, bool, error) {
	if m := w.single; m != nil {
		w.single = nil
		w.read = true
		return Record{Offset: w.offset, Epoch: epochNone, Timestamp: m.timestamp, Key: m.key, Value: m.value}, true, nil
	}
	if !r.stream.isOpen() {
		return Record{}, false, nil
	}
	for {
		offset, size, ok, err := w.head(&r.stream)
		if err != nil {
			return Record{}, false, err
		}
		if !ok {
			if !w.read { // compaction drops a wrapper that became empty
				return Record{}, false, w.corrupt(BadCount)
			}
			return Record{}, false, nil
		}
		w.read = true
		if offset < -w.shift || offset > w.offset-w.shift || offset+w.shift <= w.previous {
			return Record{}, false, w.corrupt(BadOffset)
		}
		offset += w.shift
		if offset >= from && size > int64(r.limits.MaxRecordBytes) {
			return Record{}, false, &TooLargeError{Offset: offset, Size: size, Limit: int64(r.limits.MaxRecordBytes)}
		}
		w.previous = offset
		if offset < from {
			if err := r.stream.discard(prefixSize + size); err != nil {
				return Record{}, false, broken(w.offset, err)
			}
			continue
		}
		rec, err := w.inner(&r.stream, offset, size)
		return rec, err == nil, err
	}
}

// inner reads the message that begins at the stream.
func (w *wrapper) inner(s *stream, offset, size int64) (Record, error) {
	raw, err := s.take(int(prefixSize + size))
	if err != nil {
		return Record{}, broken(w.offset, err)
	}
	if int8(raw[magicAt]) != w.magic {
		return Record{}, w.corrupt(BadNesting)
	}
	m, err := parseMessage(offset, w.magic, raw)
	if err != nil {
		return Record{}, err
	}
	if m.attributes&codecMask != 0 {
		return Record{}, w.corrupt(BadNesting)
	}
	if w.appendTime {
		m.timestamp = w.timestamp
	}
	return Record{Offset: offset, Epoch: epochNone, Timestamp: m.timestamp, Key: m.key, Value: m.value}, nil
}

// head looks at the next message's offset and size, or returns false at the end.
func (w *wrapper) head(s *stream) (offset, size int64, ok bool, err error) {
	if more, err := s.more(); err != nil {
		return 0, 0, false, broken(w.offset, err)
	} else if !more {
		return 0, 0, false, nil
	}
	b, err := s.peek(prefixSize)
	if err != nil {
		return 0, 0, false, broken(w.offset, err)
	}
	if len(b) < prefixSize {
		return 0, 0, false, broken(w.offset, io.ErrUnexpectedEOF)
	}
	offset = int64(binary.BigEndian.Uint64(b))
	size = int64(int32(binary.BigEndian.Uint32(b[8:])))
	if size < minLength {
		return 0, 0, false, w.corrupt(BadLength)
	}
	return offset, size, true, nil
}

// findLast returns the inner offset of the set's last message.
func (w *wrapper) findLast(s *stream) (int64, error) {
	last := int64(-1)
	for {
		offset, size, ok, err := w.head(s)
		if err != nil {
			return 0, err
		}
		if !ok {
			if last < 0 {
				return 0, w.corrupt(BadCount)
			}
			return last, nil
		}
		last = offset
		if err := s.discard(prefixSize + size); err != nil {
			return 0, broken(w.offset, err)
		}
	}
}
