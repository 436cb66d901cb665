package fetch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"sync"

	"github.com/segmentio/kafka-go/compress"
)

// codec is how records are compressed: the lowest bits of the attributes.
type codec int8

const (
	codecNone   codec = 0
	codecGzip   codec = 1
	codecSnappy codec = 2
	codecLZ4    codec = 3
	codecZstd   codec = 4
)

// eagerAllocation is the size up to which memory for a record is allocated at once.
const eagerAllocation = 1 << 20

// errVarint: a number has more than 64 bits.
var errVarint = errors.New("varint too long")

// buffers are those of closed streams.
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 8<<10) }}

// stream reads a batch's records and unpacks them as they are asked for. Its zero value is closed.
type stream struct {
	buf *bufio.Reader // nil when closed
	raw bytes.Reader  // the bytes in the log
	src io.ReadCloser // unpacks raw; nil if raw is not compressed
}

// open begins to read data, the records of the batch at offset. The unpackers are kafka-go's, from its pools,
// except zstd's, whose window must be bounded. They report an error in what they unpack when it is read.
func (s *stream) open(c codec, offset int64, data []byte, l Limits) error {
	s.raw.Reset(data)
	switch c {
	case codecNone:
	case codecGzip, codecLZ4:
		s.src = compress.Compression(c).Codec().NewReader(&s.raw)
	case codecSnappy:
		if err := checkSnappy(data, offset, l.MaxBlockBytes); err != nil {
			return broken(offset, err)
		}
		s.src = compress.Snappy.Codec().NewReader(&s.raw)
	case codecZstd:
		s.src = openZstd(&s.raw, data)
	default:
		return &UnsupportedError{Offset: offset, Magic: batchMagic, Codec: int8(c)}
	}
	s.buf = buffers.Get().(*bufio.Reader)
	if s.buf.Reset(&s.raw); s.src != nil {
		s.buf.Reset(s.src)
	}
	return nil
}

// close returns what open borrowed. It may be called at any time.
func (s *stream) close() {
	if s.src != nil {
		_ = s.src.Close()
		s.src = nil
	}
	if s.buf != nil {
		s.buf.Reset(nil)
		buffers.Put(s.buf)
		s.buf = nil
	}
	s.raw.Reset(nil)
}

// fits reports whether size bytes can follow, as far as that is known: an uncompressed stream knows, and no
// size in the format has more than 31 bits.
func (s *stream) fits(size int64) bool {
	if s.src == nil {
		return size <= int64(s.buf.Buffered()+s.raw.Len())
	}
	return size <= math.MaxInt32
}

// peek returns the next n bytes, fewer only at the end. They are valid until the next call.
func (s *stream) peek(n int) ([]byte, error) {
	b, err := s.buf.Peek(n)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b, err
}

// more reports whether a byte follows. At the end an unpacker has verified its checksum, if it has one.
func (s *stream) more() (bool, error) {
	b, err := s.peek(1)
	return len(b) > 0, err
}

// varint reads a zigzag-encoded number.
func (s *stream) varint() (int64, error) {
	b, err := s.peek(binary.MaxVarintLen64)
	if err != nil && len(b) == 0 {
		return 0, err
	}
	v, n := binary.Varint(b)
	if n < 0 || n == 0 && len(b) == binary.MaxVarintLen64 {
		return 0, errVarint
	}
	if n == 0 {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	return v, s.discard(int64(n))
}

func (s *stream) discard(n int64) error {
	_, err := s.buf.Discard(int(n))
	return err
}

// take returns the next n bytes in memory of their own. For an unusually large n memory grows only as bytes
// come.
func (s *stream) take(n int) ([]byte, error) {
	if n <= eagerAllocation || s.src == nil {
		b := make([]byte, n)
		_, err := io.ReadFull(s.buf, b)
		return b, err
	}
	b := make([]byte, eagerAllocation)
	for done := 0; ; {
		m, err := io.ReadFull(s.buf, b[done:])
		if err != nil {
			return nil, err
		}
		if done += m; done == n {
			return b, nil
		}
		grown := make([]byte, min(n, 4*len(b)))
		copy(grown, b)
		b = grown
	}
}
