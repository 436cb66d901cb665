package fetch

import (
	"runtime"
	"testing"
)

func listed(h Headers) (list []Header) {
	for key, value := range h.All() {
		list = append(list, Header{Key: string(key), Value: value})
	}
	return list
}

// Kept records take only their own bytes, however many headers they have and whatever else the answer holds.
func TestRecordsThatAreKeptTakeTheirBytesAlone(t *testing.T) {
	beside := rec{delta: 1, value: make([]byte, 10<<20)}
	named := make([]Header, 100_000)
	for i := range named {
		named[i] = Header{Key: "name", Value: []byte("value")}
	}
	small := rec{value: []byte("v"), headers: []Header{{Key: "a"}}}
	for name, c := range map[string]struct {
		log  []byte
		size int
	}{
		"empty headers":            {logBatch{records: []rec{{value: []byte("v"), headers: make([]Header, 500_000)}}, packer: gzipPacker(6)}.bytes(), 1_000_000},
		"headers":                  {logBatch{records: []rec{{key: []byte("k"), headers: named}}, packer: gzipPacker(6)}.bytes(), 11 * len(named)},
		"beside a large one":       {logBatch{records: []rec{small, beside}, packer: gzipPacker(6)}.bytes(), 4},
		"beside a large one, bare": {logBatch{records: []rec{small, beside}}.bytes(), 4},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 20
			inUse := func() int {
				runtime.GC()
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return int(m.HeapAlloc)
			}
			kept := make([]Record, n)
			before := inUse()
			for i := range kept {
				rd := answer(c.log).Records(0, Limits{MaxRecordBytes: 16 << 20})
				r, err := rd.Next()
				if err != nil {
					t.Fatal(err)
				}
				rd.Close()
				kept[i] = r
			}
			if took := inUse() - before; took > n*c.size*5/4+256<<10 {
				t.Errorf("%d records of %d bytes take %d", n, c.size, took)
			}
			runtime.KeepAlive(kept)
		})
	}
}

func TestHeadersAreReadWithoutMemory(t *testing.T) {
	h, n := HeadersOf(make([]Header, 1000)...), 0
	if got := testing.AllocsPerRun(10, func() {
		for range h.All() {
			n++
		}
	}); got > 0 || n != 11*1000 || h.Len() != 1000 || h.Size() != 2000 {
		t.Errorf("%v allocations for %d of %d", got, n, h.Len())
	}
}
