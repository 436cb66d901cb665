package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/telemetry/otelenv"
)

// ServiceName is service.name unless OTEL_SERVICE_NAME or
// OTEL_RESOURCE_ATTRIBUTES say otherwise.
const ServiceName = "release-forwarder"

// Config is what Start needs. The OTEL_ variables are read from the process's
// environment, where the SDK reads them too.
type Config struct {
	// Writer takes the log lines, and the exporter console; nil is standard
	// error. Only a [Queue] keeps those who write from waiting for its reader.
	Writer io.Writer
	// LogLevel is LOG_LEVEL; nil is info.
	LogLevel slog.Leveler
	// LogFormat is LOG_FORMAT.
	LogFormat settings.Format
	// Build is the program's version, for build_info and the resource.
	Build Build
	// SettingsHash is [settings.Settings.Hash], for settings_info.
	SettingsHash string
	// Group and ClientID are KAFKA_GROUP_ID and KAFKA_CLIENT_ID, for spans.
	Group, ClientID string
	// Ignoring are the profiles of MAPPING_FILE that say to ignore records.
	Ignoring []string
}

// Telemetry is the running telemetry. Its fields are set by Start and not
// changed after.
type Telemetry struct {
	// Logger writes to standard error and, where asked for, by OTLP; its
	// repeats are limited. See [Limiter].
	Logger *slog.Logger
	// Instruments counts.
	Instruments *Instruments
	// Tracer makes the spans.
	Tracer *Tracer

	registry *prometheus.Registry
	limiter  *Limiter

	tracerProvider *sdktrace.TracerProvider
	meterProvider  *sdkmetric.MeterProvider
	loggerProvider *sdklog.LoggerProvider // nil where no log is exported

	spans, logs account
}

// Start sets telemetry up. It contacts nothing: exporters connect when there is
// something to send. What is wrong with an OTEL_ variable is a warning in the
// log; an error means that the metrics could not be laid out.
//
// It takes over the process's OpenTelemetry error handler and logger, package log and
// gRPC's logger, which would write plain lines to standard error.
func Start(ctx context.Context, cfg Config) (*Telemetry, error) {
	if cfg.Writer == nil {
		cfg.Writer = os.Stderr
	}
	warnings := otelenv.Check()
	env := readEnvironment(os.Getenv)
	warnings = append(warnings, env.warnings...)
	res, err := newResource(ctx, cfg.Build)
	if err != nil {
		warnings = append(warnings, "OTEL_RESOURCE_ATTRIBUTES: "+fmt.Sprintf("%T", err))
	}
	t := &Telemetry{registry: prometheus.NewRegistry()}
	// What is wrong with the logs' own exporters is said before there is a logger of
	// theirs.
	takeOver(slog.New(named{NewLogHandler(cfg.Writer, slog.LevelInfo, cfg.LogFormat)}))
	problems := t.startLogs(ctx, cfg, env, res)
	takeOver(t.Logger)

	more := t.startTraces(ctx, cfg, env, res)
	problems = append(problems, more...)
	more, err = t.startMetrics(ctx, cfg, env, res)
	problems = append(problems, more...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("telemetry: metrics: %w", err), t.Shutdown(ctx))
	}
	for _, p := range append(warnings, problems...) {
		eventTelemetrySetup.LogContext(ctx, t.Logger, slog.String("what", p))
	}
	return t, nil
}

// takeOver lets a logger have what the OpenTelemetry SDK and other libraries say.
func takeOver(logger *slog.Logger) {
	libraries.logger.Store(logger)
	capture()
	otel.SetErrorHandler(errorHandler{logger})
	otel.SetLogger(newSDKLogger(logger))
}

// newResource says who reports. The environment comes last and wins. The
// command line is left out on purpose: arguments must not be exported.
func newResource(ctx context.Context, build Build) (*resource.Resource, error) {
	return resource.New(ctx,
		resource.WithSchemaURL(semconv.SchemaURL),
		resource.WithAttributes(semconv.ServiceName(ServiceName), semconv.ServiceVersion(build.Version)),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(),
	)
}

func (t *Telemetry) startLogs(ctx context.Context, cfg Config, env environment, res *resource.Resource) []string {
	var level slog.Leveler = slog.LevelInfo
	if cfg.LogLevel != nil {
		level = cfg.LogLevel
	}
	handler := newByKind(cfg.Writer, level, cfg.LogFormat)
	exporters, problems := logExporters(ctx, env, outlet(cfg.Writer, lineConsole))
	if len(exporters) > 0 {
		options := []sdklog.LoggerProviderOption{sdklog.WithResource(res), sdklog.WithProcessor(logCounter{&t.logs})}
		for _, e := range exporters {
			options = append(options, sdklog.WithProcessor(sdklog.NewBatchProcessor(countedLogs{e, t.logs.exporter()})))
		}
		t.loggerProvider = sdklog.NewLoggerProvider(options...)
		handler = slog.NewMultiHandler(handler, exported(t.loggerProvider, level))
	}
	t.limiter = NewLimiter(named{handler}, LimitFirst, LimitWindow)
	t.Logger = slog.New(t.limiter)
	return problems
}

func (t *Telemetry) startTraces(ctx context.Context, cfg Config, env environment, res *resource.Resource) []string {
	exporters, problems := spanExporters(ctx, env, outlet(cfg.Writer, lineConsole))
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)}
	if len(exporters) == 0 {
		// Not the no-op provider: its spans have no trace ID, and logs and
		// dead letters need one whether or not traces are exported.
		options = append(options, sdktrace.WithSampler(sdktrace.NeverSample()))
	}
	if len(exporters) > 0 {
		options = append(options, sdktrace.WithSpanProcessor(spanCounter{&t.spans}))
	}
	for _, e := range exporters {
		options = append(options, sdktrace.WithBatcher(countedSpans{e, t.spans.exporter()}))
	}
	t.tracerProvider = sdktrace.NewTracerProvider(options...)
	t.Tracer = newTracer(t.tracerProvider, cfg, env.propagate)
	t.Tracer.discarded = len(exporters) == 0
	return problems
}

// MetricsHandler serves /metrics in the Prometheus and OpenMetrics formats. A
// series that cannot be rendered costs itself, not the scrape.
func (t *Telemetry) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(completed{t.registry}, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		ErrorHandling:     promhttp.ContinueOnError,
		ErrorLog:          scrapeLog{t.Logger},
	})
}

// Shutdown sends what waits and ends the exporters, all signals at the same
// time, until ctx ends: a collector that hangs would otherwise hold the process
// for half a minute. The error says what was not sent; it is nothing to fail
// for.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	t.limiter.Flush(ctx)
	var ends []func(context.Context) error
	if t.tracerProvider != nil {
		ends = append(ends, t.tracerProvider.Shutdown)
	}
	if t.meterProvider != nil {
		ends = append(ends, t.meterProvider.Shutdown)
	}
	if t.loggerProvider != nil {
		ends = append(ends, t.loggerProvider.Shutdown)
	}
	errs := make([]error, len(ends))
	var wg sync.WaitGroup
	for i, end := range ends {
		wg.Go(func() {
			if err := end(ctx); err != nil {
				errs[i] = errors.New("telemetry: shutdown: " + cleanError(err))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
