package fetch

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"

	"github.com/klauspost/compress/snappy"
)

// Snappy comes in two dresses: a bare block, and the framing of Java's
// snappy-java ("xerial"): a header, then blocks with their length before them.
var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const (
	xerialHeaderSize = 16 // magic, version, oldest compatible version
	// maxSnappyRatio is above what a block can unpack to: its best element makes
	// 64 bytes of 3.
	maxSnappyRatio = 22
	// keepBlock is the largest unpacked block that is kept for the next one.
	keepBlock = 4 << 20
)

var snappies = sync.Pool{New: func() any { return new(snappyUnpacker) }}

// snappyInput is what a snappyUnpacker is reset to. It is no stream: blocks are
// cut out of data.
type snappyInput struct {
	data   []byte
	limit  int   // of one block, unpacked
	offset int64 // for errors
}

func (*snappyInput) Read([]byte) (int, error) { return 0, io.EOF }

// snappyUnpacker unpacks block by block.
type snappyUnpacker struct {
	in     *snappyInput
	xerial bool
	buf    []byte // of the block, kept
	block  []byte // what of it is not yet read
}

func (u *snappyUnpacker) Reset(r io.Reader) error {
	u.block = nil
	in, ok := r.(*snappyInput)
	if !ok {
		u.in = nil
		if cap(u.buf) > keepBlock {
			u.buf = nil
		}
		return nil
	}
	u.in = in
	u.xerial = bytes.HasPrefix(in.data, xerialMagic)
	if u.xerial {
		if len(in.data) < xerialHeaderSize {
			return io.ErrUnexpectedEOF
		}
		in.data = in.data[xerialHeaderSize:]
	}
	return nil
}

func (u *snappyUnpacker) Read(p []byte) (int, error) {
	for len(u.block) == 0 {
		if err := u.nextBlock(); err != nil {
			return 0, err
		}
	}
	n := copy(p, u.block)
	u.block = u.block[n:]
	return n, nil
}

func (u *snappyUnpacker) nextBlock() error {
	in := u.in
	if in == nil || len(in.data) == 0 {
		return io.EOF
	}
	packed := in.data
	if u.xerial {
		if len(packed) < 4 {
			return io.ErrUnexpectedEOF
		}
		n := int64(int32(binary.BigEndian.Uint32(packed)))
		packed = packed[4:]
		if n < 0 || n > int64(len(packed)) {
			return io.ErrUnexpectedEOF
		}
		packed = packed[:n]
		in.data = in.data[4+n:]
	} else {
		in.data = nil
	}
	size, err := snappy.DecodedLen(packed)
	if err != nil {
		return err
	}
	if size > maxSnappyRatio*len(packed) {
		return snappy.ErrCorrupt
	}
	if size > in.limit {
		return &TooLargeError{Offset: in.offset, Size: int64(size), Limit: int64(in.limit), Block: true}
	}
	if size > cap(u.buf) {
		u.buf = make([]byte, size)
	}
	u.block, err = snappy.Decode(u.buf[:size], packed)
	return err
}
