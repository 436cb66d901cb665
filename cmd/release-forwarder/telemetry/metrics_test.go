package telemetry

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/settings"
)

// start begins telemetry in an environment without OTEL_ variables but those
// given, and ends it with the test.
func start(t *testing.T, env map[string]string) (*Telemetry, *bytes.Buffer) {
	t.Helper()
	for _, name := range []string{
		"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER",
		"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_PROPAGATORS",
	} {
		t.Setenv(name, env[name])
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	var lines bytes.Buffer
	tel, err := Start(t.Context(), Config{
		Writer: &lines, LogFormat: settings.FormatJSON, Build: Build{"v1.2.3", "abcdef"}, SettingsHash: "0123456789ab", Group: "lots", ClientID: "release-forwarder", Ignoring: []string{"entries"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = tel.Shutdown(ended) // a collector of a test may be gone
	})
	return tel, &lines
}

func scrape(t *testing.T, tel *Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("scrape: %d %v", w.Code, err)
	}
	return string(body)
}

// fromTheStart is what a scrape holds before anything happened: the names that
// alerts rest on, written out by hand.
var fromTheStart = []string{
	`release_forwarder_records_accepted_total 0`,
	`release_forwarder_dead_letters_total{reason="empty",stage="mapping"} 0`,
	`release_forwarder_dead_letters_total{reason="invalid-json",stage="mapping"} 0`,
	`release_forwarder_dead_letters_total{reason="duplicate-key",stage="mapping"} 0`,
	`release_forwarder_dead_letters_total{reason="bad-text",stage="mapping"} 0`,
	`release_forwarder_dead_letters_total{reason="missing-field",stage="mapping"} 0`,
	`release_forwarder_dead_letters_total{reason="wrong-type",stage="mapping"} 0`,
	`release_forwarder_dead_letters_total{reason="bad-time",stage="mapping"} 0`,
	`release_forwarder_dead_letters_total{reason="too-long",stage="mapping"} 0`,
	`release_forwarder_dead_letters_total{reason="refused",stage="upstream"} 0`,
	`release_forwarder_dead_letters_total{reason="budget-exhausted",stage="upstream"} 0`,
	`release_forwarder_dead_letters_total{reason="lot-refused",stage="upstream"} 0`,
	`release_forwarder_dead_letters_total{reason="by-operator",stage="upstream"} 0`,
	`release_forwarder_attempts_total{verdict="accepted"} 0`,
	`release_forwarder_attempts_total{verdict="permanent"} 0`,
	`release_forwarder_attempts_total{verdict="refused"} 0`,
	`release_forwarder_attempts_total{verdict="throttled"} 0`,
	`release_forwarder_attempts_total{verdict="failed"} 0`,
	`release_forwarder_attempts_total{verdict="unreadable"} 0`,
	`release_forwarder_attempts_total{verdict="timeout"} 0`,
	`release_forwarder_attempts_total{verdict="unreachable"} 0`,
	`release_forwarder_records_ignored_total{profile="entries"} 0`,
	`release_forwarder_dead_letters_total{reason="unknown-code",stage="mapping"} 0`,
	`release_forwarder_dead_letters_total{reason="no-profile",stage="mapping"} 0`,
	`release_forwarder_pending_records 0`,
	`release_forwarder_held_records{reason="refused"} 0`,
	`release_forwarder_held_records{reason="throttled"} 0`,
	`release_forwarder_held_records{reason="failed"} 0`,
	`release_forwarder_held_records{reason="unreadable"} 0`,
	`release_forwarder_held_records{reason="timeout"} 0`,
	`release_forwarder_held_records{reason="unreachable"} 0`,
	`release_forwarder_held_records{reason="dead-letter"} 0`,
	`release_forwarder_held_records{reason="storm"} 0`,
	`release_forwarder_held_records{reason="unlisted"} 0`,
	`release_forwarder_oldest_unfinished_seconds 0`,
	`release_forwarder_delivery_seconds_count 0`,
	`release_forwarder_delivery_seconds_sum 0`,
	`release_forwarder_delivery_seconds_bucket{le="+Inf"} 0`,
	`release_forwarder_assigned_partitions 0`,
	`release_forwarder_budget_spent_total 0`,
	`release_forwarder_drain_seconds_count 0`,
	`release_forwarder_drain_seconds_sum 0`,
	`release_forwarder_drain_seconds_bucket{le="+Inf"} 0`,
	`release_forwarder_circuit_open 0`,
	`release_forwarder_storm_guard_active 0`,
	`release_forwarder_refused_lots 0`,
	`release_forwarder_in_flight 0`,
	`release_forwarder_in_flight_limit 0`,
	`release_forwarder_commits_total{result="ok"} 0`,
	`release_forwarder_commits_total{result="stale"} 0`,
	`release_forwarder_commits_total{result="failed"} 0`,
	`release_forwarder_rebalances_total 0`,
	`release_forwarder_suspicious_events_total{kind="future"} 0`,
	`release_forwarder_suspicious_events_total{kind="leave-before-enter"} 0`,
	`release_forwarder_suspicious_events_total{kind="unknown-plate-color"} 0`,
	`release_forwarder_suspicious_events_total{kind="unknown-car-type"} 0`,
	`release_forwarder_metadata_ignored_total 0`,
	`release_forwarder_dead_letters_blocked 0`,
	`release_forwarder_receipts_written_total 0`,
	`release_forwarder_receipts_missing_total 0`,
	`release_forwarder_receipts_blocked 0`,
	`release_forwarder_log_lines_dropped_total{kind="console"} 0`,
	`release_forwarder_log_lines_dropped_total{kind="log"} 0`,
	`release_forwarder_log_lines_dropped_total{kind="state"} 0`,
	`release_forwarder_reload_failures_total{file="KAFKA_SASL_OAUTH_CA_FILE"} 0`,
	`release_forwarder_reload_failures_total{file="KAFKA_SASL_OAUTH_TOKEN_FILE"} 0`,
	`release_forwarder_reload_failures_total{file="KAFKA_SASL_PASSWORD_FILE"} 0`,
	`release_forwarder_reload_failures_total{file="KAFKA_TLS_CA_FILE"} 0`,
	`release_forwarder_reload_failures_total{file="KAFKA_TLS_CERT_FILE"} 0`,
	`release_forwarder_reload_failures_total{file="KAFKA_TLS_KEY_FILE"} 0`,
	`release_forwarder_reload_failures_total{file="UPSTREAM_APP_SECRET_FILE"} 0`,
	`release_forwarder_reload_failures_total{file="UPSTREAM_CREDENTIALS_FILE"} 0`,
	`release_forwarder_reload_failures_total{file="UPSTREAM_TLS_CA_FILE"} 0`,
	`release_forwarder_reload_failures_total{file="MAPPING_FILE"} 0`,
	`release_forwarder_reload_failures_total{file="RECEIPTS_KEY_FILE"} 0`,
	`release_forwarder_reloads_total{file="KAFKA_SASL_OAUTH_CA_FILE"} 0`,
	`release_forwarder_reloads_total{file="KAFKA_SASL_OAUTH_TOKEN_FILE"} 0`,
	`release_forwarder_reloads_total{file="KAFKA_SASL_PASSWORD_FILE"} 0`,
	`release_forwarder_reloads_total{file="KAFKA_TLS_CA_FILE"} 0`,
	`release_forwarder_reloads_total{file="KAFKA_TLS_CERT_FILE"} 0`,
	`release_forwarder_reloads_total{file="KAFKA_TLS_KEY_FILE"} 0`,
	`release_forwarder_reloads_total{file="UPSTREAM_APP_SECRET_FILE"} 0`,
	`release_forwarder_reloads_total{file="UPSTREAM_CREDENTIALS_FILE"} 0`,
	`release_forwarder_reloads_total{file="UPSTREAM_TLS_CA_FILE"} 0`,
	`release_forwarder_reloads_total{file="MAPPING_FILE"} 0`,
	`release_forwarder_reloads_total{file="RECEIPTS_KEY_FILE"} 0`,
	`release_forwarder_settings_info{hash="0123456789ab"} 1`,
}

// ours are the series of a scrape that the table answers for, without the
// buckets and build_info.
func ours(body string) []string {
	var series []string
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, prefix) || strings.HasPrefix(line, prefix+"build_info") ||
			strings.Contains(line, "_bucket{") && !strings.Contains(line, `le="+Inf"`) {
			continue
		}
		series = append(series, line)
	}
	slices.Sort(series)
	return series
}

