package fetch

import (
	"math/bits"
	"sync"
)

// Memory of answers is reused, in sizes of powers of two, so that none has twice what it needs. Under a
// backlog an answer of a megabyte comes every few milliseconds; as garbage they would be most of the process's
// allocations.
const (
	leastReused = 14 // 16 KiB; smaller ones are cheap
	mostReused  = 21 // 2 MiB; a fetch asks for less, and larger is rare
)

var memories [mostReused - leastReused + 1]sync.Pool // of *[]byte

// memory returns n bytes of any content.
func memory(n int) []byte {
	size := max(bits.Len(uint(max(n, 1)-1)), leastReused) // 2^size is n or the next power of two
	if n < 1<<leastReused || size > mostReused {
		return make([]byte, n)
	}
	if b, ok := memories[size-leastReused].Get().(*[]byte); ok {
		return (*b)[:n]
	}
	return make([]byte, n, 1<<size)
}

func reuse(b []byte) {
	if size := bits.Len(uint(cap(b))) - 1; cap(b) == 1<<max(size, 0) && size >= leastReused && size <= mostReused {
		b = b[:0]
		memories[size-leastReused].Put(&b)
	}
}

// Free releases the memory of the answers. Neither they nor their readers may be used afterwards; records that
// were read keep their own memory. A Response that is not freed is ordinary garbage.
func (r *Response) Free() {
	for i := range r.Partitions {
		a := &r.Partitions[i]
		reuse(a.records)
		a.records = nil
	}
}
