package acceptance

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
)

// workedOffScenarios: dead letters are listed, replayed, mended, closed.
func workedOffScenarios() []scenario {
	return []scenario{
		{name: "dead letters of a broken platform are replayed through the replay topic, and followed to their ends", run: replayedToTheEnd},
		{name: "a replay killed in the middle goes on: every dead letter arrives, at most 100 twice", run: replayKilled},
		{name: "two replays at once send nothing twice, in order", run: twoReplays},
		{name: "a mended event is sent with its original beside it, once somebody agreed", run: mendedReplay},
		{name: "closed dead letters are not replayed, and stats --check fails before retention takes open ones", run: closedDeadLetters},
	}
}

// dlqCommand runs a command on the dead letters to its end.
func (w *world) dlqCommand(want int, args ...string) string {
	w.t.Helper()
	f := w.dlqStart(args...)
	if code := f.exit(); code != want {
		w.t.Errorf("dlq %s: exit code %d, want %d: %s", strings.Join(args, " "), code, want, tail(f.out.String(), 2000))
	}
	return f.out.String()
}

func (w *world) dlqStart(args ...string) *forwarder {
	w.t.Helper()
	settings := maps.Clone(w.settings)
	settings["ADMIN_ADDR"] = "127.0.0.1:1" // nobody listens: a command serves no pages
	return launch(w.t, settings, append([]string{"dlq"}, args...)...)
}

// says checks that a command printed each of the texts.
func (w *world) says(out string, texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			w.t.Errorf("it does not say %q: %s", text, tail(out, 2000))
		}
	}
}

// contents reads a topic.
func (w *world) contents(topic string) []*kgo.Record {
	w.t.Helper()
	all, err := w.read(topic)
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// takenOnce checks that the platform accepted each event once, however often it
// refused it before.
func (w *world) takenOnce(events ...*event) {
	w.t.Helper()
	for _, e := range events {
		if n := w.platform.accepted(e.flow); n != 1 {
			w.t.Errorf("the event at %+v was accepted %d times, want once", e.origin(), n)
		}
	}
}

// place is topic/partition/offset of an event.
func (e *event) place() string {
	return fmt.Sprintf("%s/%d/%d", e.record.Topic, e.record.Partition, e.record.Offset)
}

// breaks makes the platform refuse events for good, until its script changes.
func (w *world) breaks(events ...*event) {
	broken := map[platform.Flow]bool{}
	for _, e := range events {
		broken[e.flow] = true
	}
	w.platform.script(func(r *platform.Request) *platform.Reply {
		if broken[r.Flow()] {
			return &platform.Reply{Body: body("400")}
		}
		return nil
	})
}

func replayedToTheEnd(t *testing.T) {
	w := newWorld(t, plan{partitions: 3, dlqPartitions: 2})
	w.watchCommits()
	replays := w.topic + "-replays"
	w.settings["KAFKA_REPLAY_TOPIC"] = replays
	w.createTopic(replays, 2, nil)
	events := w.releases(60, 3)
	w.breaks(events[:30]...)
	w.start()
	w.produce(events...)
	w.drained()
	w.says(w.dlqCommand(0, "list"), "30 open in "+w.dlq, "refused", w.dlq+"/1/0")
	ends, err := w.ends()
	if err != nil {
		t.Fatal(err)
	}
	w.says(w.dlqCommand(0, "replay", "--reason", "refused", "--dry-run"), "30 dead letters would be replayed to "+replays)
	w.breaks(events[:5]...) // mended, but for 5
	w.says(w.dlqCommand(1, "replay", "--reason", "refused", "--rate", "200", "--wait"), "30 sent to "+replays, "25 accepted, 5 dead-lettered again, 0 not ended")
	w.takenOnce(events[5:]...)
	w.says(w.dlqCommand(0, "stats"), "open              5", "replayed         30", "5 of the open ones were replayed before")
	w.breaks()
	w.says(w.dlqCommand(0, "replay", "--wait"), "5 accepted, 0 dead-lettered again, 0 not ended")
	w.takenOnce(events...)
	w.says(w.dlqCommand(0, "replay", "--wait"), "nothing to replay")
	w.says(w.dlqCommand(0, "stats", "--json"), `"by_state":{"closed":0,"open":0,"replayed":35}`)
	if now, err := w.ends(); err != nil || !maps.Equal(now, ends) {
		t.Errorf("the events' topic was written to: %v, was %v: %v", now, ends, err)
	}
	checkReplayed(w, events[:30], replays)
}

// checkReplayed looks at what stands in the replay topic, record by record.
func checkReplayed(w *world, events []*event, replays string) {
	w.t.Helper()
	records := w.contents(replays)
	if len(records) != len(events)+5 {
		w.t.Errorf("%d records in %s, want %d", len(records), replays, len(events)+5)
	}
	for _, e := range events {
		times := 0
		for _, r := range records {
			if deadLetterHeader(r, "origin") != e.place() {
				continue
			}
			times++
			headers := slices.Clone(e.record.Headers)
			headers = append(headers, kgo.RecordHeader{Key: deadLetterPrefix + "redrives", Value: []byte(strconv.Itoa(times))},
				kgo.RecordHeader{Key: deadLetterPrefix + "origin", Value: []byte(e.place())})
			if !same(r.Key, e.record.Key) || !same(r.Value, e.record.Value) || r.Partition != e.record.Partition%2 ||
				!slices.EqualFunc(r.Headers, headers, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && same(a.Value, b.Value) }) {
				w.t.Errorf("%s was replayed as %.100q %.200q in %d with %q", e.place(), r.Key, r.Value, r.Partition, r.Headers)
			}
		}
		if times == 0 {
			w.t.Errorf("%s was not replayed", e.place())
		}
	}
}

