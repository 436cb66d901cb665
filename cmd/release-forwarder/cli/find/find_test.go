package find

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli"
	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/testkit/platform"
)

// find runs the command and gives what it prints.
func (w *world) find(c Command, input string) (out, said string, err error) {
	w.T.Helper()
	w.T.Setenv("KAFKA_BROKERS", strings.Join(w.Cluster.ListenAddrs(), ","))
	if c.Since == "" {
		c.Since = "24h"
	}
	if c.Limit == 0 {
		c.Limit = 1000
	}
	var stdout, stderr bytes.Buffer
	err = c.Do(context.Background(), console.Screen{In: strings.NewReader(input), Out: &stdout, Err: &stderr}, w.Net.Dial)
	return stdout.String(), stderr.String(), err
}

// outcomes runs the command and gives what became of each match.
func (w *world) outcomes(c Command, input string) map[string]string {
	w.T.Helper()
	c.JSON = true
	out, said, err := w.find(c, input)
	if err != nil {
		w.T.Fatalf("%v\n%s", err, said)
	}
	return w.FoundOutcomes(out)
}

// troubled leaves a partition with every outcome: 0 held, 1 accepted, 2 a dead
// letter, 3 behind 0, 4 accepted, 5 a dead letter that is no JSON.
func (w *world) troubled() *apptest.Replica {
	w.T.Helper()
	w.FailOrderKey("S-1")
	r := w.Start()
	w.Until("the group", func() bool { return w.Committed(0) == 0 })
	w.Produce(0, apptest.Event(1, 0), apptest.Event(2, 0), strings.Replace(apptest.Event(2, 1), `"flow_no"`, `"flow"`, 1), apptest.Event(1, 1), apptest.Event(3, 0), `{"plate":"粤B00003",,`)
	w.Until("the ends", func() bool { return w.Platform.Stats().Accepted == 2 && len(w.DeadLetters()) == 2 })
	w.Until("the commit", func() bool {
		p, _, err := w.Command(&cli.OffsetsCommand{Timeout: time.Minute})
		return err == nil && strings.Contains(p, " 4     2 ")
	})
	return r
}

// find says of each event whether it is done, dead-lettered or waiting.
func TestFindTellsWhatBecameOfAnEvent(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.troubled()
		cases := []struct {
			name  string
			c     Command
			input string
			want  map[string]string
		}{
			{"by plate, however it is written", Command{Plate: "-"}, "粤ｂ·00001 \n", map[string]string{"events/0/0": "waiting", "events/0/3": "waiting"}},
			{"a plate in bytes that are no JSON", Command{Plate: "-"}, "粤B00003", map[string]string{"events/0/4": "done", "events/0/5": "dead-lettered invalid-json open"}},
			{"a plate saved on Windows", Command{Plate: "-"}, "\ufeff粤B00001\r\n", map[string]string{"events/0/0": "waiting", "events/0/3": "waiting"}},
			{"several plates", Command{Plate: "-"}, "粤B00003\n\n粤B00002\n", map[string]string{
				"events/0/1": "done", "events/0/2": "dead-lettered missing-field open", "events/0/4": "done", "events/0/5": "dead-lettered invalid-json open"}},
			{"by flow", Command{Flow: []string{" F-2-0", "F-9-9"}}, "", map[string]string{"events/0/1": "done"}},
			{"by serial", Command{Serial: []string{"S-2"}}, "", map[string]string{"events/0/1": "done", "events/0/2": "dead-lettered missing-field open"}},
			{"all must fit", Command{Lot: []string{"lot-2"}, Flow: []string{"F-2-0"}}, "", map[string]string{"events/0/1": "done"}},
			{"nothing", Command{Lot: []string{"lot-none"}}, "", map[string]string{}},
		}
		for _, running := range []bool{true, false} {
			for _, c := range cases {
				if got := w.outcomes(c.c, c.input); fmt.Sprint(got) != fmt.Sprint(c.want) {
					t.Errorf("running %v, %s: %v, want %v", running, c.name, got, c.want)
				}
			}
			if running {
				w.End(r)
			}
		}
	})
}

