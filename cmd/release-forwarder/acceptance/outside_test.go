package acceptance

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/platform"
)

var errNone = errors.New("there is none")

// outsideScenarios: what the process shows to people and programs.
func outsideScenarios() []scenario {
	return []scenario{
		{name: "probes, pages and the metrics' names", run: outside},
		{name: "nothing personal is printed or served, at the debug level, whatever fails", run: discreet},
		{name: "version and config", run: commands},
		{name: "each command explains itself, and refuses what it does not know", run: helps},
		{name: "doctor says what is wrong, and asks the platform only when told to", run: examined},
	}
}

// metric is nil when the sample, written as on the page, has the value.
func (f *forwarder) metric(sample string, want float64) error {
	_, page, err := f.get("/metrics")
	if err != nil {
		return err
	}
	name, labels, _ := strings.Cut(strings.TrimSuffix(sample, "}"), "{")
	for line := range strings.Lines(page) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !hasLabels(fields[0], name, labels) {
			continue
		}
		if got, err := strconv.ParseFloat(fields[1], 64); err != nil || got != want {
			return fmt.Errorf("%s is %s, want %v", sample, fields[1], want)
		}
		return nil
	}
	return fmt.Errorf("%s is not on the page", sample)
}

// hasLabels reports whether a sample is of the metric and has all these labels,
// among others perhaps.
func hasLabels(sample, name, labels string) bool {
	rest, ok := strings.CutPrefix(sample, name)
	if !ok || (rest != "" && rest[0] != '{') {
		return false
	}
	for label := range strings.SplitSeq(labels, ",") {
		if !strings.Contains(rest, label) {
			return false
		}
	}
	return true
}

// closed are the labels (docs/reference/metrics.md) whose values are all there from the start.
var closed = map[string][]string{
	"attempts_total{verdict=": {"accepted", "permanent", "refused", "throttled", "failed", "unreadable", "timeout", "unreachable"},
	"dead_letters_total{reason=": {"empty", "invalid-json", "duplicate-key", "bad-text", "missing-field", "wrong-type", "bad-time", "too-long",
		"refused", "budget-exhausted"},
	"suspicious_events_total{kind=": {"future", "leave-before-enter", "unknown-plate-color", "unknown-car-type"},
}

func outside(t *testing.T) {
	w := newWorld(t, plan{settings: map[string]string{"ADMIN_HOSTS": "forwarder"}})
	f := w.start().ready()
	for _, page := range pages {
		f.answers(page, http.StatusOK)
		for host, want := range map[string]int{"localhost:8081": http.StatusOK, "forwarder:8081": http.StatusOK, "evil.example.com": http.StatusMisdirectedRequest} {
			if status, body, err := f.getBy(host, page); status != want {
				t.Errorf("%s by the name %s: %d %q %v, want %d", page, host, status, body, err, want)
			}
		}
	}
	for metric, values := range closed {
		for _, value := range values {
			if err := f.metric("release_forwarder_"+metric+`"`+value+`"}`, 0); err != nil {
				t.Error(err)
			}
		}
	}
	for name, value := range map[string]float64{
		"records_accepted_total": 0, "rebalances_total": 1, "metadata_ignored_total": 0, "dead_letters_blocked": 0, "circuit_open": 0, "in_flight": 0,
		"in_flight_limit": 64, "oldest_unfinished_seconds": 0, "pending_records": 0,
	} {
		eventually(t, name, func() error { return f.metric("release_forwarder_"+name, value) })
	}
	held := w.release(0)
	w.platform.script(func(r *platform.Request) *platform.Reply {
		if r.Flow() == held.flow {
			return &platform.Reply{Body: body("500")}
		}
		return nil
	})
	bad := w.raw(0, nil)
	events := append([]*event{held, bad}, w.releases(20, 1)...)
	w.produce(events...)
	w.acceptedAll(events[2:]...)
	labels := fmt.Sprintf(`partition="0",topic="%s"`, w.topic)
	for sample, value := range map[string]float64{
		"records_accepted_total": 20, `dead_letters_total{reason="empty",stage="mapping"}`: 1, "lag_records{" + labels + "}": 22, "pending_records": 1,
		"records_dropped_by_kafka_total{" + labels + "}": 0, "delivery_seconds_count": 20,
	} {
		eventually(t, sample, func() error { return f.metric("release_forwarder_"+sample, value) })
	}
	_, page, err := f.get("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"held_records", "commits_total", "reading_paused", "reload_failures_total", "build_info", "delivery_seconds_bucket"} {
		if !strings.Contains(page, "\nrelease_forwarder_"+name) {
			t.Errorf("%s is not on the page", name)
		}
	}
	w.platform.script(nil)
	w.drained()
	w.checkDeadLetter(t, bad, map[string]string{"reason": "empty"})
	eventually(t, "the lag is 0", func() error { return f.metric("release_forwarder_lag_records{"+labels+"}", 0) })
}

