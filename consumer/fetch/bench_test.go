package fetch

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// BenchmarkNext reads a batch of about 1 MB of records of 300 bytes, as a busy producer sends it.
func BenchmarkNext(b *testing.B) {
	var records []rec
	for i := range 3500 {
		records = append(records, rec{delta: int64(i), key: fmt.Append(nil, i), value: []byte(fmt.Sprintf(`{"park_uuid":"%032x","flow_no":"%d",`, i*7919, i) + strings.Repeat("x", 220) + "}")})
	}
	for _, name := range []string{"none", "snappy block", "snappy xerial", "lz4", "zstd fastest", "gzip 1"} {
		log := logBatch{records: records, packer: packers[name]}.bytes()
		b.Run(name, func(b *testing.B) {
			a := answer(log)
			b.ReportAllocs()
			b.SetBytes(int64(len(recordBytes(records))))
			for b.Loop() {
				r := a.Records(0, roomy)
				n := 0
				for ; ; n++ {
					if _, err := r.Next(); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
				r.Close()
				if n != len(records) {
					b.Fatal(n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/record")
		})
	}
	b.Run("one record a batch", func(b *testing.B) {
		var log []byte
		for i := range 3500 {
			log = append(log, logBatch{base: int64(i), records: records[:1], packer: snappyBlock}.bytes()...)
		}
		a := answer(log)
		b.ReportAllocs()
		for b.Loop() {
			r := a.Records(0, roomy)
			for {
				if _, err := r.Next(); err != nil {
					break
				}
			}
			r.Close()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*3500), "ns/record")
	})
}
