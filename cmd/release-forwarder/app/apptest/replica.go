package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/settings"
)

// Replica is one running service.
type Replica struct {
	*app.Service
	Stop context.CancelFunc // begins its end, as SIGTERM does
	done chan error
}

// Start starts a replica. Settings are pairs of name and value; they hold for later replicas of the test, too.
func (w *World) Start(nameValues ...string) *Replica {
	w.T.Helper()
	return w.StartOn(w.Net.Dial, nameValues...)
}

// StartOn starts a replica that connects by a dial function of its own, such as a memnet.Link's.
func (w *World) StartOn(dial connect.DialFunc, nameValues ...string) *Replica {
	w.T.Helper()
	for i := 0; i < len(nameValues); i += 2 {
		w.T.Setenv(nameValues[i], nameValues[i+1])
	}
	w.T.Setenv("KAFKA_BROKERS", strings.Join(w.Cluster.ListenAddrs(), ","))
	s, _, err := settings.Load()
	if err != nil {
		w.T.Fatal(err)
	}
	v, err := app.New(app.Config{Settings: s, Dial: dial, Stderr: w.Log, Doubles: w.Mistakes})
	if err != nil {
		w.T.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Replica{v, stop, make(chan error, 1)}
	w.Replicas, w.Started = append(w.Replicas, r), append(w.Started, r)
	go func() { r.done <- v.Run(ctx) }()
	return r
}

// End stops a replica and waits until it has ended. It fails the test where the service ends with an error.
func (w *World) End(r *Replica) {
	w.T.Helper()
	r.Stop()
	w.Replicas = slices.DeleteFunc(w.Replicas, func(other *Replica) bool { return other == r })
	if err := <-r.done; err != nil {
		w.T.Errorf("the service ended with %v", err)
	}
}

// Sample gives the value of a series of /metrics, named with its labels; "" where the series is absent.
func (r *Replica) Sample(series string) string {
	w := httptest.NewRecorder()
	r.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if value, is := strings.CutPrefix(line, series+" "); is {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Seconds gives the value of a gauge, named without the prefix "release_forwarder_"; -1 where the series is absent.
func (r *Replica) Seconds(series string) float64 {
	text := r.Sample("release_forwarder_" + series)
	if text == "" {
		return -1
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return -1
	}
	return n
}

// IsAbout says whether a gauge (see Seconds) is what it should be, 15 s more or less: gauges are renewed now and then.
func (r *Replica) IsAbout(series string, want time.Duration) bool {
	got := r.Seconds(series)
	return got >= want.Seconds()-15 && got <= want.Seconds()+15
}

// ConditionKind gives what the banner of the status page says.
func (r *Replica) ConditionKind() admin.Kind { return r.Status().Condition.Kind }

// Page gives the status page in a language ("en", "zh"), and /status.json decoded, its numbers as json.Number.
func (r *Replica) Page(language string) (html string, status map[string]any) {
	h := admin.NewHandler(admin.Sources{Status: r.Status})
	get := func(path string) string {
		q := httptest.NewRequest(http.MethodGet, path, nil)
		q.Header.Set("Accept-Language", language)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		return w.Body.String()
	}
	d := json.NewDecoder(strings.NewReader(get("/status.json")))
	d.UseNumber() // a producer's ID takes 64 bits
	_ = d.Decode(&status)
	return get("/"), status
}

// LogBuffer holds the log of several replicas; safe for concurrent use.
type LogBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *LogBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String gives all that was written so far.
func (b *LogBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Lines counts the lines that were written so far.
func (b *LogBuffer) Lines() int { return strings.Count(b.String(), "\n") }

// LogLines gives the log lines of an event, such as "request-refused", decoded.
func (w *World) LogLines(event string) (lines []map[string]any) {
	w.T.Helper()
	for line := range strings.Lines(w.Log.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			w.T.Fatal(err)
		}
		if l["event"] == event {
			lines = append(lines, l)
		}
	}
	return lines
}

// AnotherLogLine is in each log line that says that a partition's log is not the one that was read before.
const AnotherLogLine = "the log is another one than was read before"
