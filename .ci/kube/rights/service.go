package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/sandbox/platform"
)

// patience bounds how long the forwarder is watched in one trial.
const patience = 25 * time.Second

// tryService runs the forwarder: with all rights an event is accepted and a
// letter written; without one there must be a line that names the resource and
// says that it may not be used.
func (b *broker) tryService(ctx context.Context, binary, user string, gone *right) (said string, ok bool) {
	double := platform.New(platform.Config{Secret: "secret"})
	server := httptest.NewServer(double)
	defer server.Close()
	before, err := b.end(ctx, letters)
	if err != nil {
		return err.Error(), false
	}
	b.sent++
	value := fmt.Sprintf(`{"park_uuid":"p","flow_no":"f%d","parking_serial":"s%d","plate":"TEST1"}`, b.sent, b.sent)
	if err := b.client.ProduceSync(ctx, &kgo.Record{Topic: events, Value: []byte(value)}, &kgo.Record{Topic: events, Value: []byte("{}")}).FirstErr(); err != nil {
		return err.Error(), false
	}
	var log lockedBuffer
	cmd := exec.CommandContext(ctx, binary)
	cmd.Stderr = &log
	cmd.Env = []string{
		"KAFKA_BROKERS=" + b.sasl, "KAFKA_TOPIC=" + events, "KAFKA_GROUP_ID=" + group, "ADMIN_ADDR=none",
		"KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "KAFKA_SASL_USERNAME=" + user, "KAFKA_SASL_PASSWORD=" + password,
		"UPSTREAM_URL=" + server.URL, "UPSTREAM_APP_SECRET=secret", "CONSUMER_COMMIT_INTERVAL=100ms",
	}
	if err := cmd.Start(); err != nil {
		return err.Error(), false
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		line := refusal(log.String(), gone)
		if gone != nil && line != "" {
			return line, true
		}
		now, err := b.end(ctx, letters)
		if err == nil && double.Stats().Accepted > 0 && now > before {
			if line := refusal(log.String(), nil); gone == nil && line != "" {
				return line, false
			}
			if gone == nil {
				return "an event accepted, a letter written, no refusal logged", true
			}
			if gone.operation == "DescribeConfigs" || gone.operation == "Describe" {
				return "works without it: only `probe` asks", true
			}
		}
	}
	return "no line names it: " + log.String(), false
}

// refusal returns the first log line that is about rights and, where one is
// given, names its resource.
func refusal(log string, gone *right) string {
	for line := range strings.Lines(log) {
		lower := strings.ToLower(line)
		if !strings.Contains(lower, "authoriz") && !strings.Contains(lower, "not allowed") && !strings.Contains(lower, "may not") && !strings.Contains(lower, "no right") {
			continue
		}
		if gone == nil || strings.Contains(line, gone.name) {
			return short(line)
		}
	}
	return ""
}

// short is a log line's message and what it names.
func short(line string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(line), &fields) != nil {
		return strings.TrimSpace(line)
	}
	out := fmt.Sprint(fields["level"], ": ", fields["msg"])
	for _, name := range []string{"topic", "topics", "group", "error", "what"} {
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