// find shows plates and names as first character and length, unless --reveal is given.
func TestFindRedactsUnlessToldOtherwise(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.End(w.troubled())
		for _, asJSON := range []bool{false, true} {
			c := Command{Lot: []string{"lot-1", "lot-2", "lot-3"}, JSON: asJSON}
			out, said, err := w.find(c, "")
			if err != nil || strings.Contains(out+said, "粤B") || !strings.Contains(out, "粤… (7)") || !strings.Contains(out, "F-1-1") {
				t.Errorf("redacted: %v\n%s%s", err, out, said)
			}
			c.Reveal = true
			out, _, err = w.find(c, "")
			if err != nil || strings.Count(out, "粤B0000") != 5 {
				t.Errorf("revealed: %v\n%s", err, out)
			}
		}
		out, _, err := w.find(Command{Plate: "-"}, "粤B00003")
		if err != nil || !strings.Contains(out, "(not one JSON object, 22 bytes)") || !strings.Contains(out, "2 matches: 1 done, 1 dead-lettered, 0 waiting; 8 records read") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// A plate on the command line is refused: it would get into a shell's history.
func TestFindTakesNoPlateFromTheCommandLine(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		for _, c := range []struct {
			c     Command
			input string
			want  string
		}{
			{Command{Plate: "粤B12345"}, "", "standard input"},
			{Command{Plate: "-"}, " \n", "no plate"},
			{Command{Plate: "-"}, strings.Repeat("x", 1<<20), "too long"},
			{Command{Plate: "-"}, strings.Repeat("x\n", mostPlates+1), "more than"},
			{Command{Plate: "-"}, "粤B00001\n粤B\u200b12345\n", "line 2 of standard input holds U+200B at byte 4"},
			{Command{Plate: "-"}, "粤B\x0012345", "line 1 of standard input holds U+0000 at byte 4"},
			{Command{Plate: "-"}, "\xff\xfeB\x001\x002\x003\x004\x005\x00\r\x00\n\x00", "line 1 of standard input is UTF-16; save it as UTF-8"},
			{Command{Plate: "-"}, "\xd4\xc1B12345\n", "line 1 of standard input is not UTF-8"}, // GBK
			{Command{}, "", "say what to find"},
			{Command{Flow: []string{" "}}, "", "say what to find"},
			{Command{Flow: []string{"f"}, Since: "1h", Until: "2h"}, "", "--since must lie before --until"},
			{Command{Flow: []string{"f"}, Until: "tomorrow"}, "", "--until"},
		} {
			out, said, err := w.find(c.c, c.input)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(out+said+err.Error(), "12345") {
				t.Errorf("%v, want %q\n%s%s", err, c.want, out, said)
			}
		}
	})
}

