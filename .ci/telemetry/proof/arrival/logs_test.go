package arrival

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"proof/received"
	"release-forwarder/cmd/testkit/platform"
)

// TestLinesAboutARecordCarryItsTrace holds what came by OTLP to what was written to standard error, line by line, and
// each line about a record to the span of its delivery.
func TestLinesAboutARecordCarryItsTrace(t *testing.T) {
	w := open(t, "secret")
	w.Platform.Script(func(r *platform.Request) *platform.Reply {
		if r.Params["flow_no"] != "retried" || r.Attempt > 3 {
			return nil
		}
		return &platform.Reply{Status: http.StatusInternalServerError, Body: platform.Body{Code: platform.CodeError}.String()}
	})
	f := w.start("one", "http/protobuf", nil)
	w.send(event(0, "retried", nil), event(1, "unmapped", map[string]any{"operate_time": "yesterday"}))
	w.settled(f)
	w.stopped(f)

	lines := w.sink.Lines()
	spans := map[string]received.Span{}
	for _, s := range w.sink.Spans() {
		spans[s.ID] = s
	}
	for body, outcome := range map[string]string{
		"delivery failed, tried again": "failed", "accepted after it had been held": "accepted", "dead letter written": "mapping",
	} {
		line := found(t, body, lines, func(l received.Line) bool { return l.Body == body })
		s, there := spans[line.Span]
		if !there || s.Trace != line.Trace || s.Attributes["release_forwarder.outcome"] != outcome {
			t.Errorf("%q has the span %q of the trace %q, which is %+v", body, line.Span, line.Trace, s)
		}
		if line.Attributes["event"] == nil {
			t.Errorf("%q has no event: %v", body, line.Attributes)
		}
	}
	written, err := f.Written()
	must(t, err)
	here := map[string]int{}
	for text := range strings.Lines(written) {
		var line struct{ Level, Msg, Event string }
		must(t, json.Unmarshal([]byte(text), &line))
		here[line.Level+" "+line.Msg]++
	}
	there := map[string]int{}
	for _, line := range lines {
		there[line.Severity+" "+line.Body]++
	}
	for line, n := range here {
		if there[line] != n {
			t.Errorf("%q was written %d times and came %d times", line, n, there[line])
		}
	}
	if len(here) != len(there) {
		t.Errorf("written: %v\ncame: %v", here, there)
	}
}
