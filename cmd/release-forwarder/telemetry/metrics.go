package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/otlptranslator"
	goruntime "go.opentelemetry.io/contrib/instrumentation/runtime"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// scopeName is the instrumentation scope of the service's own spans and metrics.
const scopeName = "release-forwarder/cmd/release-forwarder/telemetry"

// maxSeries bounds the series of one metric. reading_paused has three for each
// partition, so that this is enough for 3,000 partitions on one replica; the
// SDK's default, 2,000, is not.
const maxSeries = 10_000

func (t *Telemetry) startMetrics(ctx context.Context, cfg Config, env environment, res *resource.Resource) ([]string, error) {
	scraped, err := otelprom.New(
		otelprom.WithRegisterer(t.registry),
		otelprom.WithoutScopeInfo(),
		otelprom.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes),
	)
	if err != nil {
		return nil, err
	}
	options := []sdkmetric.Option{
		sdkmetric.WithResource(res), sdkmetric.WithReader(scraped), sdkmetric.WithCardinalityLimit(maxSeries),
	}
	exporters, problems := metricExporters(ctx, env, outlet(cfg.Writer, lineConsole))
	for _, e := range exporters {
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(e)))
	}
	t.meterProvider = sdkmetric.NewMeterProvider(options...)
	if t.Instruments, err = newInstruments(t.meterProvider.Meter(scopeName), cfg); err != nil {
		return problems, err
	}
	if t.Tracer.duration, err = newRequestDuration(t.meterProvider.Meter(scopeName)); err != nil {
		return problems, err
	}
	if err := goruntime.Start(goruntime.WithMeterProvider(t.meterProvider)); err != nil {
		return problems, err
	}
	// Resident memory, CPU and open files; read from /proc at a scrape.
	return problems, t.registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// completed adds what OpenTelemetry cannot express: a histogram that has
// counted nothing yet. Without it delivery_seconds would not exist before the
// first acceptance, and an alert on it could not tell silence from absence.
type completed struct{ next prometheus.Gatherer }

// Gather implements prometheus.Gatherer.
func (c completed) Gather() ([]*dto.MetricFamily, error) {
	families, err := c.next.Gather()
	for row, buckets := range map[*Instrument][]float64{&deliverySeconds: deliveryBuckets, &drainSeconds: drainBuckets} {
		i, found := slices.BinarySearchFunc(families, row.FullName(), func(f *dto.MetricFamily, n string) int {
			return cmp.Compare(f.GetName(), n)
		})
		if !found {
			families = slices.Insert(families, i, emptyHistogram(*row, buckets))
		}
	}
	return families, err
}

func emptyHistogram(row Instrument, bounds []float64) *dto.MetricFamily {
	var zero uint64
	var sum float64
	histogram := &dto.Histogram{SampleCount: &zero, SampleSum: &sum}
	for _, bound := range bounds {
		histogram.Bucket = append(histogram.Bucket, &dto.Bucket{UpperBound: &bound, CumulativeCount: &zero})
	}
	name, help, kind := row.FullName(), row.Meaning, dto.MetricType_HISTOGRAM
	return &dto.MetricFamily{Name: &name, Help: &help, Type: &kind, Metric: []*dto.Metric{{Histogram: histogram}}}
}

// scrapeLog takes what went wrong in a scrape.
type scrapeLog struct{ logger *slog.Logger }

// Println implements promhttp.Logger.
func (l scrapeLog) Println(v ...any) {
	eventScrapeFailed.Log(l.logger, slog.String("error", cleanError(fmt.Errorf("%s", fmt.Sprint(v...)))))
}