// A time range is by the records' own timestamps, in whatever order they lie.
func TestFindKeepsToTheTimeRange(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		now := time.Now()
		for _, hours := range []int{30, 3, 50, 1, 20} {
			r := &kgo.Record{Topic: apptest.EventTopic, Timestamp: now.Add(-time.Duration(hours) * time.Hour), Value: []byte(apptest.Event(1, hours))}
			if err := w.Kafka.ProduceSync(context.Background(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct{ since, until, want string }{
			{"24h", "", "[events/0/1 events/0/3 events/0/4]"},
			{"24h", "2h", "[events/0/1 events/0/4]"},
			{"72h", "24h", "[events/0/0 events/0/2]"},
			{"72h", "", "[events/0/0 events/0/1 events/0/2 events/0/3 events/0/4]"},
			{"30m", "", "[]"},
			{"20000d", "29h", "[events/0/0 events/0/2]"},
		} {
			found := w.outcomes(Command{Serial: []string{"S-1"}, Since: c.since, Until: c.until}, "")
			var at []string
			for place := range found {
				at = append(at, place)
			}
			slices.Sort(at)
			if fmt.Sprint(at) != c.want {
				t.Errorf("since %s until %q: %v, want %s", c.since, c.until, at, c.want)
			}
		}
		out, _, err := w.find(Command{Serial: []string{"S-1"}, Since: "72h", Limit: 2}, "")
		if err != nil || !strings.Contains(out, "2 matches") || !strings.Contains(out, "only the first 2") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// Times are shown in EVENT_TIMEZONE with its offset, and as JSON in UTC.
func TestFindShowsTimesWhereTheOperatorIs(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.End(w.troubled())
		if err := w.Cluster.DeleteRecords(apptest.EventTopic, 0, 1); err != nil {
			t.Fatal(err)
		}
		utc := regexp.MustCompile(`"(dated|reaches_back)":"2000-01-01T00:00:00\.\d{3}Z"`)
		for zone, want := range map[string]string{"": `2000-01-01T08:00:00\.\d{3}\+08:00`, "UTC": `2000-01-01T00:00:00\.\d{3}Z`, "America/New_York": `1999-12-31T19:00:00\.\d{3}-05:00`} {
			w.T.Setenv("EVENT_TIMEZONE", zone)
			out, _, err := w.find(Command{Lot: []string{"lot-2"}}, "")
			if err != nil || !regexp.MustCompile("\nevents/0/2         "+want+" ").MatchString(out) || !regexp.MustCompile("reaches back to "+want+",").MatchString(out) {
				t.Errorf("%s: %v\n%s", zone, err, out)
			}
			out, _, err = w.find(Command{Lot: []string{"lot-2"}, JSON: true}, "")
			if err != nil || len(utc.FindAllString(out, -1)) != 3 {
				t.Errorf("%s: %v\n%s", zone, err, out)
			}
		}
	})
}

// find says since when each topic still holds records.
func TestFindSaysSinceWhenTheTopicsReachBack(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		w.End(w.troubled())
		out, said, err := w.find(Command{Lot: []string{"lot-2"}}, "")
		if err != nil || said != "" || !strings.Contains(out, "events       events: whole") || !strings.Contains(out, "dead letters events.dlq: whole") {
			t.Fatalf("%v %s\n%s", err, said, out)
		}
		// Retention takes the event; its dead letter is still there.
		if err := w.Cluster.DeleteRecords(apptest.EventTopic, 0, 3); err != nil {
			t.Fatal(err)
		}
		out, said, err = w.find(Command{Lot: []string{"lot-2"}}, "")
		if err != nil || !strings.Contains(out, "reaches back to 2000-01-01T") || !strings.Contains(said, "events does not reach back") ||
			!strings.Contains(out, "only the dead letter was found") || !strings.Contains(out, "1 match: 0 done, 1 dead-lettered") {
			t.Errorf("%v %s\n%s", err, said, out)
		}
		// And now the dead letters: what is done may have been a dead letter.
		for partition := range int32(2) {
			if err := w.Cluster.DeleteRecords(apptest.DeadLetterTopic, partition, -1); err != nil {
				t.Fatal(err)
			}
		}
		out, _, err = w.find(Command{Lot: []string{"lot-3"}}, "")
		if err != nil || !strings.Contains(out, "dead letters events.dlq: how far") || !strings.Contains(out, "unless its dead letter was deleted") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// What find cannot read is named, and the exit code is 1.
func TestFindSaysWhatItCannotRead(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.End(w.troubled())
		t.Run("a partition's commit", func(t *testing.T) {
			fault := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.GroupAuthorizationFailed, Count: -1})
			defer fault.Remove()
			_, _, err := w.find(Command{Lot: []string{"lot-1"}}, "")
			if err == nil || !strings.Contains(err.Error(), "grant this user Describe on the group") {
				t.Errorf("%v", err)
			}
		})
		t.Run("a topic", func(t *testing.T) {
			t.Setenv("KAFKA_TOPIC", "evnets")
			_, _, err := w.find(Command{Lot: []string{"lot-1"}}, "")
			if err == nil || !strings.Contains(err.Error(), "check KAFKA_TOPIC") {
				t.Errorf("%v", err)
			}
		})
		t.Run("a replay topic that is not there yet, and no dead letters' topic", func(t *testing.T) {
			t.Setenv("KAFKA_REPLAY_TOPIC", "replays")
			t.Setenv("DLQ_TOPIC", "letters")
			out, _, err := w.find(Command{Lot: []string{"lot-1"}}, "")
			if err != nil || !strings.Contains(out, "replays      replays: does not exist") || !strings.Contains(out, "dead letters letters: does not exist") || !strings.Contains(out, "2 waiting") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	})
}

// A replayed event is found where it lies now, with the place where it began.
func TestFindLooksAtReplays(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.End(w.troubled())
		w.T.Setenv("KAFKA_REPLAY_TOPIC", "replays")
		if _, err := kadm.NewClient(w.Kafka).CreateTopic(context.Background(), 1, 1, nil, "replays"); err != nil {
			t.Fatal(err)
		}
		r := &kgo.Record{Topic: "replays", Value: []byte(apptest.Event(2, 1)), Headers: []kgo.RecordHeader{{Key: "__forwarder.errors.origin", Value: []byte("events/0/2")}}}
		if err := w.Kafka.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		out, _, err := w.find(Command{Serial: []string{"S-2"}}, "")
		if err != nil || !strings.Contains(out, "replay of events/0/2") || !strings.Contains(out, "1 done, 1 dead-lettered, 1 waiting") ||
			!strings.Contains(out, "the group has no commit for this partition") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// An invisible character in what is looked for is named.
func TestFindSaysWhatNobodySeesInWhatIsLookedFor(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.End(w.troubled())
		_, said, err := w.find(Command{Flow: []string{"F-2-0\u200b"}}, "")
		if err != nil || !strings.Contains(said, "the flow_no to find holds U+200B at byte 5") {
			t.Errorf("%v\n%s", err, said)
		}
	})
}

