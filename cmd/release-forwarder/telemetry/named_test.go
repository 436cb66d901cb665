package telemetry

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"release-forwarder/consumer/logevent"
)

// Events as other packages have them.
var (
	joined      = &logevent.Event{Name: "joined", Level: slog.LevelInfo, State: true, Message: "joined the group"}
	fetchFailed = &logevent.Event{Name: "fetch-failed", Level: slog.LevelWarn, Message: "fetch failed; tried again"}
	lotRefused  = &logevent.Event{Name: "lot-refused", Level: slog.LevelError, State: true, Message: "lot refused",
		Remedy: "before LOT_HOLD_MAX is over", Runbook: "refusals"}
)

func TestALineHasItsNameAndRemedy(t *testing.T) {
	tel, out := start(t, nil)
	lotRefused.Log(tel.Logger.With("topic", "releases"), slog.String("lot", "lot-7"))
	tel.Logger.Info("something that has no name")
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	want := `"level":"ERROR","msg":"lot refused","topic":"releases","lot":"lot-7",` +
		`"event":"lot-refused","remedy":"before LOT_HOLD_MAX is over","runbook":"refusals"}`
	if !bytes.HasSuffix(lines[0], []byte(want)) {
		t.Errorf("%s, want … %s", lines[0], want)
	}
	var second map[string]any
	if err := json.Unmarshal(lines[1], &second); err != nil {
		t.Fatal(err)
	}
	if _, there := second["event"]; there {
		t.Errorf("%s", lines[1])
	}
}

func TestALineThatKnowsItsRemedyKeepsItAlone(t *testing.T) {
	tel, out := start(t, nil)
	lotRefused.Log(tel.Logger, slog.String("error", "26"), slog.String("remedy", "set KAFKA_SESSION_TIMEOUT"))
	if got := out.String(); strings.Count(got, `"remedy":`) != 1 || !strings.Contains(got, `"remedy":"set KAFKA_SESSION_TIMEOUT"`) || !strings.Contains(got, `"runbook":"refusals"`) {
		t.Error(got)
	}
}

func TestAChangeOfStateIsNeverSuppressed(t *testing.T) {
	tel, out := start(t, nil)
	for range 3 * LimitFirst {
		joined.Log(tel.Logger)
		fetchFailed.Log(tel.Logger)
	}
	if n := strings.Count(out.String(), `"event":"joined"`); n != 3*LimitFirst {
		t.Errorf("%d lines of a change of state", n)
	}
	if n := strings.Count(out.String(), `"event":"fetch-failed"`); n != LimitFirst {
		t.Errorf("%d lines of a repeat", n)
	}
}

// What was left out stands before the event, as the other fields do.
func TestTheNameComesBehindWhatWasLeftOut(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(NewLimiter(named{slog.NewTextHandler(&out, nil)}, 1, 0))
	limiter := logger.Handler().(*Limiter)
	limiter.shared.events[fetchFailed.Message] = &window{passed: 1, suppressed: 7}
	fetchFailed.Log(logger, slog.Int("broker", 3))
	if want := "broker=3 suppressed=7 event=fetch-failed\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("%s, want … %s", out.String(), want)
	}
}
