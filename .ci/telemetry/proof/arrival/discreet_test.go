package arrival

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"proof/stage"
)

// TestNothingThatIsNobodysBusinessIsSeen has two forwarders go through every kind of trouble with planted texts in all
// that may not be seen, and looks for them in all that came out: what the collector got, log lines at debug, every page and
// scrape, and the output of commands.
func TestNothingThatIsNobodysBusinessIsSeen(t *testing.T) {
	w := open(t, planted["secret"])
	var down, mended atomic.Bool
	w.Platform.Script(script(down.Load, mended.Load))
	files := t.TempDir()
	credentials, secret := filepath.Join(files, "credentials.json"), filepath.Join(files, "secret")
	put(t, secret, planted["secret"]+"\n"+planted["other secret"]+"\n")
	good := fmt.Sprintf(`{"lot-3": {"app_id": "app-3", "app_secret": %q, "next_app_secret": %q}}`, planted["secret"], planted["other secret"])
	put(t, credentials, good)
	settings := map[string]string{
		"LOG_LEVEL": "debug", "UPSTREAM_URL": w.URL + "?token=" + planted["query"],
		"UPSTREAM_APP_SECRET": "", "UPSTREAM_APP_SECRET_FILE": secret, "UPSTREAM_CREDENTIALS_FILE": credentials,
		"OTEL_EXPORTER_OTLP_HEADERS": "api-key=" + planted["no secret"], "RETRY_BUDGET": "2", "DLQ_STORM_LIMIT": "8",
		"KAFKA_SESSION_TIMEOUT": "3s", "KAFKA_HEARTBEAT_INTERVAL": "500ms", "KAFKA_REBALANCE_TIMEOUT": "10s",
	}
	one := w.start("one", "http/protobuf", settings)
	pages := watch(t, one)
	dry := w.trickle()

	w.everyAnswer()
	w.everyUnmappable(one)
	w.refusedLot(one)
	w.storm(one)
	w.outage(one, &down)
	w.files(one, credentials, good)
	w.droppedByKafka(one)
	w.refusedByKafka(one)
	w.brokerAway(one)

	mended.Store(true)
	w.until(func() error { return w.wrote(one, "lot-accepted") })

	two := w.start("two", "grpc", settings)
	more := watch(t, two)
	w.until(func() error { return w.holds(two, 1) })
	w.everyAnswer() // now over two protocols
	w.until(func() error { return w.allDone(one, two) })
	dry()

	seenBy := map[string]string{"the pages of one": pages(), "the pages of two": more()}
	for _, args := range [][]string{
		{"config"}, {"offsets"}, {"doctor"}, {"dlq", "list"}, {"dlq", "stats"}, {"find", "--lot", "lot-1", "--since", "1h"}, {"version"},
		{"dlq", "replay", "--dry-run"}, {"--no-such-flag"},
	} {
		out, err := w.Command(t.Context(), one, args...)
		must(t, err)
		seenBy["release-forwarder "+strings.Join(args, " ")] = out
	}
	w.stopped(one, two)
	for _, f := range []*stage.Forwarder{one, two} {
		text, err := f.Written()
		must(t, err)
		seenBy["the log of "+f.Name] = text
	}
	seenBy["what the collector got"] = w.sink.Raw()

	for where, text := range seenBy {
		for from, found := range seen(text) {
			if command := strings.Contains(where, " dlq ") || strings.Contains(where, " find "); command && slices.Contains(named, from) {
				continue
			}
			t.Errorf("%s: %s", where, found)
		}
	}
	everythingHappened(t, seenBy["the log of one"], seenBy["what the collector got"], seenBy["the pages of one"])
}

// named is what dlq and find name an event by.
var named = []string{"flow_no", "parking_serial", "lot"}

// everythingHappened fails where a kind of trouble did not come about: then nothing was proved of it.
func everythingHappened(t *testing.T, log, collector, pages string) {
	t.Helper()
	for _, event := range []string{
		"delivery-failed", "accepted-late", "letter-written", "letter-blocked", "lot-refused", "lot-accepted", "storm-began", "storm-over",
		"circuit-opened", "circuit-closed", "file-refused", "file-mended", "records-dropped", "request-refused", "joined", "drained", "stopped",
	} {
		if !strings.Contains(log, `"event":"`+event+`"`) {
			t.Errorf("no line %s was written", event)
		}
		if !strings.Contains(collector, `"stringValue":"`+event+`"`) {
			t.Errorf("no line %s came to the collector", event)
		}
	}
	for _, verdict := range []string{"accepted", "permanent", "refused", "throttled", "failed", "unreadable", "timeout", "unreachable"} {
		if !strings.Contains(collector, `"stringValue":"`+verdict+`"`) || !strings.Contains(pages, `verdict="`+verdict+`"`) {
			t.Errorf("no attempt was %s", verdict)
		}
	}
	for _, page := range []string{
		`"condition": "circuit-open"`, `"condition": "lots-refused"`, `"condition": "dead-letters-blocked"`, `"storms": 1`,
		"storm_guard_active 1", "refused_lots 2", `lang="zh-CN"`,
	} {
		if !strings.Contains(pages, page) {
			t.Errorf("no page ever said %s", page)
		}
	}
}