func TestEveryNameIsThereWithZeroFromTheStart(t *testing.T) {
	tel, _ := start(t, nil)
	body := scrape(t, tel)
	want := slices.Sorted(slices.Values(fromTheStart))
	got := ours(body)
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("on no list: %s", line)
		}
	}
	if !strings.Contains(body, `release_forwarder_build_info{goversion="go1.`) || !strings.Contains(body, `revision="abcdef",version="v1.2.3"} 1`) {
		t.Error("build_info is not there")
	}
	for _, row := range Table() {
		perPartition := len(row.Labels) > 0 && row.Labels[0].Name == "topic"
		if !perPartition && !strings.Contains(body, "# TYPE "+row.FullName()+" "+string(row.Kind)+"\n") {
			t.Errorf("%s is not exposed as a %s", row.FullName(), row.Kind)
		}
	}
	for _, bad := range []string{"otel_scope", "otel_metric_overflow", "_ratio"} {
		if strings.Contains(body, bad) {
			t.Errorf("the scrape holds %s", bad)
		}
	}
	for _, good := range []string{"go_goroutine_count", "process_resident_memory_bytes", `service_name="release-forwarder"`, `service_version="v1.2.3"`} {
		if !strings.Contains(body, good) {
			t.Errorf("the scrape lacks %s", good)
		}
	}
}

