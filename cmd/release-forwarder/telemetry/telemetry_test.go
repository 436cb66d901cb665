package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
)

// collector is an OTLP/HTTP collector that keeps what it gets by path.
type collector struct {
	*httptest.Server
	mu   sync.Mutex
	got  map[string]string
	hang chan struct{} // nil: answers at once
}

func newCollector(t *testing.T, hang chan struct{}) *collector {
	t.Helper()
	c := &collector{got: map[string]string{}, hang: hang}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.hang != nil {
			<-c.hang
		}
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got[r.URL.Path] += string(body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) at(path string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got[path]
}

func TestAllSignalsReachTheCollectorBeforeTheEnd(t *testing.T) {
	c := newCollector(t, nil)
	tel, lines := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"})
	ctx, span := tel.Tracer.StartDelivery(t.Context(), Record{Topic: "releases"})
	tel.Logger.DebugContext(ctx, "below the level")
	tel.Logger.InfoContext(ctx, "delivered", "what", "bad \xff byte", "err", errors.New("an error"))
	lotRefused.LogContext(ctx, tel.Logger)
	tel.Instruments.Accepted()
	tel.Tracer.EndDelivery(span, "accepted", false)
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/v1/traces": "process releases", "/v1/metrics": "release_forwarder.records_accepted", "/v1/logs": "delivered",
	} {
		got := c.at(path)
		for _, part := range []string{want, "release-forwarder", "deployment.environment.name"} {
			if !strings.Contains(got, part) {
				t.Errorf("%s lacks %q", path, part)
			}
		}
	}
	if logs := c.at("/v1/logs"); strings.Contains(logs, "below the level") || strings.Contains(logs, "exception") ||
		!strings.Contains(logs, "lot-refused") || !strings.Contains(logs, lotRefused.Remedy) {
		t.Errorf("logs: %q", logs)
	}
	if !strings.Contains(lines.String(), "delivered") {
		t.Error("standard error has no line")
	}
	if spans, logs := tel.Dropped(); spans != 0 || logs != 0 {
		t.Errorf("%d spans and %d log records are said to be dropped", spans, logs)
	}
	scrape(t, tel) // one after the end is answered
}

func TestShutdownEndsWithItsContextThoughTheCollectorHangs(t *testing.T) {
	hang := make(chan struct{})
	c := newCollector(t, hang)
	defer close(hang) // before the server's Close, which waits for its requests
	tel, _ := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL})
	for range 3 {
		_, span := tel.Tracer.StartDelivery(t.Context(), Record{Topic: "releases"})
		tel.Tracer.EndDelivery(span, "accepted", false)
	}
	tel.Logger.Info("delivered")
	tel.Logger.Info("delivered")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tel.Shutdown(ended); err == nil {
		t.Error("what was not sent is not reported")
	}
	if spans, logs := tel.Dropped(); spans != 3 || logs != 2 {
		t.Errorf("%d spans and %d log records are said to be dropped, want 3 and 2", spans, logs)
	}
}

