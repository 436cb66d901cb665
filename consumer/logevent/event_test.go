package logevent_test

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"release-forwarder/consumer/logevent"
)

var events logevent.List

var (
	eventJoined = events.Add(logevent.Event{Name: "joined", Level: slog.LevelInfo, State: true, Message: "joined the group"})
	eventFailed = events.Add(logevent.Event{Name: "join-failed", Level: slog.LevelWarn, Message: "joining failed; tried again"})
)

// A plain handler prints an event as its name.
func Example() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	eventJoined.Log(log, slog.String("group", "gate-north"))
	eventFailed.LogContext(context.Background(), log, slog.Int("code", 27))
	eventFailed.At(slog.LevelInfo).Log(log)
	for _, e := range events {
		_ = log.Handler().Handle(context.Background(), e.Record(slog.Bool("record", true)))
	}
	// Output:
	// level=INFO msg="joined the group" group=gate-north event=joined
	// level=WARN msg="joining failed; tried again" code=27 event=join-failed
	// level=INFO msg="joining failed; tried again" event=join-failed
	// level=INFO msg="joined the group" record=true event=joined
	// level=WARN msg="joining failed; tried again" record=true event=join-failed
}

// A logger's fields belong to its caller: a line writes nothing behind them.
func TestALineKeepsItsCallersFields(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	attrs := append(make([]slog.Attr, 0, 8), slog.Int("n", 1))
	eventJoined.Log(log, attrs...)
	if !attrs[:2][1].Equal(slog.Attr{}) {
		t.Error("a field was written behind those of the caller")
	}
}

func TestARecordKnowsItsEvent(t *testing.T) {
	if r := eventJoined.Record(slog.Int("n", 1)); logevent.Of(r) != eventJoined {
		t.Error("the event is not found")
	}
	r := eventJoined.Record()
	r = slog.NewRecord(r.Time, r.Level, r.Message, 0)
	r.AddAttrs(slog.String(logevent.Key, "joined"))
	if e := logevent.Of(r); e != nil {
		t.Errorf("%v is taken for an event although only its name is there", e)
	}
}
