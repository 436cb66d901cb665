package deadletters

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/dlq/ledger"
	"release-forwarder/dlq/replay"
)

// defaults are the flags' that are not zero.
var (
	listed  = ListCommand{retentionFlags: retentionFlags{RetentionShare: 0.8}}
	counted = StatsCommand{retentionFlags: retentionFlags{RetentionShare: 0.8}}
)

// plant makes dead letters: an event that the platform refuses in words that
// repeat it, and a value that is none.
func (w *world) plant() {
	w.T.Helper()
	w.Platform.Script(func(r *platform.Request) *platform.Reply {
		return &platform.Reply{Body: `{"code":"400","message":"bad plate 粤PLANTED1","hint":"plate=粤PLANTED1","seqno":"abc1"}`}
	})
	r := w.Start()
	for i, value := range []string{apptest.PlantedEvent, "plate PLANTED"} {
		record := &kgo.Record{Topic: apptest.EventTopic, Key: []byte("PLANTED-key"), Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "lane", Value: []byte("PLANTED")}, {Key: "none"}}}
		if err := w.Kafka.ProduceSync(context.Background(), record).FirstErr(); err != nil {
			w.T.Fatal(err)
		}
		w.Until("the dead letter", func() bool { return strings.Count(w.Log.String(), "dead letter written") == i+1 })
	}
	w.End(r)
}

// What dlq shows of plate, operator and free text is the first character and the
// length; of key, headers and a value that cannot be parsed, the length.
func TestDeadLettersAreShownRedactedUnlessRevealed(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.plant()
		showJSON, export, listJSON, statsJSON := ShowCommand{ID: "0/0", JSON: true}, ExportCommand{}, listed, counted
		listJSON.JSON, statsJSON.JSON = true, true
		mended := ReplayCommand{Set: []string{"plate=京PLANTED2"}, DryRun: true, MaxRedrives: -1}
		for name, c := range map[string]apptest.Command{
			"list": &listed, "list --json": &listJSON, "show": &ShowCommand{ID: "0/0"}, "show --json": &showJSON, "show of no event": &ShowCommand{ID: "0/1"},
			"export": &export, "stats": &counted, "stats --json": &statsJSON, "replay --set --dry-run": &mended,
		} {
			out, beside, err := w.Command(c)
			if err != nil || out == "" {
				t.Errorf("%s: %v %q", name, err, out)
			}
			if strings.Contains(out+beside, "PLANTED") {
				t.Errorf("%s shows too much: %s%s", name, out, beside)
			}
		}
		out, _, _ := w.Command(&ShowCommand{ID: "0/0"})
		for _, want := range []string{
			"state           open\n", "reason          refused\n", "plate           粤… (9)\n", "operator        张… (8)\n", "key             11 bytes\n", "header          lane, 7 bytes\n",
			"header          none, null\n", "and 2 members that the API does not know", "message         b… (19)\n", "seqno           abc1\n", "plate_color     1\n",
			"string to sign  car_desc=临… (8)&flow_no=F1&", "&app_secret=***\n", "a replay        sends it to events, partition 0, as replay 1 of the event that began as events/0/0\n",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("show lacks %q: %s", want, out)
			}
		}
		if strings.Contains(out, apptest.Secret) {
			t.Error("show shows the secret")
		}
		out, _, _ = w.Command(&ShowCommand{ID: "0/1"})
		for _, want := range []string{"reason          invalid-json\n", "value           13 bytes, not one JSON object\n", "maps now        no: invalid-json"} {
			if !strings.Contains(out, want) {
				t.Errorf("show lacks %q: %s", want, out)
			}
		}
		out, _, _ = w.Command(&ShowCommand{ID: "0/0", Reveal: true})
		for _, want := range []string{"粤PLANTED1", "张PLANTED", "PLANTED-key", "plate=粤PLANTED1"} {
			if !strings.Contains(out, want) {
				t.Errorf("show --reveal lacks %q: %s", want, out)
			}
		}
		out, _, _ = w.Command(&ExportCommand{Reveal: true})
		var first shownDeadLetter
		if err := json.Unmarshal([]byte(out[:strings.IndexByte(out, '\n')]), &first); err != nil {
			t.Fatal(err)
		}
		if d := first.Record; d == nil || d.Value == nil || *d.Value != apptest.PlantedEvent || *d.Key != "PLANTED-key" || *d.Headers[0].Value != "PLANTED" || d.Headers[1].Value != nil {
			t.Errorf("export --reveal: %s", out)
		}
	})
}

