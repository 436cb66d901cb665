package acceptance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
)

// codecScenarios: every compression that a producer can choose.
func codecScenarios() []scenario {
	var all []scenario
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		all = append(all, scenario{name: "codec " + name, run: func(t *testing.T) {
			w := newWorld(t, plan{partitions: 2})
			w.start()
			producer := w.producer(kgo.ProducerBatchCompression(codec))
			for range 5 { // batches of several records, and several batches
				w.produceBy(producer, w.releases(20, 2)...)
			}
			w.drained()
			w.noDeadLetters()
			w.acceptedOnce(w.produced()...)
		}})
	}
	return byName(all)
}

// securityScenarios: every way to a broker but the plain one, which the others
// take.
func securityScenarios() []scenario {
	var all []scenario
	for _, n := range []need{
		{listener: "SSL"}, {listener: "MTLS"},
		{listener: "SASL_PLAINTEXT", mechanism: "PLAIN"}, {listener: "SASL_PLAINTEXT", mechanism: "SCRAM-SHA-256"}, {listener: "SASL_PLAINTEXT", mechanism: "SCRAM-SHA-512"},
		{listener: "SASL_SSL", mechanism: "PLAIN"}, {listener: "SASL_SSL", mechanism: "SCRAM-SHA-256"}, {listener: "SASL_SSL", mechanism: "SCRAM-SHA-512"},
	} {
		all = append(all, scenario{name: strings.TrimSpace("over " + n.listener + " " + n.mechanism), run: func(t *testing.T) {
			w := newWorld(t, plan{need: n})
			f := w.start().ready()
			bad := w.raw(0, []byte("not JSON"))
			w.produce(append(w.releases(10, 1), bad)...)
			w.drained()
			w.checkDeadLetter(t, bad, map[string]string{"reason": "invalid-json"})
			f.stop()
		}})
	}
	return all
}

func recordScenarios() []scenario {
	return []scenario{
		{name: "records with null keys, headers, without headers", run: func(t *testing.T) {
			w := newWorld(t, plan{})
			w.start()
			nullKey, emptyKey, bare, many := w.release(0), w.release(0), w.release(0), w.release(0)
			nullKey.record.Key = nil
			emptyKey.record.Key = []byte{}
			bare.record.Headers = nil
			for i := range 50 {
				many.record.Headers = append(many.record.Headers, kgo.RecordHeader{Key: fmt.Sprint(i), Value: nil})
			}
			w.produce(nullKey, emptyKey, bare, many)
			w.drained()
			w.noDeadLetters()
			w.acceptedOnce(w.produced()...)
		}},
		{name: "a record of 1 MiB", run: func(t *testing.T) {
			large := map[string]string{"max.message.bytes": "4194304"}
			w := newWorld(t, plan{topicConfig: large, dlqConfig: large})
			w.start()
			good := w.release(0, "ignored", strings.Repeat("x", 1<<20))
			nested := w.raw(0, []byte(strings.Repeat("[", 1<<20)))
			w.produce(w.release(0), good, nested, w.release(0))
			w.drained()
			w.acceptedOnce(good)
			w.checkDeadLetter(t, nested, map[string]string{"reason": "invalid-json", "stage": "mapping"})
		}},
		{name: "the request holds what the event says", run: func(t *testing.T) {
			for _, encoding := range []string{"form", "multipart"} {
				w := newWorld(t, plan{settings: map[string]string{"UPSTREAM_ENCODING": encoding}})
				w.start()
				e := w.release(0, "plate", "　"+plantedPlate+" ", "car_type", "贵宾车辆(免费车)", "plate_color", "green", "operate_time", 1772328601000, "app_id", "x", "unknown", []int{1})
				w.produce(e)
				w.drained()
				got := w.platform.Accepted()[0]
				want := map[string]string{
					"app_id": appID, "park_uuid": "lot-a", "flow_no": e.flow.No, "parking_serial": e.orderKey, "plate": plantedPlate, "plate_color": "5", "car_type": "3",
					"car_desc": plantedDesc, "enter_time": "2026-03-01T00:00:00Z", "leave_time": "2026-03-01T01:30:00Z", "operate_time": "2026-03-01T01:30:01Z",
					"operator": plantedOperator, "reason": strings.TrimSpace(plantedReason), "sign": got.Params["sign"],
				}
				if fmt.Sprint(got.Params) != fmt.Sprint(want) {
					t.Errorf("%s: sent %v, want %v", encoding, got.Params, want)
				}
			}
		}},
	}
}

// acceptedOnce checks that each event was sent and accepted exactly once.
func (w *world) acceptedOnce(events ...*event) {
	w.t.Helper()
	for _, e := range events {
		if got := w.platform.Tally(e.flow); got != (platform.Tally{Received: 1, Accepted: 1}) {
			w.t.Errorf("the event at %+v: %+v, want one request, accepted", e.origin(), got)
		}
	}
}