// Case, spaces, dots and full-width letters of a plate make no difference.
func TestPlatesAreComparedAsPeopleWriteThem(t *testing.T) {
	for _, text := range []string{"粤B12345", " 粤b·12345", "粤Ｂ １２３４５", "粤B-12.345", "粤•B12345\t", "\ufeff粤B\u200b12345"} {
		if got := samePlate(text); got != "粤B12345" {
			t.Errorf("%q is %q", text, got)
		}
	}
	if samePlate("粤B12345") == samePlate("粤B12346") {
		t.Error("different plates are one")
	}
}

// find ends with a stop while it waits for plates.
func TestFindEndsWhereItIsToldToStopBeforeThePlates(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	from, _ := io.Pipe() // nothing comes
	_, err := (&Command{Plate: "-"}).criteria(console.Screen{In: console.Stopper{Context: ctx}.Input(from), Err: io.Discard})
	if !errors.Is(err, console.ErrStopped) {
		t.Errorf("ended with %v", err)
	}
}

// Of two events of a lot with one flow_no and other content both are told, with the fields that differ; equal content
// is a plain repeat, and a dead letter was not taken.
func TestFindTellsOfARepeatedNumberWithOtherContent(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		other := strings.Replace(strings.Replace(apptest.Event(1, 0), "粤B00001", "粤B99999", 1), "}", `,"operator":"张PLANTED"}`, 1)
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if r.Params["plate"] == "粤B22222" {
				return &platform.Reply{Body: `{"code":"400","seqno":"1"}`}
			}
			return nil
		})
		r := w.Start()
		w.Produce(0, apptest.Event(1, 0), apptest.Event(2, 0), apptest.Event(1, 0), other, apptest.Event(1, 1),
			strings.Replace(apptest.Event(1, 0), `"lot-1"`, `"lot-2"`, 1), strings.Replace(apptest.Event(2, 0), "粤B00002", "粤B22222", 1))
		w.Until("the dead letter", func() bool { return w.DeadLetterCount() == 1 && w.Committed(0) == 7 })
		w.End(r)
		out, _, err := w.find(Command{Lot: []string{"lot-1", "lot-2"}}, "")
		line := regexp.MustCompile(`(?m)^events/0/3 .*\n  same flow_no as events/0/0, with other content: plate, operator$`)
		const end = "\nevents/0/0: same flow_no as events/0/3, with other content: plate, operator\nthe platform takes the first"
		if err != nil || !line.MatchString(out) || !strings.Contains(out, end) || strings.Count(out, "same flow_no as") != 2 || strings.Contains(out, "PLANTED") {
			t.Errorf("%v\n%s", err, out)
		}
		out, _, err = w.find(Command{Flow: []string{"F-1-0"}, JSON: true}, "")
		for _, want := range []string{
			`"other_content":{"at":"events/0/0","field":"flow_no","differs":["plate","operator"]}`,
			`{"kind":"other-content","at":"events/0/0","other_content":{"at":"events/0/3","field":"flow_no","differs":["plate","operator"]}}`,
		} {
			if err != nil || strings.Count(out, want) != 1 {
				t.Errorf("%v: lacks %s\n%s", err, want, out)
			}
		}
	})
}
