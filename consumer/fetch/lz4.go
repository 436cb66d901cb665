package fetch

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Fields of an LZ4 frame's header.
const (
	lz4Magic          = 0x184D2204
	lz4FlagsAt        = 4
	lz4HasSize        = 0x08
	lz4HasDictionary  = 0x01
	lz4MinHeader      = 7
	lz4DescriptorSize = 2 // flags and block descriptor
)

// mendLZ4 returns data with the header's checksum made right. Clients that
// wrote messages of magic 0 computed it over the wrong bytes (KAFKA-3160), so
// readers of that magic must not look at it, and the library always does.
func mendLZ4(data []byte) []byte {
	if len(data) < lz4MinHeader || binary.LittleEndian.Uint32(data) != lz4Magic {
		return data
	}
	size := lz4DescriptorSize
	if data[lz4FlagsAt]&lz4HasSize != 0 {
		size += 8
	}
	if data[lz4FlagsAt]&lz4HasDictionary != 0 {
		size += 4
	}
	at := lz4FlagsAt + size
	if at >= len(data) {
		return data
	}
	right := byte(xxh32(data[lz4FlagsAt:at]) >> 8)
	if data[at] == right {
		return data
	}
	data = bytes.Clone(data) // the answer may be read again
	data[at] = right
	return data
}

// The primes of xxHash, 32 bits.
const (
	xxPrime1 = 2654435761
	xxPrime2 = 2246822519
	xxPrime3 = 3266489917
	xxPrime4 = 668265263
	xxPrime5 = 374761393
)

// xxh32 is xxHash with 32 bits and seed 0 of fewer than 16 bytes, which is all
// that a frame's header has.
func xxh32(b []byte) uint32 {
	h := uint32(xxPrime5) + uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		h += binary.LittleEndian.Uint32(b) * xxPrime3
		h = bits.RotateLeft32(h, 17) * xxPrime4
	}
	for _, c := range b {
		h += uint32(c) * xxPrime5
		h = bits.RotateLeft32(h, 11) * xxPrime1
	}
	h ^= h >> 15
	h *= xxPrime2
	h ^= h >> 13
	h *= xxPrime3
	return h ^ h>>16
}
