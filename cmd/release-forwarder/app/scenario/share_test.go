package scenario

import (
	"slices"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// Who reads "all is well" goes back to bed: it is not said while more than a tenth of the last hour's events were
// dead-lettered, also by a replica that does well with the others.
func TestManyDeadLettersAreNotAllWell(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r := w.Start("EVENT_TIMEZONE", "Asia/Shanghai")
		good := 0
		produce := func(bad int, more int) {
			var values []string
			for range more {
				values = append(values, apptest.Event(good, 0))
				good++
			}
			w.Produce(0, slices.Concat(slices.Repeat([]string{"no event"}, bad), values)...)
		}
		for _, step := range []struct {
			name      string
			bad, good int
			wait      time.Duration
			want      admin.Kind
			says      string
		}{
			{"one of nine", 1, 8, 0, admin.ManyDeadLetters, "1 of 9 events of the last hour became dead letters, the first of them at 2000-01-01 08:"},
			{"one of ten", 0, 1, 0, admin.Well, "All is well."},
			{"two of eleven", 1, 0, 0, admin.ManyDeadLetters, "2 of 11 events"},
			{"an hour later", 0, 0, time.Hour, admin.Well, "All is well."},
		} {
			produce(step.bad, step.good)
			time.Sleep(max(step.wait, time.Minute)) // all of them are finished
			if kind := r.ConditionKind(); kind != step.want {
				t.Errorf("%s: the condition is %s, want %s", step.name, kind, step.want)
			}
			if _, status := r.Page("en"); !strings.HasPrefix(status["state"].(string), step.says) {
				t.Errorf("%s: the page says %q", step.name, status["state"])
			}
		}
	})
}
