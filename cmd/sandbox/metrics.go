package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// inside is what only the forwarder itself knows.
type inside struct {
	// Known says that the forwarder answered.
	Known bool
	// Held records wait for their next delivery; Open says that the circuit is.
	Held int
	Open bool
}

// scrape reads the forwarder's /metrics; zero where it does not answer (yet).
func scrape(ctx context.Context, admin string) inside {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/metrics", nil)
	if err != nil {
		return inside{}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return inside{}
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return inside{}
	}
	in, err := readMetrics(io.LimitReader(response.Body, 8<<20))
	if err != nil {
		return inside{}
	}
	return in
}

// readMetrics reads the Prometheus text format, by the names of docs/reference/metrics.md.
func readMetrics(text io.Reader) (inside, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return inside{}, fmt.Errorf("metrics: %w", err)
	}
	return inside{
		Known: true,
		Held:  int(sum(families["release_forwarder_held_records"])),
		Open:  sum(families["release_forwarder_circuit_open"]) > 0,
	}, nil
}

// sum adds a gauge's values over all its labels.
func sum(family *dto.MetricFamily) float64 {
	total := 0.0
	for _, m := range family.GetMetric() {
		total += m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
	}
	return total
}