// dlq list prints the counts by reason before the first dead letter.
func TestAListCountsFirst(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.plant()
		out, beside, err := w.Command(&listed)
		if err != nil || beside != "" {
			t.Errorf("%v %q", err, beside)
		}
		lines := strings.Split(out, "\n")
		if !strings.HasPrefix(lines[0], "2 open in events.dlq of group "+apptest.Group) || !strings.HasPrefix(lines[1], "  invalid-json") || !strings.HasPrefix(lines[4], "ID ") ||
			!strings.HasPrefix(lines[5], "events.dlq/0/0 ") || !strings.HasPrefix(lines[6], "events.dlq/0/1 ") {
			t.Errorf("%s", out)
		}
		if out, _, err := w.Command(&CloseCommand{IDs: []string{"0/0"}, Why: "a test"}); err != nil || out != "1 closed\n" {
			t.Errorf("%q %v", out, err)
		}
		all := listed
		all.All = true
		for c, want := range map[*ListCommand]string{&listed: "0 replayed, 1 closed (shown with --all)", &all: "closed"} {
			if out, _, _ := w.Command(c); !strings.Contains(out, want) || strings.Contains(out, "events.dlq/0/0 ") != c.All {
				t.Errorf("%s", out)
			}
		}
		if out, _, _ := w.Command(&ShowCommand{ID: "0/0"}); !strings.Contains(out, "state           closed\n") || !strings.Contains(out, "a test\n") || !strings.Contains(out, "passes it over, since it is closed; with --again") {
			t.Errorf("%s", out)
		}
	})
}

// Open dead letters near the end of their retention are warned of, and --check
// fails.
func TestRetentionIsWarnedOf(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.plant()
		check := counted
		check.Check = true
		if _, beside, err := w.Command(&check); err != nil || strings.Contains(beside, "warning") {
			t.Errorf("%v %s", err, beside)
		}
		time.Sleep(6 * 24 * time.Hour) // of Kafka's 7 days
		if _, beside, err := w.Command(&check); !errors.Is(err, errRetention) || !strings.Contains(beside, "warning: 2 open dead letters are older than 80% of the 7d0h that events.dlq keeps them") {
			t.Errorf("%v %s", err, beside)
		}
		if _, beside, err := w.Command(&listed); err != nil || !strings.Contains(beside, "2 open dead letters are older") {
			t.Errorf("%v %s", err, beside)
		}
		check.Retention = "30d"
		if _, _, err := w.Command(&check); err != nil {
			t.Errorf("%v", err)
		}
		for _, wrong := range []string{"0", "0d", "x", "-5h"} {
			check.Retention = wrong
			if _, _, err := w.Command(&check); err == nil {
				t.Errorf("--retention %s was taken", wrong)
			}
		}
	})
}

// Times and days are shown in EVENT_TIMEZONE with its offset, and as JSON in UTC.
func TestDeadLettersAreShownWithTimesWhereTheOperatorIs(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.plant()
		commands := func(json bool) []apptest.Command {
			list, stats := listed, counted
			list.JSON, stats.JSON = json, json
			return []apptest.Command{&list, &ShowCommand{ID: "0/0", JSON: json}, &stats}
		}
		shown := func(json bool) (all string) {
			for _, c := range commands(json) {
				out, _, err := w.Command(c)
				if err != nil {
					t.Fatal(err)
				}
				all += out
			}
			return all
		}
		inUTC := shown(true)
		for zone, want := range map[string][]string{
			"Asia/Tokyo":       {"  2000-01-01T09:00:00+09:00  ", "written         2000-01-01T09:00:0", ", from 2000-01-01T09:00:00.", ", written 2000-01-01T09:00:00+09:00 (", "open, by day in Asia/Tokyo", "\n2000-01-01  "},
			"America/New_York": {"  1999-12-31T19:00:00-05:00  ", "dated           1999-12-31T19:00:0", "-05:00 to 1999-12-31T19:00:0", "open, by day in America/New_York", "\n1999-12-31  "},
		} {
			w.T.Setenv("EVENT_TIMEZONE", zone)
			out := shown(false)
			for _, want := range want {
				if !strings.Contains(out, want) {
					t.Errorf("%s: lacks %q:\n%s", zone, want, out)
				}
			}
			if out := shown(true); out != inUTC {
				t.Errorf("%s: as JSON\n%s\nwant\n%s", zone, out, inUTC)
			}
		}
	})
}

// A replay that may not write to the ledger has sent nothing, and does not say that it goes on where it was.
func TestAReplayWithoutItsLedgerSaysThatNothingWasSent(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.plant()
		if _, _, err := w.Command(&CloseCommand{IDs: []string{"0/1"}, Why: "so that there is a ledger"}); err != nil {
			t.Fatal(err)
		}
		w.Cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.Cluster.KeepControl()
			asked := req.(*kmsg.ProduceRequest)
			if asked.Topics[0].Topic != ledger.Topic(apptest.DeadLetterTopic) {
				return nil, nil, false
			}
			refused := asked.ResponseKind().(*kmsg.ProduceResponse)
			refused.Topics = []kmsg.ProduceResponseTopic{{Topic: asked.Topics[0].Topic, Partitions: []kmsg.ProduceResponseTopicPartition{{ErrorCode: kerr.TopicAuthorizationFailed.Code}}}}
			return refused, nil, true
		})
		out, beside, err := w.Command(&ReplayCommand{ID: []string{"0/0"}, MaxRedrives: -1})
		const want = "the replay has not begun, nothing was sent: cannot write to topic events.dlq.ledger: Topic Authorization Failed; grant this user Write on the topic"
		if err == nil || err.Error() != want || !strings.Contains(out, "0 sent to events\n") || !strings.Contains(beside, "replaying 1 dead letter of events.dlq to events") {
			t.Errorf("%v, want %s\n%s%s", err, want, out, beside)
		}
	})
}

