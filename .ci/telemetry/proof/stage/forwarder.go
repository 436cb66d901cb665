package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"release-forwarder/cmd/testkit/process"
	"release-forwarder/cmd/testkit/prometheus"
)

// pace are settings with which seconds show what takes minutes with the defaults.
var pace = map[string]string{
	"CONSUMER_COMMIT_INTERVAL": "200ms",
	"CONSUMER_DRAIN_TIMEOUT":   "5s",
	"UPSTREAM_TIMEOUT":         "1s",
	"UPSTREAM_RETRY_WAIT_MIN":  "20ms",
	"UPSTREAM_RETRY_WAIT_MAX":  "50ms",
	"RETRY_BACKOFF_MIN":        "200ms",
	"RETRY_BACKOFF_MAX":        "1s",
}

// Forwarder is a process of the forwarder, and where to look at it.
type Forwarder struct {
	*process.Process
	Name string
	// Admin is its admin server's address, host:port.
	Admin string
	// Log is the file with all that it wrote.
	Log string

	env []string
}

// Start starts a forwarder with the settings given above those of the stage.
func (s *Stage) Start(name string, settings map[string]string) (*Forwarder, error) {
	admin, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	all := maps.Clone(pace)
	maps.Copy(all, map[string]string{
		"KAFKA_BROKERS": strings.Join(s.Kafka.ListenAddrs(), ","), "KAFKA_TOPIC": Topic, "KAFKA_GROUP_ID": Group,
		"UPSTREAM_URL": s.URL, "UPSTREAM_APP_SECRET": s.Secret, "ADMIN_ADDR": admin,
	})
	maps.Copy(all, settings)
	f := &Forwarder{Name: name, Admin: admin, Log: filepath.Join(s.dir, name+".log")}
	var given []string
	for _, setting := range slices.Sorted(maps.Keys(all)) {
		if value := all[setting]; value != "" {
			given = append(given, setting+"="+value)
		}
	}
	f.env = process.Environment(withoutOTEL(os.Environ()), given...)
	if f.Process, err = process.Start(s.binary, f.env, f.Log); err != nil {
		return nil, fmt.Errorf("stage: forwarder %s: %w", name, err)
	}
	s.mu.Lock()
	s.forwarders = append(s.forwarders, f)
	s.mu.Unlock()
	return f, nil
}

func withoutOTEL(env []string) []string {
	return slices.DeleteFunc(env, func(entry string) bool { return strings.HasPrefix(entry, "OTEL_") })
}

// Target is the forwarder as Prometheus scrapes it, with the labels that the operator's gives it in a cluster.
func (f *Forwarder) Target() prometheus.Target {
	return prometheus.Target{Address: f.Admin, Labels: map[string]string{"namespace": Namespace, "job": Job, "pod": f.Name}}
}

// Get asks the admin server for a path, as a browser of the language does, and returns all it answers.
func (f *Forwarder) Get(ctx context.Context, path, language string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.Admin+path, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept-Language", language)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

// Status is what the proofs use of /status.json.
type Status struct {
	State     string `json:"state"`
	Condition string `json:"condition"`
	Pending   int    `json:"pending"`
	Held      []struct {
		Reason  string `json:"reason"`
		TraceID string `json:"trace_id"`
	} `json:"held"`
	Partitions []struct {
		Partition int    `json:"partition"`
		Committed int64  `json:"committed"`
		Lag       int64  `json:"lag"`
		Paused    string `json:"paused"`
	} `json:"partitions"`
}

// Status asks for /status.json.
func (f *Forwarder) Status(ctx context.Context) (s Status, err error) {
	text, err := f.Get(ctx, "/status.json", "en")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(text), &s)
}

// Condition is nil where the status page's condition is the one wanted.
func (f *Forwarder) Condition(ctx context.Context, wanted string) error {
	s, err := f.Status(ctx)
	if err == nil && s.Condition != wanted {
		err = fmt.Errorf("%s is %q, not %q: %s", f.Name, s.Condition, wanted, s.State)
	}
	return err
}

// Written is all that the forwarder has written so far.
func (f *Forwarder) Written() (string, error) {
	text, err := os.ReadFile(f.Log)
	return string(text), err
}

// Command runs a command of the binary with the forwarder's settings and returns all it writes, whatever its exit code.
func (s *Stage) Command(ctx context.Context, f *Forwarder, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return run(ctx, s.binary, f.env, args...)
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
