package telemetry

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"github.com/go-logr/logr"
)

// maxErrorText bounds an exporter's error in a log line, in bytes.
const maxErrorText = 300

var urlQuery = regexp.MustCompile(`\?[^\s"']*`)

// cleanError is an exporter's error as a log line may show it: in valid UTF-8,
// bounded, without a URL's query and without what the collector answered.
func cleanError(err error) string {
	text, _, _ := strings.Cut(strings.ToValidUTF8(err.Error(), "\uFFFD"), "body:")
	text = urlQuery.ReplaceAllString(text, "?…")
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + "…"
	}
	return strings.TrimSpace(text)
}

// invalidVariable begins what the SDK says of a variable, the whole value behind it.
var invalidVariable = regexp.MustCompile(`^invalid (OTEL_[A-Z0-9_]+) value `)

// errorHandler reports what the SDK could not export. It is asked for each lost
// batch; the limiter behind the logger keeps that few lines. Of a variable that
// cannot be used only the name is shown.
type errorHandler struct{ logger *slog.Logger }

// Handle implements otel.ErrorHandler.
func (h errorHandler) Handle(err error) {
	if found := invalidVariable.FindStringSubmatch(err.Error()); found != nil {
		eventTelemetrySetup.Log(h.logger, slog.String("what", found[1]+" cannot be used as it is"))
		return
	}
	eventTelemetryExport.Log(h.logger, slog.String("error", cleanError(err)))
}

// sdkSink takes the SDK's own log: warnings and errors only. Of their values
// only the name of a variable is shown, since the SDK quotes settings it cannot
// parse, OTEL_EXPORTER_OTLP_HEADERS with its token among them.
type sdkSink struct{ logger *slog.Logger }

func newSDKLogger(logger *slog.Logger) logr.Logger { return logr.New(sdkSink{logger}) }

// Init implements logr.LogSink.
func (sdkSink) Init(logr.RuntimeInfo) {}

// sdkWarning is the verbosity the SDK uses for warnings; 4 is its info and 8
// its debug.
const sdkWarning = 1

// Enabled implements logr.LogSink.
func (sdkSink) Enabled(verbosity int) bool { return verbosity <= sdkWarning }

// Info implements logr.LogSink.
func (s sdkSink) Info(_ int, msg string, keysAndValues ...any) { s.log(msg, keysAndValues) }

// Error implements logr.LogSink.
func (s sdkSink) Error(err error, msg string, keysAndValues ...any) {
	s.log(msg, keysAndValues, slog.String("error_type", fmt.Sprintf("%T", err)))
}

// WithValues implements logr.LogSink.
func (s sdkSink) WithValues(...any) logr.LogSink { return s }

// WithName implements logr.LogSink.
func (s sdkSink) WithName(string) logr.LogSink { return s }

func (s sdkSink) log(what string, keysAndValues []any, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("what", strings.ToValidUTF8(what, "?")))
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		if keysAndValues[i] == "environment variable" {
			attrs = append(attrs, slog.Any("variable", keysAndValues[i+1]))
		}
	}
	eventTelemetrySetup.Log(s.logger, attrs...)
}
