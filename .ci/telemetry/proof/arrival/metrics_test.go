package arrival

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/mapping"
)

// inOTLP is a metric's name as docs/reference/metrics.md says that it is in OTLP.
func inOTLP(row telemetry.Instrument) string {
	name, _ := strings.CutPrefix(row.FullName(), "release_forwarder_")
	if row.Kind == telemetry.Counter {
		name = strings.TrimSuffix(name, "_total")
	}
	if row.Unit == "s" {
		name = strings.TrimSuffix(name, "_seconds")
	}
	return "release_forwarder." + name
}

// notAtOnce are metrics of the table that have nothing to tell in a short run.
var notAtOnce = map[string]string{
	"release_forwarder_retention_left_seconds":  "nothing has been unfinished for 15 minutes",
	"release_forwarder_reading_blocked_seconds": "every partition is read",
	"release_forwarder_unowned_partitions":      "the coordinator is first asked after 20 s",
}

func TestEveryMetricOfTheTableArrivesAndNoOther(t *testing.T) {
	w := open(t, "secret")
	f := w.start("one", "http/protobuf", map[string]string{"MAPPING_FILE": ignoring(t)})
	for partition := range int32(3) {
		w.send(event(partition, fmt.Sprintf("flow-%d", partition), nil))
	}
	w.settled(f)
	w.until(func() error { // the next export has all that happened
		if m := w.sink.Metrics()["release_forwarder.delivery"]; len(m.Points) == 0 {
			return fmt.Errorf("no delivery among %v", slices.Sorted(maps.Keys(w.sink.Metrics())))
		}
		return nil
	})
	w.stopped(f)
	came := w.sink.Metrics()
	types := map[telemetry.Kind]string{telemetry.Counter: "Sum", telemetry.Gauge: "Gauge", telemetry.Histogram: "Histogram"}
	known := map[string]bool{"http.client.request.duration": true}
	for _, row := range telemetry.Table() {
		known[inOTLP(row)] = true
		m, there := came[inOTLP(row)]
		if _, later := notAtOnce[row.FullName()]; later && !there {
			continue
		}
		if !there || m.Type != types[row.Kind] || m.Unit != row.Unit || m.Meaning != row.Meaning || m.Monotonic != (row.Kind == telemetry.Counter) {
			t.Errorf("%s: %+v", row.FullName(), m)
			continue
		}
		for _, point := range m.Points {
			if labels := slices.Sorted(maps.Keys(point)); !slices.Equal(labels, labelsOf(row)) {
				t.Errorf("%s has the labels %q, want %q", row.FullName(), labels, labelsOf(row))
			}
		}
	}
	if m := came["http.client.request.duration"]; m.Type != "Histogram" || m.Unit != "s" || len(m.Points) == 0 {
		t.Errorf("http.client.request.duration: %+v", m)
	}
	for name := range came {
		if !known[name] && !strings.HasPrefix(name, "go.") {
			t.Errorf("%s came and stands in no table", name)
		}
	}
}

// ignoring is the built-in contract with a profile that ignores: without one nothing counts what is ignored.
func ignoring(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "mapping.yaml")
	profiles := "profiles:\n  - name: entries\n    when: {value: {op_type: 1}}\n    ignore: true\n"
	text := strings.Replace(mapping.BuiltInFile(), "profiles:\n", profiles, 1)
	must(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func labelsOf(row telemetry.Instrument) (names []string) {
	for _, label := range row.Labels {
		names = append(names, label.Name)
	}
	slices.Sort(names)
	return names
}