func TestCountersOfAPartitionBeginWithItsAssignmentAndStay(t *testing.T) {
	tel, _ := start(t, nil)
	if strings.Contains(scrape(t, tel), "records_dropped_by_kafka") {
		t.Fatal("a partition before any was assigned")
	}
	i := tel.Instruments
	i.AssignPartition("releases", 7)
	zero := `release_forwarder_records_dropped_by_kafka_total{partition="7",topic="releases"} 0`
	if !strings.Contains(scrape(t, tel), zero) {
		t.Errorf("missing: %s", zero)
	}
	i.DroppedByKafka("releases", 7, 42)
	i.DroppedByKafka("releases", 7, -1)
	i.AssignPartition("releases", 7) // it comes back
	if want := strings.TrimSuffix(zero, " 0") + " 42"; !strings.Contains(scrape(t, tel), want) {
		t.Errorf("missing: %s", want)
	}
}

func TestWhatHappensIsCounted(t *testing.T) {
	tel, _ := start(t, nil)
	i := tel.Instruments
	i.Accepted()
	i.Accepted()
	i.Delivered(t.Context(), 0.02)
	i.Delivered(t.Context(), 7200)
	i.Delivered(t.Context(), -5)
	i.DeadLetter("mapping", "bad-time")
	i.DeadLetter("upstream", "refused")
	i.Attempt("timeout")
	i.Attempt("cut")
	i.Commit("ok")
	i.Commit("stale")
	i.Rebalance()
	i.Suspicious("future")
	i.MetadataIgnored()
	i.ReloadFailure("UPSTREAM_APP_SECRET_FILE")
	i.Reloaded("UPSTREAM_CREDENTIALS_FILE")
	i.BudgetSpent()
	i.Drained(0.3)
	body := scrape(t, tel)
	for _, want := range []string{
		`records_accepted_total 2`, `dead_letters_total{reason="bad-time",stage="mapping"} 1`,
		`dead_letters_total{reason="refused",stage="upstream"} 1`, `attempts_total{verdict="timeout"} 1`,
		`attempts_total{verdict="accepted"} 0`, `commits_total{result="ok"} 1`, `commits_total{result="stale"} 1`,
		`rebalances_total 1`, `suspicious_events_total{kind="future"} 1`, `metadata_ignored_total 1`,
		`reload_failures_total{file="UPSTREAM_APP_SECRET_FILE"} 1`,
		`reloads_total{file="UPSTREAM_CREDENTIALS_FILE"} 1`, `budget_spent_total 1`, `drain_seconds_bucket{le="0.25"} 0`, `drain_seconds_bucket{le="0.5"} 1`,
		`delivery_seconds_count 3`, `delivery_seconds_sum 7200.02`,
		`delivery_seconds_bucket{le="0.025"} 2`, `delivery_seconds_bucket{le="3600"} 2`, `delivery_seconds_bucket{le="10800"} 3`,
	} {
		if !strings.Contains(body, prefix+want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(body, `verdict="other"`) {
		t.Error("an attempt that was cut off is counted")
	}
	if n := strings.Count(body, "# TYPE release_forwarder_delivery_seconds histogram"); n != 1 {
		t.Errorf("delivery_seconds is there %d times", n)
	}
}

func TestAWordOnNoListIsCountedAsOther(t *testing.T) {
	tel, _ := start(t, nil)
	i := tel.Instruments
	i.Attempt("\xff plate=B12345")
	i.DeadLetter("mapping", "refused") // a reason of the other stage
	i.DeadLetter("nowhere", "bad-time")
	i.Suspicious("odd")
	i.Observe(func() Gauges { return Gauges{Held: map[string]int{"failed": 2, "made-up": 3, "also": 4}} })
	body := scrape(t, tel)
	for _, want := range []string{
		`attempts_total{verdict="other"} 1`, `dead_letters_total{reason="other",stage="mapping"} 1`,
		`dead_letters_total{reason="other",stage="other"} 1`, `suspicious_events_total{kind="other"} 1`,
		`held_records{reason="failed"} 2`, `held_records{reason="other"} 7`,
	} {
		if !strings.Contains(body, prefix+want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if strings.Contains(body, "B12345") || strings.Contains(body, "made-up") {
		t.Error("a word from outside became a label")
	}
}

func TestGaugesAreAskedOnceForEachScrape(t *testing.T) {
	tel, _ := start(t, nil)
	asked := 0
	now := Gauges{
		Pending: 12, OldestUnfinished: 1500 * time.Millisecond, InFlight: 3, InFlightLimit: 64, DeadLettersBlocked: 1, ReceiptsBlocked: 7,
		Partitions: []PartitionGauges{
			{Topic: "releases", Partition: 0, Lag: 5, LagDone: 3, LagHeld: 2, RetentionLeft: Unknown, Paused: [3]bool{2: true}},
			{Topic: "releases", Partition: 1, RetentionLeft: 7200, Blocked: "lost", BlockedFor: time.Minute},
		},
	}
	tel.Instruments.Observe(func() Gauges { asked++; return now })
	first := scrape(t, tel)
	if asked != 1 {
		t.Errorf("one scrape took %d snapshots", asked)
	}
	for _, want := range []string{
		"pending_records 12", "oldest_unfinished_seconds 1.5", "circuit_open 0", "in_flight 3", "in_flight_limit 64",
		`lag_records{partition="0",topic="releases"} 5`, `lag_records{partition="1",topic="releases"} 0`,
		`lag_done_records{partition="0",topic="releases"} 3`, `lag_held_records{partition="0",topic="releases"} 2`,
		`retention_left_seconds{partition="1",topic="releases"} 7200`, "assigned_partitions 2",
		`reading_blocked_seconds{cause="lost",partition="1",topic="releases"} 60`,
		`reading_paused{bound="records",partition="0",topic="releases"} 0`,
		`reading_paused{bound="bytes",partition="0",topic="releases"} 0`,
		`reading_paused{bound="gaps",partition="0",topic="releases"} 1`,
		"dead_letters_blocked 1", "receipts_blocked 7", "storm_guard_active 0", "refused_lots 0",
	} {
		if !strings.Contains(first, prefix+want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	for _, unknown := range []string{`retention_left_seconds{partition="0"`, `reading_blocked_seconds{cause="",`} {
		if strings.Contains(first, unknown) {
			t.Errorf("a value that is not known is there: %s", unknown)
		}
	}
	now.CircuitOpen, now.Partitions = true, now.Partitions[:1] // partition 1 went to another replica
	body := scrape(t, tel)
	if !strings.Contains(body, prefix+"circuit_open 1\n") {
		t.Error("the circuit's gauge is stale")
	}
	if strings.Contains(body, `lag_records{partition="1"`) {
		t.Error("a partition that went still has a lag here")
	}
}

func TestCountingOnARecordsWayAllocatesNothing(t *testing.T) {
	tel, _ := start(t, nil)
	i := tel.Instruments
	if n := testing.AllocsPerRun(100, func() {
		i.Accepted()
		i.Attempt("accepted")
		i.DeadLetter("mapping", "bad-time")
		i.Suspicious("future")
		i.Commit("ok")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDelivered(b *testing.B) {
	b.Setenv("OTEL_METRICS_EXPORTER", "none")
	tel, err := Start(b.Context(), Config{Writer: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		tel.Instruments.Delivered(b.Context(), 0.02)
	}
}
