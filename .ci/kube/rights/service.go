package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/cmd/testkit/process"
)

// patience bounds how long the forwarder is watched in one trial.
const patience = 40 * time.Second

// tryService runs the forwarder. With all rights an event and a replay are
// accepted, a dead letter and receipts are written, the metrics tell how long what waits of each
// topic has until retention, `doctor` finds nothing wrong, and no line is about
// rights. Without one right a line of the service, or of `doctor` where the service
// does not need it, names the resource.
func (b *broker) tryService(ctx context.Context, binary, user string, gone *right) (said string, ok bool) {
	double := platform.New(platform.Config{Secret: "secret"})
	double.Script(func(r *platform.Request) *platform.Reply {
		if r.Params["parking_serial"] == old {
			return &platform.Reply{Status: http.StatusInternalServerError}
		}
		return nil
	})
	server := httptest.NewServer(double)
	defer server.Close()
	before, err := b.end(ctx, deadLetters)
	if err != nil {
		return err.Error(), false
	}
	unreceipted, err := b.end(ctx, receipts)
	if err != nil {
		return err.Error(), false
	}
	if err := b.produce(ctx); err != nil {
		return err.Error(), false
	}
	address, err := process.FreeAddress()
	if err != nil {
		return err.Error(), false
	}
	var log lockedBuffer
	cmd := exec.CommandContext(ctx, binary)
	cmd.Stderr = &log
	cmd.Env = append(b.environment(user), "ADMIN_ADDR="+address, "UPSTREAM_URL="+server.URL, "UPSTREAM_APP_SECRET=secret", "CONSUMER_COMMIT_INTERVAL=100ms")
	if err := cmd.Start(); err != nil {
		return err.Error(), false
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	told := gone != nil
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if line := lineAbout(log.String(), gone); gone != nil && line != "" {
			return "run: " + line, true
		}
		now, err := b.end(ctx, deadLetters)
		if err != nil || double.Stats().Accepted < 2 || now == before {
			continue
		}
		told = told || retentionLeft(ctx, address, events) && retentionLeft(ctx, address, replays)
		if !told {
			continue
		}
		double.Script(nil)
		if double.Stats().Accepted < 4 { // what was held, too: it is not left to the next trial
			continue
		}
		if line := lineAbout(log.String(), nil); gone == nil && line != "" {
			return line, false
		}
		if now, err := b.end(ctx, receipts); gone == nil && (err != nil || now < unreceipted+eventsOfATrial) {
			continue
		}
		return b.tryDoctor(ctx, binary, user, gone)
	}
	return fmt.Sprintf("%d accepted, and no line names it: %s", double.Stats().Accepted, log.String()), false
}

// old is the parking of events that have waited for an hour.
const old = "old"

// eventsOfATrial is how many events, and replays, produce writes.
const eventsOfATrial = 5

// produce writes an event that becomes a dead letter, one that is accepted, and
// a replay; and an old event and replay, which wait until the platform takes
// them.
func (b *broker) produce(ctx context.Context) error {
	event := func(parking string) []byte {
		b.sent++
		return fmt.Appendf(nil, `{"park_uuid":"p","flow_no":"f%d","parking_serial":%q,"plate":"TEST1"}`, b.sent, parking)
	}
	hourAgo := time.Now().Add(-time.Hour)
	return b.client.ProduceSync(ctx,
		&kgo.Record{Topic: events, Value: []byte("{}")}, &kgo.Record{Topic: events, Value: event("new")}, &kgo.Record{Topic: replays, Value: event("new")},
		&kgo.Record{Topic: events, Value: event(old), Timestamp: hourAgo}, &kgo.Record{Topic: replays, Value: event(old), Timestamp: hourAgo},
	).FirstErr()
}

// retentionLeft tells whether the service's metrics say how long a topic's oldest
// unfinished record has: it needs DescribeConfigs for that.
func retentionLeft(ctx context.Context, address, topic string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return err == nil && strings.Contains(string(text), fmt.Sprintf("release_forwarder_retention_left_seconds{partition=\"0\",topic=%q}", topic))
}

// tryDoctor asks the command that looks at rights.
func (b *broker) tryDoctor(ctx context.Context, binary, user string, gone *right) (said string, ok bool) {
	out, err := b.command(ctx, binary, user, []string{"doctor"})
	if gone == nil {
		// What it may not see, of the dead letters and the brokers, is unknown and not
		// wrong.
		if err != nil {
			return fmt.Sprintf("doctor: %v\n%s", err, out), false
		}
		return "an event and a replay accepted, a dead letter and their receipts written, time until retention reported for both topics, no line about rights; doctor finds nothing wrong", true
	}
	if line := lineAbout(out, gone); line != "" {
		return "works; doctor: " + line, true
	}
	return "works without it, and doctor does not name it: " + out, false
}

// lineAbout returns the first line that is about a missing right and, where one
// is given, names its resource and operation.
func lineAbout(text string, gone *right) string {
	for line := range strings.Lines(text) {
		lower := strings.ToLower(line)
		if !strings.Contains(lower, "grant") && !strings.Contains(lower, "authoriz") && !strings.Contains(lower, "may not") {
			continue
		}
		if gone == nil && !strings.Contains(line, `"level":"INFO"`) {
			return short(line)
		}
		if gone != nil && names(line, gone.name) && says(lower, gone.operation) {
			return short(line)
		}
	}
	return ""
}

// says tells whether a line speaks of the operation. Describe is taken away with
// what brings it, so a line about that is as good.
func says(lower, operation string) bool {
	if operation == "Describe" && (strings.Contains(lower, "read") || strings.Contains(lower, "write")) {
		return true
	}
	return strings.Contains(lower, strings.ToLower(operation))
}

// goesOn matches what makes a longer name of one before it: a sign that names have, or a point inside one.
var goesOn = regexp.MustCompile(`^([a-z_-]|\.[^ ])`)

// names tells whether a line has the whole name in it, not one that begins so.
func names(line, name string) bool {
	for rest := line; ; {
		_, after, found := strings.Cut(rest, name)
		if !found {
			return false
		}
		if !goesOn.MatchString(after) {
			return true
		}
		rest = after
	}
}

// short is a log line's message and what it names, or a command's line.
func short(line string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(line), &fields) != nil {
		return strings.Join(strings.Fields(line), " ")
	}
	out := fmt.Sprint(fields["level"], ": ", fields["msg"])
	for _, name := range []string{"topic", "topics", "group", "area", "subject", "check", "found", "remedy", "error", "what"} {
		if v := fields[name]; v != nil {
			out += fmt.Sprintf("; %s: %v", name, v)
		}
	}
	return out
}

func (b *broker) end(ctx context.Context, topic string) (int64, error) {
	offsets, err := b.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	at, _ := offsets.Lookup(topic, 0)
	return at.Offset, at.Err
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