// unmappable makes dead letters of events that are no JSON.
func (w *world) unmappable(n, partitions int) {
	w.t.Helper()
	w.settings["DLQ_STORM_LIMIT"] = "0"
	f := w.start()
	events := make([]*event, n)
	for i := range events {
		events[i] = w.raw(int32(i%partitions), fmt.Appendf(nil, "%s %d", planted, i))
	}
	w.produce(events...)
	w.drained()
	f.stop()
}

// replayArrivals counts how often the event of each dead letter arrived in a
// topic, and checks that the first arrivals came in the order in which the events
// lay.
func (w *world) replayArrivals(topic string) (missing, repeated int) {
	w.t.Helper()
	deadLetters := map[string]bool{} // by origin
	for _, l := range w.contents(w.dlq) {
		deadLetters[fmt.Sprintf("%s/%s/%s", deadLetterHeader(l, "topic"), deadLetterHeader(l, "partition"), deadLetterHeader(l, "offset"))] = true
	}
	times, last := map[string]int{}, map[string]int64{}
	for _, r := range w.contents(topic) {
		origin := deadLetterHeader(r, "origin")
		if times[origin]++; times[origin] > 1 {
			repeated++
			continue
		}
		if !deadLetters[origin] {
			w.t.Fatalf("%s has no dead letter", origin)
		}
		cut := strings.LastIndexByte(origin, '/')
		offset, err := strconv.ParseInt(origin[cut+1:], 10, 64)
		if err != nil {
			w.t.Fatal(err)
		}
		if offset < last[origin[:cut]] {
			w.t.Errorf("event %s was sent after %d", origin, last[origin[:cut]])
		}
		last[origin[:cut]] = offset
	}
	return len(deadLetters) - len(times), repeated
}

func replayKilled(t *testing.T) {
	const n = 2000
	w := newWorld(t, plan{partitions: 2, dlqPartitions: 2})
	w.unmappable(n, 2)
	replays := w.topic + "-replays"
	w.createTopic(replays, 2, nil)
	reach := func(f *forwarder, count int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d are sent", count), func() error {
			got, err := w.read(replays) // not every broker knows the new topic at once
			if len(got) < count && f.alive() {
				return errors.Join(fmt.Errorf("%d", len(got)), err)
			}
			return nil
		})
	}
	f := w.dlqStart("replay", "--to", replays, "--rate", "500")
	reach(f, 150)
	f.signal(syscall.SIGTERM)
	if code := f.exit(); code != 1 {
		t.Errorf("stopped, it ends with %d", code)
	}
	w.says(f.out.String(), "the replay has not finished: stopped as asked")
	if _, repeated := w.replayArrivals(replays); repeated != 0 {
		t.Errorf("%d repeated after a stop", repeated)
	}
	f = w.dlqStart("replay", "--to", replays, "--rate", "500")
	reach(f, 700)
	f.signal(syscall.SIGKILL)
	f.exit()
	if missing, _ := w.replayArrivals(replays); missing == 0 {
		t.Error("it was killed too late to tell anything")
	}
	w.dlqCommand(0, "replay", "--to", replays)
	missing, repeated := w.replayArrivals(replays)
	if missing != 0 || repeated > 100 {
		t.Errorf("%d of %d missing, %d repeated", missing, n, repeated)
	}
	t.Logf("%d of %d missing, %d repeated", missing, n, repeated)
	w.says(w.dlqCommand(0, "stats"), "open              0", "replayed      2,000")
	firstLine(w, "list", "--all")
}

