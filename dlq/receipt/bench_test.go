package receipt_test

import (
	"testing"

	"release-forwarder/consumer/fetch"
	"release-forwarder/dlq/receipt"
)

// BenchmarkParse parses one receipt with every member: a count does so for each.
func BenchmarkParse(b *testing.B) {
	rec := &fetch.Record{Key: []byte("k"), Value: []byte(whole)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := receipt.Parse(receipts, 0, rec); err != nil {
			b.Fatal(err)
		}
	}
}
