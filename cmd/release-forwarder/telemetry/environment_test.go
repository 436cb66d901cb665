package telemetry

import (
	"slices"
	"strings"
	"testing"
)

func TestExportersFollowTheEnvironment(t *testing.T) {
	const endpoint = "http://collector:4318"
	for _, c := range []struct {
		name                  string
		env                   map[string]string
		traces, metrics, logs []string
		warned                string
	}{
		{"nothing is set: nothing is sent", nil, nil, nil, nil, ""},
		{"an endpoint turns all on", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint},
			[]string{"otlp"}, []string{"otlp"}, []string{"otlp"}, ""},
		{"an endpoint of one signal", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint},
			[]string{"otlp"}, nil, nil, ""},
		{"none wins over an endpoint", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_EXPORTER": "none"},
			nil, []string{"otlp"}, []string{"otlp"}, ""},
		{"a name without an endpoint is the default endpoint", map[string]string{"OTEL_TRACES_EXPORTER": "otlp"},
			[]string{"otlp"}, nil, nil, ""},
		{"lists", map[string]string{"OTEL_TRACES_EXPORTER": " otlp, console ,otlp", "OTEL_METRICS_EXPORTER": "otlp,prometheus"},
			[]string{"otlp", "console"}, []string{"otlp"}, nil, ""},
		{"prometheus alone is our own port and no OTLP", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_METRICS_EXPORTER": "prometheus"},
			[]string{"otlp"}, nil, []string{"otlp"}, ""},
		{"prometheus is no exporter of traces", map[string]string{"OTEL_TRACES_EXPORTER": "prometheus"},
			nil, nil, nil, "OTEL_TRACES_EXPORTER: prometheus is not supported"},
		{"an unknown name counts as not set", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_EXPORTER": "zipkin"},
			[]string{"otlp"}, []string{"otlp"}, []string{"otlp"}, "OTEL_TRACES_EXPORTER: zipkin is not supported"},
		{"the SDK is off", map[string]string{"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_EXPORTER": "otlp"},
			nil, nil, nil, ""},
		{"only true is true", map[string]string{"OTEL_SDK_DISABLED": "1", "OTEL_TRACES_EXPORTER": "otlp"},
			[]string{"otlp"}, nil, nil, ""},
		{"an unknown protocol", map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
			[]string{"otlp"}, nil, nil, "OTEL_EXPORTER_OTLP_PROTOCOL: http-json is not supported"},
		{"what is not understood is not repeated", map[string]string{"OTEL_TRACES_EXPORTER": "a token with blanks"},
			nil, nil, nil, "OTEL_TRACES_EXPORTER: ? is not supported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := readEnvironment(func(name string) string { return c.env[name] })
			if !slices.Equal(e.traces, c.traces) || !slices.Equal(e.metrics, c.metrics) || !slices.Equal(e.logs, c.logs) {
				t.Errorf("traces %q, metrics %q, logs %q", e.traces, e.metrics, e.logs)
			}
			if got := strings.Join(e.warnings, "; "); got != c.warned {
				t.Errorf("warnings %q, want %q", got, c.warned)
			}
		})
	}
}

func TestProtocolOfASignalWinsOverTheGeneralOne(t *testing.T) {
	e := readEnvironment(func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf"}[name]
	})
	if e.tracesProto != protocolGRPC || e.metricsProto != protocolGRPC || e.logsProto != protocolHTTP {
		t.Errorf("%q %q %q", e.tracesProto, e.metricsProto, e.logsProto)
	}
}

func TestTraceContextIsTheOnlyPropagator(t *testing.T) {
	for set, want := range map[string]bool{
		"": true, "tracecontext,baggage": true, "tracecontext": true, "baggage": false, "none": false, "b3": false,
	} {
		e := readEnvironment(func(name string) string { return map[string]string{"OTEL_PROPAGATORS": set}[name] })
		if e.propagate != want {
			t.Errorf("OTEL_PROPAGATORS=%q: %v", set, e.propagate)
		}
		if warned := len(e.warnings) > 0; warned != (set == "b3") {
			t.Errorf("OTEL_PROPAGATORS=%q: %q", set, e.warnings)
		}
	}
}
