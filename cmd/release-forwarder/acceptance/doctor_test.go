package acceptance

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// doctor runs the command in the world, with settings that differ from the
// world's, and returns what it printed and its exit code.
func (w *world) doctor(settings map[string]string, args ...string) (text string, code int) {
	w.t.Helper()
	all := maps.Clone(w.settings)
	maps.Copy(all, settings)
	f := launch(w.t, all, append([]string{"doctor"}, args...)...)
	code = f.exit()
	return f.out.String(), code
}

// hasLine reports whether a line has all these parts.
func hasLine(text string, parts ...string) bool {
	for line := range strings.Lines(text) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return true
		}
	}
	return false
}

// examined looks at a world that is well, and then at what is wrong with it, one
// thing after the other.
func examined(t *testing.T) {
	room := map[string]string{"max.message.bytes": "2000000"}
	w := newWorld(t, plan{dlqConfig: room})
	w.createTopic(w.dlq+".compacted", 1, map[string]string{"cleanup.policy": "compact", "max.message.bytes": "2000000"})
	for _, c := range []struct {
		name     string
		settings map[string]string
		args     []string
		code     int
		line     []string // parts of one line
		requests int      // at the platform
	}{
		{"all is well", nil, nil, 0, []string{"ok", "cleanup.policy", "delete"}, 0},
		{"the platform is asked", nil, []string{"--platform"}, 0, []string{"ok", "signature", "accepted: code 400"}, 1},
		{"a wrong secret", map[string]string{"UPSTREAM_APP_SECRET": planted + "-wrong"}, []string{"--platform"}, 1, []string{"wrong", "signature", "code 401"}, 1},
		{"a platform that is away", map[string]string{"UPSTREAM_URL": "http://" + freeAddress(t) + "/?" + plantedQuery}, []string{"--platform"}, 1, []string{"wrong", "reachable", "refused"}, 0},
		{"no such topic", map[string]string{"KAFKA_TOPIC": w.topic + ".none", "DLQ_TOPIC": w.dlq}, nil, 1, []string{"wrong", "exists", "no such topic"}, 0},
		{"no dead-letter topic", map[string]string{"DLQ_TOPIC": w.dlq + ".none"}, nil, 1, []string{"wrong", "exists", "no such topic"}, 0},
		{"compacted dead letters", map[string]string{"DLQ_TOPIC": w.dlq + ".compacted"}, nil, 1, []string{"wrong", "cleanup.policy", "compact"}, 0},
		{"no broker", map[string]string{"KAFKA_BROKERS": freeAddress(t)}, nil, 1, []string{"wrong", "reachable", "refused"}, 0},
		{"no group", map[string]string{"KAFKA_GROUP_ID": ""}, nil, 2, []string{"KAFKA_GROUP_ID", "is required"}, 0},
	} {
		before := w.platform.Stats()
		text, code := w.doctor(c.settings, c.args...)
		if code != c.code || !hasLine(text, c.line...) {
			t.Errorf("%s: exit code %d, want %d and a line with %q:\n%s", c.name, code, c.code, c.line, text)
		}
		after := w.platform.Stats()
		if n := after.Received - before.Received; n != c.requests || after.Accepted != before.Accepted {
			t.Errorf("%s: %d requests, want %d and none accepted", c.name, n, c.requests)
		}
	}
	text, _ := w.doctor(nil, "--json")
	report := struct {
		Verdict  string
		Findings []struct{ Area, Subject, Check, Verdict string }
	}{}
	if err := json.Unmarshal([]byte(text), &report); err != nil || report.Verdict == "wrong" || len(report.Findings) < 10 {
		t.Errorf("%v, verdict %q, %d findings:\n%s", err, report.Verdict, len(report.Findings), text)
	}
	// What waits is counted and its age told; of its contents nothing is.
	w.produce(w.releases(5, 1)...)
	if text, code := w.doctor(nil); code != 0 || !hasLine(text, "ok", "commits of "+w.topic, "none yet", "5 are there") || !hasLine(text, "ok", "age of "+w.topic, "was written") {
		t.Errorf("events that wait: exit code %d:\n%s", code, text)
	}
	// A look at the group is no part of it.
	w.start().ready()
	w.drained()
	if text, code := w.doctor(nil); code != 0 || !hasLine(text, "ok", "members", "1: ") || !hasLine(text, "commits of "+w.topic, "lag 0") {
		t.Errorf("a group that runs: exit code %d:\n%s", code, text)
	}
}
