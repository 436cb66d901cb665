package telemetry

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

const (
	referenceBegin = "<!-- begin: generated from the table in cmd/release-forwarder/telemetry -->\n"
	referenceEnd   = "<!-- end: generated -->\n"
)

// TestThePageIsTheTable fails where the page and the code have parted.
// `go test ./cmd/release-forwarder/telemetry -update` writes the page anew.
func TestThePageIsTheTable(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "metrics.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), referenceBegin)
	table, after, ends := strings.Cut(rest, referenceEnd)
	switch says := Reference(); {
	case !begins || !ends:
		t.Fatalf("%s lacks the markers %q and %q", path, referenceBegin, referenceEnd)
	case table == says:
	case !*update:
		t.Errorf("%s is not what the code says; run this test with -update", path)
	default:
		if err := os.WriteFile(path, []byte(before+referenceBegin+says+referenceEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheTableIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range Table() {
		if seen[row.Name] || row.Name == "" || !strings.HasSuffix(row.Meaning, ".") {
			t.Errorf("%s: a row is there twice or is not explained", row.Name)
		}
		seen[row.Name] = true
		if (row.Kind == Counter) != strings.HasSuffix(row.Name, "_total") {
			t.Errorf("%s: counters, and only they, end in _total", row.Name)
		}
		if (row.Unit == unitSeconds) != strings.HasSuffix(row.Name, "_seconds") {
			t.Errorf("%s: the unit is part of the name", row.Name)
		}
	}
}
