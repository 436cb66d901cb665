package telemetry

import (
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

const (
	referenceBegin = "<!-- begin: generated from the table in cmd/release-forwarder/telemetry -->\n"
	referenceEnd   = "<!-- end: generated -->\n"
)

// TestThePageIsTheTable fails where the page and the code have parted.
// `go test ./cmd/release-forwarder/telemetry -update` writes the page.
func TestThePageIsTheTable(t *testing.T) {
	repo.Generated(t, "docs/reference/metrics.md", referenceBegin, referenceEnd, Reference(), *repo.Update)
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
