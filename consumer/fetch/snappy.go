package fetch

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/snappy"
)

// Snappy has two forms: a bare block, and the framing of Java's snappy-java ("xerial"): a header, then blocks
// with their length before them.
var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const (
	xerialHeaderSize = 16 // magic, version, oldest compatible version
	// maxSnappyRatio is above what a block can unpack to: its best element makes 64 bytes from 3.
	maxSnappyRatio = 22
)

// checkSnappy checks the sizes that the blocks in data state against what is there and what is allowed: the
// unpacker unpacks a block whole, and believes its size.
func checkSnappy(data []byte, offset int64, limit int) error {
	if !bytes.HasPrefix(data, xerialMagic) {
		return checkBlock(data, offset, limit)
	}
	if len(data) < xerialHeaderSize {
		return io.ErrUnexpectedEOF
	}
	for data = data[xerialHeaderSize:]; len(data) > 0; {
		if len(data) < 4 {
			return io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint32(data))
		if data = data[4:]; n > int64(len(data)) {
			return io.ErrUnexpectedEOF
		}
		if err := checkBlock(data[:n], offset, limit); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

func checkBlock(packed []byte, offset int64, limit int) error {
	size, err := snappy.DecodedLen(packed)
	switch {
	case err != nil:
		return err
	case size > maxSnappyRatio*len(packed):
		return snappy.ErrCorrupt
	case size > limit:
		return &TooLargeError{Offset: offset, Size: int64(size), Limit: int64(limit), Block: true}
	}
	return nil
}
