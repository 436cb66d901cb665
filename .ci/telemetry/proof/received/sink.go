// Package received is what an OpenTelemetry Collector got: a [Sink] that the collector hands everything on to, and the
// spans, metrics and log lines in it.
package received

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Sink takes OTLP JSON over HTTP. Its methods may be called from any goroutine.
type Sink struct {
	server *httptest.Server

	mu      sync.Mutex
	raw     strings.Builder // guarded by mu, as all below
	traces  []ptrace.Traces
	metrics []pmetric.Metrics
	logs    []plog.Logs
	bad     []error // what could not be read
}

// Open returns a sink that listens.
func Open() *Sink {
	s := &Sink{}
	mux := http.NewServeMux()
	mux.Handle("POST /v1/traces", s.take(func(body []byte) error {
		t, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(body)
		s.traces = append(s.traces, t)
		return err
	}))
	mux.Handle("POST /v1/metrics", s.take(func(body []byte) error {
		m, err := (&pmetric.JSONUnmarshaler{}).UnmarshalMetrics(body)
		s.metrics = append(s.metrics, m)
		return err
	}))
	mux.Handle("POST /v1/logs", s.take(func(body []byte) error {
		l, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(body)
		s.logs = append(s.logs, l)
		return err
	}))
	s.server = httptest.NewServer(mux)
	return s
}

// take keeps a request's body as it came and what read makes of it, under the lock.
func (s *Sink) take(read func(body []byte) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.raw.Write(body)
		s.raw.WriteByte('\n')
		if err == nil {
			err = read(body)
		}
		if err != nil {
			s.bad = append(s.bad, err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	})
}

// URL is where the collector is to hand things on to.
func (s *Sink) URL() string { return s.server.URL }

// Close ends the sink; what it got stays.
func (s *Sink) Close() { s.server.Close() }

// Raw is all that came, as it came.
func (s *Sink) Raw() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw.String()
}

// Bad lists what could not be read.
func (s *Sink) Bad() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bad
}