// watch looks at all that the admin server answers, again and again, until the function it returns is called, which gives
// each answer once.
func watch(t *testing.T, f *stage.Forwarder) func() string {
	ctx, cancel := context.WithCancel(t.Context())
	answers := map[string]bool{}
	var looking sync.WaitGroup
	looking.Go(func() {
		for ctx.Err() == nil {
			for _, path := range []string{"/", "/status.json", "/metrics", "/readyz", "/livez", "/" + planted["query"]} {
				for _, language := range []string{"en", "zh-CN"} {
					if text, err := f.Get(ctx, path, language); err == nil {
						answers[text] = true
					}
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	return func() string {
		cancel()
		looking.Wait()
		var all strings.Builder
		for text := range answers {
			all.WriteString(text)
		}
		return all.String()
	}
}

// trickle sends events that are accepted, so that a record that is refused alone is known to be the trouble, until the
// function it returns is called.
func (w *world) trickle() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var flowing sync.WaitGroup
	flowing.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_ = w.Send(ctx, planting(int32(i%3), "fine", 10_000+i, nil)) // while the broker is away none comes
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return func() {
		cancel()
		flowing.Wait()
	}
}

// everyAnswer sends an event for each kind of answer, between others that are accepted.
func (w *world) everyAnswer() {
	for i := range 30 {
		w.send(planting(int32(i%3), "fine", i, nil))
	}
	for name := range answers {
		w.send(planting(0, name, 0, nil), planting(1, name, 1, map[string]any{"plate_color": planted["bad value"], "car_type": planted["bad value"]}))
	}
}

func (w *world) everyUnmappable(f *stage.Forwarder) {
	w.t.Helper()
	i := 0
	for _, value := range unmappable() {
		w.send(raw(int32(i%3), value), planting(int32(i%3), "fine", 1000+i, nil))
		i++
	}
	w.until(func() error { return w.allDone(f) })
}

func (w *world) refusedLot(f *stage.Forwarder) {
	w.t.Helper()
	for i := range 8 {
		for _, lot := range refusedLots {
			w.send(planting(0, "fine", 2000+i, map[string]any{"park_uuid": lot}), planting(0, "fine", 2100+i, map[string]any{"park_uuid": "lot-3"}))
		}
	}
	w.until(func() error { return f.Condition(w.t.Context(), "lots-refused") })
}

func (w *world) storm(f *stage.Forwarder) {
	w.t.Helper()
	for i := range 20 {
		w.send(planting(1, "400", 3000+i, map[string]any{"park_uuid": "lot-4"}))
	}
	w.until(func() error { return w.wrote(f, "storm-began") })
	w.send(planting(1, "fine", 3100, map[string]any{"park_uuid": "lot-4"}))
	w.until(func() error { return w.wrote(f, "storm-over") })
}

func (w *world) outage(f *stage.Forwarder, down *atomic.Bool) {
	w.t.Helper()
	down.Store(true)
	for i := range 20 {
		w.send(planting(int32(i%3), "fine", 4000+i, nil))
	}
	w.until(func() error { return f.Condition(w.t.Context(), "circuit-open") })
	down.Store(false)
	w.until(func() error { return w.wrote(f, "circuit-closed") })
}

func (w *world) files(f *stage.Forwarder, credentials, good string) {
	w.t.Helper()
	put(w.t, credentials, `{"lot-3": {"app_secret": "`+planted["bad value"]+`", `+planted["other secret"])
	w.until(func() error { return w.wrote(f, "file-refused") })
	put(w.t, credentials, good)
	w.until(func() error { return w.wrote(f, "file-mended") })
}

func (w *world) droppedByKafka(f *stage.Forwarder) {
	w.t.Helper()
	away := w.Kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: stage.Topic, Partitions: []int32{2}, Err: kerr.NotLeaderForPartition, Count: -1})
	for i := range 10 {
		w.send(planting(2, "fine", 5000+i, nil))
	}
	end := w.Kafka.PartitionInfo(stage.Topic, 2).HighWatermark
	must(w.t, w.Kafka.DeleteRecords(stage.Topic, 2, end-1))
	away.Remove()
	w.until(func() error { return w.wrote(f, "records-dropped") })
}

func (w *world) refusedByKafka(f *stage.Forwarder) {
	w.t.Helper()
	deadLetters := w.Kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: stage.DeadLetters, Err: kerr.TopicAuthorizationFailed, Count: -1})
	commits := w.Kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: stage.Group, Err: kerr.GroupAuthorizationFailed, Count: -1})
	for _, value := range unmappable() {
		w.send(raw(0, value))
	}
	w.until(func() error { return f.Condition(w.t.Context(), "dead-letters-blocked") })
	w.until(func() error { return w.wrote(f, "request-refused") })
	deadLetters.Remove()
	commits.Remove()
}

func (w *world) brokerAway(f *stage.Forwarder) {
	w.t.Helper()
	back := w.BrokerGone()
	w.until(func() error { return w.wrote(f, "fetch-failed") })
	back()
	w.until(func() error { return w.allDone(f) })
}

// wrote is nil where the forwarder has written a line of the event.
func (w *world) wrote(f *stage.Forwarder, event string) error {
	text, err := f.Written()
	if err == nil && !strings.Contains(text, `"event":"`+event+`"`) {
		err = fmt.Errorf("%s has not written %s", f.Name, event)
	}
	return err
}

// holds is nil where the forwarder holds that many partitions at least.
func (w *world) holds(f *stage.Forwarder, partitions int) error {
	s, err := f.Status(w.t.Context())
	if err == nil && len(s.Partitions) < partitions {
		err = fmt.Errorf("%s holds %d partitions", f.Name, len(s.Partitions))
	}
	return err
}

// allDone is nil where nothing waits with the forwarders but the records of refused lots.
func (w *world) allDone(forwarders ...*stage.Forwarder) error {
	for _, f := range forwarders {
		s, err := f.Status(w.t.Context())
		if err != nil {
			return err
		}
		for _, h := range s.Held {
			if h.Reason != "refused" {
				return fmt.Errorf("%s: a record waits, %s: %s", f.Name, h.Reason, s.State)
			}
		}
	}
	return nil
}

func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path+".new", []byte(text), 0o600))
	must(t, os.Rename(path+".new", path))
}
