package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/settings"
)

func TestAnUnknownFormatIsNotTakenForAnother(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("lines are written in a format that was not asked for")
		}
	}()
	NewLogHandler(&bytes.Buffer{}, slog.LevelInfo, "logfmt")
}

func TestLinesAreJSONWithStableKeys(t *testing.T) {
	var out bytes.Buffer
	slog.New(NewLogHandler(&out, slog.LevelInfo, settings.FormatJSON)).Info("joined", "topic", "releases", "took", 1500*time.Millisecond)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["level"] != "INFO" || line["msg"] != "joined" || line["topic"] != "releases" || line["took"] != "1.5s" {
		t.Errorf("%s", out.String())
	}
	stamp, _ := line["time"].(string)
	if at, err := time.Parse(time.RFC3339Nano, stamp); err != nil || at.Location() != time.UTC {
		t.Errorf("time %q is not UTC", stamp)
	}
	if _, there := line["trace_id"]; there {
		t.Error("a trace ID without a span")
	}
}

func TestLinesOfASpanCarryItsIDs(t *testing.T) {
	tel, out := start(t, nil) // exports nothing
	ctx, span := tel.Tracer.StartDelivery(t.Context(), Record{Topic: "releases"})
	tel.Logger.With("topic", "releases").InfoContext(ctx, "delivered")
	var line struct {
		TraceID string `json:"trace_id"`
		SpanID  string `json:"span_id"`
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	sc := span.SpanContext()
	if line.TraceID != sc.TraceID().String() || line.SpanID != sc.SpanID().String() || len(line.TraceID) != 32 {
		t.Errorf("%s", out.String())
	}
}

func TestTextFormatAndLevel(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(NewLogHandler(&out, slog.LevelWarn, settings.FormatText))
	logger.Info("quiet")
	logger.Warn("loud")
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "level=WARN msg=loud") {
		t.Error(got)
	}
}

func TestExportersErrorsAreShownWithoutWhatTheyQuote(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"query of the endpoint", `Post "http://collector:4318/v1/traces?token=abc": dial tcp: connection refused`, `Post "http://collector:4318/v1/traces?…": dial tcp: connection refused`},
		{"the collector's answer", "failed to send (400), body: plate=B12345", "failed to send (400),"},
		{"bytes", "bad \xff byte", "bad \uFFFD byte"},
		{"length", strings.Repeat("车", 1000), strings.Repeat("车", 100) + "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := cleanError(errors.New(c.text)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestTheSDKsOwnLogShowsNoValues(t *testing.T) {
	out := &bytes.Buffer{}
	logger := newSDKLogger(slog.New(NewLogHandler(out, slog.LevelDebug, settings.FormatJSON)))
	logger.Error(errors.New("missing '='"), "parse headers", "input", "authorization:Bearer s3cr3t")
	logger.V(1).Info("parse duration", "environment variable", "OTEL_BSP_SCHEDULE_DELAY", "value", "10s")
	logger.V(4).Info("TracerProvider created", "config", "everything")
	got := out.String()
	if strings.Contains(got, "s3cr3t") || strings.Contains(got, "everything") {
		t.Error(got)
	}
	for _, want := range []string{"parse headers", "OTEL_BSP_SCHEDULE_DELAY", `"level":"WARN"`} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %s: %s", want, got)
		}
	}
}

func TestSanitize(t *testing.T) {
	long := strings.Repeat("a", 64)
	for in, want := range map[string]string{
		"PARKUUID-1.x_Y": "PARKUUID-1.x_Y", "1001": "1001", long: long,
		"": "?", long + "a": "?", "粤B12345": "?", "a b": "?", "a\n": "?", "\xff": "?", "a=b": "?", "<b>": "?",
	} {
		if got := Sanitize(in); got != want {
			t.Errorf("Sanitize(%q) = %q, want %q", in, got, want)
		}
	}
}