func TestTheEnvironmentNamesTheService(t *testing.T) {
	for _, c := range []struct{ name, variable, value, want string }{
		{"default", "OTEL_SERVICE_NAME", "", `service_name="release-forwarder"`},
		{"by name", "OTEL_SERVICE_NAME", "gate-north", `service_name="gate-north"`},
		{"by attributes", "OTEL_RESOURCE_ATTRIBUTES", "service.name=gate-south", `service_name="gate-south"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tel, _ := start(t, map[string]string{c.variable: c.value})
			if body := scrape(t, tel); !strings.Contains(body, c.want) {
				t.Errorf("target_info lacks %s", c.want)
			}
		})
	}
}

func TestMetricsAreServedWhateverTheExporter(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"none":         {"OTEL_METRICS_EXPORTER": "none"},
		"prometheus":   {"OTEL_METRICS_EXPORTER": "prometheus"},
		"SDK disabled": {"OTEL_SDK_DISABLED": "true"},
		"unknown":      {"OTEL_METRICS_EXPORTER": "statsd"},
	} {
		t.Run(name, func(t *testing.T) {
			tel, _ := start(t, env)
			tel.Instruments.Accepted()
			if !strings.Contains(scrape(t, tel), "release_forwarder_records_accepted_total 1\n") {
				t.Error("not served")
			}
		})
	}
}

func TestPrometheusOpensNoSecondPort(t *testing.T) {
	// An address that the SDK's own server could not bind: were it tried, the
	// error would be logged.
	_, lines := start(t, map[string]string{
		"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_HOST": "256.256.256.256",
	})
	if lines.Len() > 0 {
		t.Error(lines.String())
	}
}

func TestOpenMetricsIsServedWithExemplars(t *testing.T) {
	c := newCollector(t, nil)
	tel, _ := start(t, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.URL})
	ctx, span := tel.Tracer.StartDelivery(t.Context(), Record{Topic: "releases"})
	tel.Instruments.Delivered(ctx, 0.02)
	tel.Tracer.EndDelivery(span, "accepted", false)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	tel.MetricsHandler().ServeHTTP(w, r)
	if body := w.Body.String(); !strings.Contains(body, `trace_id="`+TraceID(ctx)+`"`) || !strings.HasSuffix(body, "# EOF\n") {
		t.Error("no exemplar with the delivery's trace ID")
	}
}

func TestWrongVariablesAreWarnedOfAndDoNotStopTheStart(t *testing.T) {
	_, lines := start(t, map[string]string{
		"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_PROPAGATORS": "b3", "OTEL_RESOURCE_ATTRIBUTES": "no equals sign",
	})
	for _, want := range []string{"OTEL_TRACES_EXPORTER: zipkin", "OTEL_PROPAGATORS: b3", "OTEL_RESOURCE_ATTRIBUTES"} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("no warning of %s: %s", want, lines)
		}
	}
}

// From the first exporter on, which is the logs' own.
func TestAVariableThatCannotBeUsedIsNamedInALogLineWithoutItsValue(t *testing.T) {
	c := newCollector(t, nil)
	_, lines := start(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
		"OTEL_EXPORTER_OTLP_HEADERS": "authorization=s3cr3t,broken", "OTEL_BLRP_SCHEDULE_DELAY": "s3cr3t",
	})
	got := lines.String()
	for _, want := range []string{"OTEL_EXPORTER_OTLP_HEADERS cannot be used", "OTEL_BLRP_SCHEDULE_DELAY cannot be used"} {
		if !strings.Contains(got, want) {
			t.Errorf("no warning %s", want)
		}
	}
	if strings.Contains(got, "s3cr3t") {
		t.Error("a value is shown")
	}
	if t.Failed() {
		t.Log(got)
	}
}

// Each of these ended the process, took its memory or sent into the void before.
func TestNoVariableStopsTheStart(t *testing.T) {
	c := newCollector(t, nil)
	for name, value := range map[string]string{
		"OTEL_BSP_MAX_QUEUE_SIZE": "-1", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "-1", "OTEL_BLRP_MAX_QUEUE_SIZE": "99999999999",
		"OTEL_BSP_SCHEDULE_DELAY": "0", "OTEL_EXPORTER_OTLP_TIMEOUT": "-1", "OTEL_TRACES_SAMPLER": "always", "OTEL_EXPORTER_OTLP_INSECURE": "1",
		"OTEL_METRICS_EXEMPLAR_FILTER": "none", "OTEL_EXPORTER_OTLP_COMPRESSION": "zip", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "collector:4318",
	} {
		t.Run(name, func(t *testing.T) {
			_, lines := start(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, name: value})
			if got := lines.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"what":"`+name+` cannot be used: `) {
				t.Errorf("want one line that names it: %s", got)
			}
		})
	}
}

func TestTheSDKsErrorsAreLimitedLogLines(t *testing.T) {
	_, lines := start(t, nil)
	for range 200 {
		otel.Handle(errors.New(`Post "http://collector/v1/traces?token=s3cr3t": connection refused`))
	}
	got := lines.String()
	if n := strings.Count(got, "\n"); n != LimitFirst {
		t.Errorf("%d lines", n)
	}
	if !strings.Contains(got, "telemetry export failed") || strings.Contains(got, "s3cr3t") {
		t.Error(got)
	}
}

func TestTheConsoleIsStandardError(t *testing.T) {
	tel, lines := start(t, map[string]string{"OTEL_TRACES_EXPORTER": "console"})
	_, span := tel.Tracer.StartDelivery(t.Context(), Record{Topic: "releases"})
	tel.Tracer.EndDelivery(span, "accepted", false)
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(lines.Bytes(), []byte("process releases")) {
		t.Error("the span is not there")
	}
}

func TestShutdownSaysWhatWasSuppressed(t *testing.T) {
	tel, lines := start(t, nil)
	for range LimitFirst + 3 {
		tel.Logger.LogAttrs(t.Context(), slog.LevelWarn, "held")
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(lines.String(), `"msg":"log lines suppressed","of":"held","suppressed":3`) {
		t.Error(lines.String())
	}
}