// discreet lets everything fail that can, and relies on the look that every
// scenario takes at what a process printed and served.
func discreet(t *testing.T) {
	w := newWorld(t, plan{settings: map[string]string{
		"LOG_LEVEL": "debug", "UPSTREAM_TIMEOUT": "500ms", "RETRY_BUDGET": "3", "KAFKA_CLIENT_ID": "acceptance",
	}})
	cases := verdictCases()
	w.platform.script(func(r *platform.Request) *platform.Reply {
		if r.Attempt > 2 || r.Seq%2 == 0 {
			return nil
		}
		return &cases[r.Seq/2%len(cases)].reply
	})
	f := w.start().ready()
	for range 3 {
		w.produce(w.releases(60, 1)...)
		for _, c := range permanentCases(w) {
			w.produce(w.raw(0, c.value))
		}
		f.inspect()
	}
	w.caughtUp()
	w.platform.SetSecret("another") // its 401 echoes the whole request
	w.produce(w.releases(5, 1)...)
	eventually(t, "requests are refused", func() error {
		if w.platform.Stats().Refused["401"] < 3 {
			return errNone
		}
		return nil
	})
	f.inspect()
	w.platform.SetSecret(plantedSecret)
	w.caughtUp()
	f.stop()
	if f.out.String() == "" {
		t.Error("nothing was printed: this looked at nothing")
	}
	for line := range strings.Lines(f.out.String()) {
		if !strings.HasPrefix(line, "{") {
			t.Errorf("a line that is no JSON object: %.200s", line)
			break
		}
	}
}

func commands(t *testing.T) {
	w := newWorld(t, plan{})
	for _, command := range []string{"version", "config"} {
		settings := map[string]string{"ADMIN_ADDR": "none"}
		for name, value := range w.settings {
			settings[name] = value
		}
		f := launch(t, settings, command)
		if code := f.exit(); code != 0 || f.out.String() == "" {
			t.Errorf("%s: exit code %d, %q", command, code, f.out.String())
		}
		if command == "config" && !strings.Contains(f.out.String(), "UPSTREAM_APP_SECRET") {
			t.Error("config does not name every setting")
		}
	}
}

// bare runs the binary without a setting. Its help may hold what nothing that is
// printed of a record may, so nobody looks for that here.
func bare(t *testing.T, args ...string) (text string, code int) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env, cmd.Dir = []string{}, t.TempDir()
	out, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// helps asks every command for help, without a setting, and gives it a flag that
// there is not; those that need settings name them.
func helps(t *testing.T) {
	for command, needs := range map[string]bool{
		"run": true, "check": false, "config": true, "version": false, "offsets": true, "doctor": true, "dlq list": true, "dlq show ID": true,
		"dlq replay": true, "dlq close --why=x ID": true, "dlq export": true, "dlq stats": true,
	} {
		args := strings.Fields(command)
		words, _, _ := strings.Cut(strings.TrimSuffix(command, " ID"), " --")
		if text, code := bare(t, append(slices.Clone(args), "--help")...); code != 0 || !strings.Contains(text, "Usage: release-forwarder "+words) || !strings.Contains(text, "Example") {
			t.Errorf("%s --help: exit code %d:\n%s", command, code, text)
		}
		if text, code := bare(t, append(slices.Clone(args), "--no-such-flag")...); code != 1 || !strings.Contains(text, "--no-such-flag") {
			t.Errorf("%s with a flag that there is not: exit code %d:\n%s", command, code, text)
		}
		if !needs {
			continue
		}
		if text, code := bare(t, args...); code != 2 || !strings.Contains(text, "KAFKA_BROKERS: is required") {
			t.Errorf("%s without settings: exit code %d:\n%s", command, code, text)
		}
	}
}
