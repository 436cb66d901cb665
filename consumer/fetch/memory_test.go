package fetch

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// After Free the memory of an answer is another's; the records read from it must not change.
func TestRecordsOutliveTheirAnswer(t *testing.T) {
	var records []rec
	for i := range 100 {
		records = append(records, rec{delta: int64(i), key: fmt.Append(nil, i), value: []byte(strings.Repeat(string(rune('a'+i%26)), 700))})
	}
	for name, packer := range packers {
		t.Run(name, func(t *testing.T) {
			log := logBatch{records: records, packer: packer}.bytes()
			read := func(a Answer) (all []Record) {
				rd := a.Records(0, roomy)
				defer rd.Close()
				for range records {
					r, err := rd.Next()
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, r)
				}
				return all
			}
			want := read(Answer{records: log})

			res := Response{Partitions: []Answer{{records: append(memory(len(log))[:0], log...)}}}
			memory := res.Partitions[0].records
			got := read(res.Partitions[0])
			res.Free()
			for i := range memory {
				memory[i] = 0xFF
			}
			if !reflect.DeepEqual(got, want) {
				t.Error("what was read has changed")
			}
			if res.Partitions[0].Len() != 0 {
				t.Error("the answer still holds its memory")
			}
		})
	}
}

// Memory has the size asked for, and less than twice of it if it is kept for reuse.
func TestMemoryOfAnswers(t *testing.T) {
	for _, n := range []int{0, 1, 16<<10 - 1, 16 << 10, 16<<10 + 1, 1 << 20, 1<<20 + 100, 2 << 20, 2<<20 + 1, 5 << 20} {
		for range 3 {
			b := memory(n)
			if len(b) != n || n >= 16<<10 && n <= 2<<20 && cap(b) >= 2*n {
				t.Errorf("%d of %d for %d", len(b), cap(b), n)
			}
			reuse(b)
		}
	}
}
