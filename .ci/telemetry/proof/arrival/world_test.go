// Package arrival proves on a real forwarder and a real OpenTelemetry Collector that traces, metrics and log lines arrive
// as the documents say, and that nothing arrives that must not. run.sh builds what it needs.
package arrival

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"proof/received"
	"proof/stage"
	"release-forwarder/cmd/testkit/process"
)

// patience bounds what must come in the end.
const patience = 30 * time.Second

// world is a stage with a collector beside it.
type world struct {
	*stage.Stage
	t         *testing.T
	sink      *received.Sink
	collector *stage.Collector
}

func open(t *testing.T, secret string) *world {
	t.Helper()
	dir := t.TempDir()
	forwarder, err := stage.Built("FORWARDER", "forwarder")
	must(t, err)
	collector, err := stage.Built("COLLECTOR", "collector")
	must(t, err)
	config, err := filepath.Abs("../../collector/config.yaml")
	must(t, err)
	w := &world{t: t, sink: received.Open()}
	t.Cleanup(w.sink.Close)
	w.Stage, err = stage.Open(forwarder, dir, secret)
	must(t, err)
	t.Cleanup(w.Close)
	w.collector, err = stage.StartCollector(t.Context(), collector, config, dir, w.sink.URL())
	must(t, err)
	t.Cleanup(w.collector.Kill)
	return w
}

// start starts a forwarder that sends all it has to the collector, over the protocol named.
func (w *world) start(name, protocol string, settings map[string]string) *stage.Forwarder {
	w.t.Helper()
	endpoint := map[string]string{"grpc": w.collector.GRPC, "http/protobuf": w.collector.HTTP}[protocol]
	all := map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
		"OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_BLRP_SCHEDULE_DELAY": "200", "OTEL_METRIC_EXPORT_INTERVAL": "500",
		"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=proof",
	}
	for setting, value := range settings {
		all[setting] = value
	}
	f, err := w.Start(name, all)
	must(w.t, err)
	return f
}

// until waits for what must come.
func (w *world) until(ask func() error) {
	w.t.Helper()
	must(w.t, process.Until(w.t.Context(), patience, ask))
}

func (w *world) send(records ...*kgo.Record) {
	w.t.Helper()
	must(w.t, w.Send(w.t.Context(), records...))
}

// event is a record with the fields given above those of an event that is right.
func event(partition int32, flow string, fields map[string]any, headers ...kgo.RecordHeader) *kgo.Record {
	all := map[string]any{"park_uuid": "lot-1", "flow_no": flow, "parking_serial": "serial-" + flow, "plate": "粤B12345"}
	for name, value := range fields {
		all[name] = value
	}
	value, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return &kgo.Record{Topic: stage.Topic, Partition: partition, Value: value, Headers: headers}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// settled waits until the forwarder has committed all that was sent.
func (w *world) settled(f *stage.Forwarder) {
	w.t.Helper()
	w.until(func() error { return w.Settled(w.t.Context(), f) })
}

// stopped stops the forwarders as an operator does, then the collector: each sends what waits before it ends.
func (w *world) stopped(forwarders ...*stage.Forwarder) {
	w.t.Helper()
	for _, f := range forwarders {
		if !f.Stop(patience) || f.Err() != nil {
			w.t.Fatalf("%s: %v\n%s", f.Name, f.Err(), f.Tail(20))
		}
	}
	if !w.collector.Stop(patience) || w.collector.Err() != nil {
		w.t.Fatalf("the collector: %v\n%s", w.collector.Err(), w.collector.Tail(20))
	}
}

// found is the one span, line or whatever else that satisfies the condition.
func found[T any](t *testing.T, what string, all []T, is func(T) bool) T {
	t.Helper()
	var got []T
	for _, one := range all {
		if is(one) {
			got = append(got, one)
		}
	}
	if len(got) != 1 {
		t.Fatalf("%s: %d came, want 1: %+v", what, len(got), got)
	}
	return got[0]
}