// What a replay that failed says of what it has done is true.
func TestAnUnfinishedReplaySaysWhatItHasDone(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		err  error
		sent int
		want string
	}{
		{broken, 0, "the replay has not begun, nothing was sent: broken"},
		{broken, 3, "the replay has not finished: broken; what was sent is entered into the ledger: start it again to go on"},
		{context.Canceled, 0, "the replay has not finished: stopped as asked; what was sent is entered into the ledger: start it again to go on"},
		{replay.ErrUncertain, 0, "the replay has not finished: it is not known whether the last batch arrived; what was sent is entered into the ledger: start it again to go on"},
		{replay.ErrUnentered, 3, "the replay has not finished: were sent but could not be entered into the ledger, and will be sent again by the next replay"},
	} {
		if err := unfinished(c.err, c.sent); err.Error() != c.want {
			t.Errorf("%v, %d sent: %v", c.err, c.sent, err)
		}
	}
}

// A person is asked before a changed event is sent, and only then.
func TestChangedEventsAreAskedFor(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.plant()
		replay := func(set string) *ReplayCommand {
			return &ReplayCommand{ID: []string{"0/0"}, Set: []string{set}, MaxRedrives: -1}
		}
		if _, _, err := w.Command(replay("plate_color=2")); !errors.Is(err, errUnasked) {
			t.Errorf("without a terminal: %v", err)
		}
		if out, beside, err := w.Command(replay("plate_color=2"), "n"); !errors.Is(err, errUnasked) || !strings.Contains(out, "events.dlq/0/0  plate_color: 蓝 -> 2\n") ||
			!strings.Contains(beside, "send 1 event to events, 1 of them changed? [y/N] ") {
			t.Errorf("after a no: %v %s %s", err, out, beside)
		}
		if out, _, err := w.Command(replay("plate_color=2"), "yes"); err != nil || !strings.Contains(out, "1 sent to events") {
			t.Errorf("after a yes: %v %s", err, out)
		}
		unchanged := replay("plate_color=蓝")
		unchanged.Again = true
		if out, _, err := w.Command(unchanged); err != nil || !strings.Contains(out, "1 sent to events") {
			t.Errorf("with what stands there already: %v %s", err, out)
		}
		for _, wrong := range []string{"plate", "sign=x", "=x", "app_id=1"} {
			if _, _, err := w.Command(replay(wrong), "y"); err == nil || !strings.Contains(err.Error(), "is not field=value") {
				t.Errorf("--set %s: %v", wrong, err)
			}
		}
		if _, _, err := w.Command(replay("plate=粤B\u200b12345"), "y"); err == nil || !strings.Contains(err.Error(), "--set: the value of plate holds U+200B at byte 4") || strings.Contains(err.Error(), "12345") {
			t.Errorf("with what nobody sees: %v", err)
		}
	})
}

// A time is taken as people give it: RFC 3339, a date, or how long ago.
func TestTimesAsPeopleGiveThem(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for text, want := range map[string]string{
		"24h": "2026-03-03T05:06:07Z", "7d": "2026-02-25T05:06:07Z", "2026-01-02": "2026-01-02T00:00:00Z", "2026-01-02T03:04:05+08:00": "2026-01-01T19:04:05Z",
		"": "0001-01-01T00:00:00Z", "yesterday": "", "-1h": "", "2026-13-01": "",
	} {
		got, err := console.Moment("--since", text, now)
		if (err != nil) != (want == "") || err == nil && got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %s %v, want %s", text, got, err, want)
		}
	}
	for partition, right := range map[string]bool{"3": true, "0-5": true, "5-0": false, "-1": false, "x": false, "1-": false} {
		if _, err := (&filterFlags{Partition: partition}).filter(); (err == nil) != right {
			t.Errorf("--partition %s: %v", partition, err)
		}
	}
}

// Whoever stops a replay at its question has sent nothing.
func TestTheQuestionBeforeAReplayEndsWithAStop(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	from, _ := io.Pipe() // nothing comes
	j := replayJob{Session: &session.Session{Screen: console.Screen{In: console.Stopper{Context: ctx}.Input(from), Err: io.Discard, Asked: true}}}
	if err := j.ask(); !errors.Is(err, errUnasked) {
		t.Errorf("ended with %v", err)
	}
}
