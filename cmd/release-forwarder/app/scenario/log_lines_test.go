package scenario

import (
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// Log lines are few, in healthy traffic and with ten thousand failing records, and show no plate.
func TestLogLinesAreFew(t *testing.T) {
	t.Run("an hour of healthy traffic", func(t *testing.T) {
		inVirtualTime(t, 4, func(w *world) {
			r := w.Start()
			for i := range 3600 {
				w.Produce(int32(i%4), apptest.Event(i, 0))
				time.Sleep(time.Second)
			}
			if n := w.Log.Lines(); n >= 100 {
				t.Errorf("%d log lines", n)
			}
			w.End(r)
		})
	})
	t.Run("10,000 failing records", func(t *testing.T) {
		inVirtualTime(t, 4, func(w *world) {
			r := w.Start("DLQ_STORM_LIMIT", "0")
			for i := range 10000 {
				switch i % 2 {
				case 0:
					w.Produce(int32(i%4), `{"park_uuid":"粤B12345"}`)
				default:
					w.Produce(int32(i%4), strings.Replace(apptest.Event(i, 0), `"plate":"`, `"plate":"`+strings.Repeat("粤", 1100), 1))
				}
			}
			w.Until("the dead letters", w.AllCommitted(4, 2500), 10*time.Minute)
			w.End(r)
			if n := w.Log.Lines(); n >= 1000 {
				t.Errorf("%d log lines", n)
			}
			if strings.Contains(w.Log.String(), "粤") {
				t.Error("a plate stands in the log")
			}
		})
	})
	t.Run("10,000 records that the platform fails", func(t *testing.T) {
		inVirtualTime(t, 4, func(w *world) {
			w.FailFlows(func(string) bool { return true })
			w.Backlog(4, 2500)
			r := w.Start()
			time.Sleep(10 * time.Minute)
			w.FailFlows(func(string) bool { return false })
			w.Until("the backlog", w.AllCommitted(4, 2500), time.Minute)
			w.End(r)
			if n := w.Log.Lines(); n >= 1000 {
				t.Errorf("%d log lines", n)
			}
			if s := w.Log.String(); strings.Contains(s, "粤") || strings.Contains(s, apptest.Secret) {
				t.Error("a plate or the secret stands in the log")
			}
		})
	})
}