// firstLine reads one line of a command's output and closes it, as head does: the
// command ends at once by SIGPIPE, as other programs do.
func firstLine(w *world, args ...string) {
	w.t.Helper()
	cmd := exec.Command(binary, append([]string{"dlq"}, args...)...)
	cmd.Env = []string{}
	for name, value := range w.settings {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.SysProcAttr = dieWithTest()
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	line, err := bufio.NewReaderSize(out, 16).ReadString('\n')
	if err != nil || !strings.Contains(line, w.dlq) {
		w.t.Errorf("the first line is %q: %v", line, err)
	}
	_ = out.Close()
	var ended *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGPIPE {
		w.t.Errorf("with its output closed it ended by %v", err)
	}
}

func twoReplays(t *testing.T) {
	const n = 1500
	w := newWorld(t, plan{partitions: 2, dlqPartitions: 2})
	w.unmappable(n, 2)
	replays := w.topic + "-replays"
	w.createTopic(replays, 2, nil)
	var all []*forwarder
	for range 3 {
		all = append(all, w.dlqStart("replay", "--to", replays))
	}
	for _, f := range all {
		if code := f.exit(); code != 0 {
			t.Errorf("exit code %d: %s", code, f.out.String())
		}
	}
	if missing, repeated := w.replayArrivals(replays); missing != 0 || repeated != 0 {
		t.Errorf("%d missing, %d repeated", missing, repeated)
	}
}

func mendedReplay(t *testing.T) {
	w := newWorld(t, plan{})
	w.start()
	wrong := w.release(0, "plate_color", true)
	w.produce(wrong, w.release(0))
	w.drained()
	w.checkDeadLetter(t, wrong, map[string]string{"reason": "wrong-type", "field": "plate_color"})
	id := w.dlq + "/0/0"
	w.says(w.dlqCommand(1, "replay", "--id", id, "--set", "plate_color=yellow"), "plate_color: (not a text) true -> yellow", "--yes", "nothing was sent")
	if got := len(w.contents(w.topic)); got != 2 {
		t.Errorf("%d records, want the 2 events: nobody agreed", got)
	}
	w.says(w.dlqCommand(1, "replay", "--id", id, "--set", "plate_color=yellow", "--set", "enter_time=yesterday", "--yes"), "left out", "bad-time")
	colour := make(chan string, 10)
	w.platform.script(func(r *platform.Request) *platform.Reply {
		colour <- r.Params["plate_color"]
		return nil
	})
	w.says(w.dlqCommand(0, "replay", "--id", "0/0", "--set", "plate_color=yellow", "--yes", "--wait"), "1 accepted, 0 dead-lettered again, 0 not ended")
	w.takenOnce(wrong)
	select {
	case got := <-colour:
		if got != "2" {
			t.Errorf("the colour was sent as %s", got)
		}
	default:
		t.Fatal("nothing was sent")
	}
	sent := w.contents(w.topic)[2]
	original := slices.IndexFunc(sent.Headers, func(h kgo.RecordHeader) bool { return h.Key == "__forwarder.original" })
	if original < 0 || !same(sent.Headers[original].Value, wrong.record.Value) {
		t.Errorf("the original is not kept: %d headers", len(sent.Headers))
	}
	w.says(w.dlqCommand(0, "replay", "--id", "0/0", "--wait"), "is replayed already; --again", "nothing to replay")
}

func closedDeadLetters(t *testing.T) {
	w := newWorld(t, plan{dlqConfig: map[string]string{"retention.ms": "3600000"}})
	w.unmappable(3, 1)
	w.says(w.dlqCommand(0, "stats", "--check"), "open              3")
	old := []string{"stats", "--check", "--retention", "2s", "--retention-share", "0.5"}
	eventually(t, "all dead letters are old", func() error { // they were not all written at once
		if f := w.dlqStart(old...); f.exit() != 1 || !strings.Contains(f.out.String(), "3 open dead letters") {
			return errors.New(f.out.String())
		}
		return nil
	})
	w.says(w.dlqCommand(1, old...), "warning: 3 open dead letters are older than 50% of the 2s that "+w.dlq+" keeps them")
	w.says(w.dlqCommand(1, "close", "0/0", "0/7", "--why", "tests"), "there is no dead letter "+w.dlq+"/0/7")
	w.says(w.dlqCommand(0, "close", "0/0", w.dlq+"/0/1", "--why", "tests of the vendor"), "2 closed")
	w.says(w.dlqCommand(0, "list"), "1 open in "+w.dlq, "0 replayed, 2 closed", w.dlq+"/0/2")
	w.says(w.dlqCommand(0, "replay", "--to", w.topic), "1 sent to "+w.topic)
	w.says(w.dlqCommand(0, old...), "open              0", "replayed          1", "closed            2")
}
