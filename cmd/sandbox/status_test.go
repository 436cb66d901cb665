package main

import (
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/sandbox/account"
	"release-forwarder/cmd/testkit/platform"
)

func example() status {
	return status{
		Elapsed: 83 * time.Second, Phase: "events flow",
		Progress: account.Progress{Produced: 4150, DeadLetters: 31, Receipts: 4133, Lag: 17},
		Stats: platform.Stats{
			Accepted: 4102, InFlight: 3, Unanswered: 2, Refused: map[string]int{"401": 1}, Scripted: map[string]int{"500": 40, "": 5},
		},
		Retried: 88, inside: inside{Known: true, Held: 12, Open: true}, Faults: []string{"outage"}, ProducedRate: 50, AcceptedRate: 49.6,
	}
}

func TestTheLineForAFile(t *testing.T) {
	want := "  83s  produced 4150  accepted 4102  retried 88  held 12  dead-lettered 31  receipts 4133  lag 17  rate 50/s  [outage]  [circuit open]"
	if got := example().line(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestTheBlockForATerminal(t *testing.T) {
	got := strings.Join(example().block(), "\n")
	for _, want := range []string{
		"1:23", "events flow", "produced     4,150", "accepted     4,102", "retried 88", "in flight 3",
		"500 ×40, unreadable or none ×7, 401 ×1", "held            12", "lag 17", "dead-lettered   31   receipts 4,133", "outage, circuit open",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestWhatOnlyTheForwarderKnowsIsUnknownWithoutIt(t *testing.T) {
	s := example()
	s.inside = inside{}
	if got := s.line(); !strings.Contains(got, "held ?") {
		t.Errorf("got %q", got)
	}
}

func TestMetricsAreSummedOverTheirLabels(t *testing.T) {
	in, err := readMetrics(strings.NewReader(`# TYPE release_forwarder_held_records gauge
release_forwarder_held_records{reason="failed"} 3
release_forwarder_held_records{reason="timeout"} 4
# TYPE release_forwarder_circuit_open gauge
release_forwarder_circuit_open 1
# TYPE release_forwarder_records_accepted_total counter
release_forwarder_records_accepted_total 99
`))
	if want := (inside{Known: true, Held: 7, Open: true}); err != nil || in != want {
		t.Errorf("%+v, %v; want %+v", in, err, want)
	}
	if _, err := readMetrics(strings.NewReader("<html>")); err == nil {
		t.Error("a page of HTML is read as metrics")
	}
}

func TestRatesGoAFewLooksBack(t *testing.T) {
	var r rates
	for i := range 10 {
		at := time.Duration(i) * time.Second
		produced, accepted := r.add(look{at, int64(50 * i), int64(i * i)})
		if i == 0 && (produced != 0 || accepted != 0) {
			t.Errorf("a rate of one look: %v, %v", produced, accepted)
		}
		if i == 9 && (produced != 50 || accepted != (81-36)/3) {
			t.Errorf("rates %v and %v, want 50 and 15", produced, accepted)
		}
	}
}
