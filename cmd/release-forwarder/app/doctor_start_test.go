package app_test

import (
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/doctor"
	"release-forwarder/cmd/release-forwarder/settings"
)

// The service logs at its start, once, each warning that the command doctor reports, and runs on.
func TestTheServiceLogsTheDoctorsWarningsAtItsStart(t *testing.T) {
	apptest.InVirtualTime(t, 2, func(w *apptest.World) {
		r := w.Start("KAFKA_REPLAY_TOPIC", "again", "KAFKA_SESSION_TIMEOUT", "30s")
		w.Until("the warnings", func() bool { return strings.Contains(w.Log.String(), `"a check at the start"`) })
		time.Sleep(5 * time.Minute)
		w.End(r)
		s, _, err := settings.Load()
		if err != nil {
			t.Fatal(err)
		}
		var want int
		for _, f := range doctor.Kafka(w.T.Context(), s, w.Net.Dial) {
			if f.Verdict != doctor.Warning && f.Verdict != doctor.Wrong || f.Subject == "again (replay)" {
				continue
			}
			want++
			found := false
			for line := range strings.Lines(w.Log.String()) {
				found = found || strings.Contains(line, `"level":"WARN"`) && strings.Contains(line, `"a check at the start"`) &&
					strings.Contains(line, `"check":"`+f.Check+`"`) && strings.Contains(line, `"subject":"`+f.Subject+`"`) && strings.Contains(line, `"verdict":"`+string(f.Verdict)+`"`)
			}
			if !found {
				t.Errorf("not logged: %+v", f)
			}
		}
		if n := strings.Count(w.Log.String(), `"a check at the start"`); n != want || want == 0 {
			t.Errorf("%d lines for %d warnings", n, want)
		}
		if n := strings.Count(w.Log.String(), `"an optional topic does not exist`); n != 1 {
			t.Errorf("%d lines say that the replay topic is missing, want one warning", n)
		}
		if n := w.Platform.Stats().Received; n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}
