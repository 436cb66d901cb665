package telemetry

import (
	"fmt"
	"slices"
	"strings"
)

// Names of exporters and protocols in the OTEL_ variables.
const (
	exporterOTLP       = "otlp"
	exporterConsole    = "console"
	exporterPrometheus = "prometheus"
	exporterNone       = "none"

	protocolHTTP = "http/protobuf"
	protocolGRPC = "grpc"
)

// environment is what the OTEL_ variables ask for, as far as the SDK does not
// read it itself. Endpoints, headers, time-outs, samplers, limits and intervals
// are read by the SDK and the exporters.
type environment struct {
	disabled                  bool // OTEL_SDK_DISABLED: nothing is exported
	traces, metrics, logs     []string
	tracesProto, metricsProto string
	logsProto                 string
	propagate                 bool     // W3C trace context: read from events, sent to the platform
	warnings                  []string // settings that were ignored, for the log
}

// readEnvironment reads the variables. As the specification demands, a value it
// does not know is warned of and treated as not set, never an error: telemetry
// must not stop the service.
func readEnvironment(get func(string) string) environment {
	e := environment{disabled: strings.EqualFold(strings.TrimSpace(get("OTEL_SDK_DISABLED")), "true")}
	e.traces = e.exporters(get, "TRACES", exporterOTLP, exporterConsole)
	e.metrics = e.exporters(get, "METRICS", exporterOTLP, exporterConsole, exporterPrometheus)
	e.logs = e.exporters(get, "LOGS", exporterOTLP, exporterConsole)
	e.tracesProto = e.protocol(get, "TRACES")
	e.metricsProto = e.protocol(get, "METRICS")
	e.logsProto = e.protocol(get, "LOGS")
	e.propagate = e.propagators(get)
	if e.disabled {
		e.traces, e.metrics, e.logs = nil, nil, nil
	}
	return e
}

// exporters returns the exporters of a signal. Not set: otlp where an endpoint
// is, else none. The SDK's own default would be otlp to a collector on this
// host, which fails indefinitely where there is none.
func (e *environment) exporters(get func(string) string, signal string, known ...string) []string {
	variable := "OTEL_" + signal + "_EXPORTER"
	var names []string
	none := false
	for _, name := range split(get(variable)) {
		switch {
		case name == exporterNone:
			none = true
		case !slices.Contains(known, name):
			e.warn(variable, name)
		case !slices.Contains(names, name):
			names = append(names, name)
		}
	}
	switch {
	case none:
		return nil
	case len(names) > 0:
		// The metrics are always served on our own port; asking for it by
		// name is not asking for OTLP.
		return slices.DeleteFunc(names, func(n string) bool { return n == exporterPrometheus })
	case hasEndpoint(get, signal):
		return []string{exporterOTLP}
	}
	return nil
}

func hasEndpoint(get func(string) string, signal string) bool {
	return get("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || get("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
}

func (e *environment) protocol(get func(string) string, signal string) string {
	for _, variable := range []string{"OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		switch value := strings.TrimSpace(get(variable)); value {
		case "":
		case protocolGRPC, protocolHTTP:
			return value
		default:
			e.warn(variable, value)
		}
	}
	return protocolHTTP
}

// propagators says whether the W3C trace context is in use. It is the only one
// ever used: baggage would carry an event's data to the platform as a header.
func (e *environment) propagators(get func(string) string) bool {
	names := split(get("OTEL_PROPAGATORS"))
	if len(names) == 0 {
		return true
	}
	for _, name := range names {
		if !slices.Contains([]string{"tracecontext", "baggage", exporterNone}, name) {
			e.warn("OTEL_PROPAGATORS", name)
		}
	}
	return slices.Contains(names, "tracecontext")
}

func (e *environment) warn(variable, value string) {
	w := fmt.Sprintf("%s: %s is not supported", variable, Sanitize(strings.ReplaceAll(value, "/", "-")))
	if !slices.Contains(e.warnings, w) {
		e.warnings = append(e.warnings, w)
	}
}

// split returns the parts of a list, trimmed, in lower case, without empty ones.
func split(list string) []string {
	var parts []string
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.ToLower(strings.TrimSpace(part)); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
