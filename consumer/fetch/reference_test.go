package fetch

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Logs that Apache Kafka's own classes wrote and compacted, and what they read from them
// (testdata/reference/Reference.java). Logs from before Kafka 0.11 are refused.
func TestReferenceLogs(t *testing.T) {
	logs, err := filepath.Glob("testdata/reference/*.log")
	if err != nil || len(logs) < 20 {
		t.Fatalf("%d logs, %v", len(logs), err)
	}
	for _, file := range logs {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			log, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			kind, _, _ := strings.Cut(name, ".")
			if kind == "magic0" || kind == "magic1" {
				if records, position, err := drain(t, answer(log), 0, roomy); len(records) > 0 || position != 0 || !errors.Is(err, ErrUnsupported) {
					t.Errorf("%d records, position %d, %v", len(records), position, err)
				}
				return
			}
			want, err := os.ReadFile(filepath.Join("testdata/reference", kind+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			records, position, err := drain(t, answer(log), 0, roomy)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, r := range records {
				fmt.Fprintf(&got, "%d %d %s %s", r.Offset, r.Timestamp, sum(r.Key), sum(r.Value))
				for _, h := range listed(r.Headers) {
					value := "null"
					if h.Value != nil {
						value = fmt.Sprintf("%x", h.Value)
					}
					fmt.Fprintf(&got, " %x=%s", h.Key, value)
				}
				got.WriteByte('\n')
			}
			fmt.Fprintf(&got, "next %d\n", position)
			if got.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got.String(), want)
			}
		})
	}
}

// sum stands for bytes in the expected text.
func sum(b []byte) string {
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%d:%x", len(b), crc32.ChecksumIEEE(b))
}
