package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var dawn = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func after(seconds float64) time.Time { return dawn.Add(time.Duration(seconds * float64(time.Second))) }

// peaceful is a run of ten records, one a second, two of each session: produced,
// sent a tenth later, accepted a tenth after that, committed within the second.
func peaceful() records {
	r := records{cluster: "c", acked: map[string]bool{}, flows: map[string]*visits{}, commits: map[int32][]sighting{}, rate: 1}
	for i := range 10 {
		flow := fmt.Sprintf("F-%d", i)
		t := float64(i)
		r.log = append(r.log, entry{0, int64(i), after(t), flow, fmt.Sprintf("S-%d", i/2)})
		r.acked[flow] = true
		r.flows[flow] = &visits{arrivals: []time.Time{after(t + .1)}, accepts: []time.Time{after(t + .2)}}
		r.commits[0] = append(r.commits[0], sighting{after(t + .9), int64(i + 1), ""})
	}
	return r
}

// again lets a record arrive and be accepted once more.
func (r *records) again(flow string, at float64) {
	v := r.flows[flow]
	v.arrivals, v.accepts = append(v.arrivals, after(at)), append(v.accepts, after(at+.1))
}

// fault adds one.
func (r *records) fault(k kind, begun, healed float64) {
	r.faults = append(r.faults, injected{planned{Kind: k, On: 1}, after(begun), after(healed)})
}

func TestWhatTheAccountForgivesAndWhatNot(t *testing.T) {
	tests := map[string]struct {
		change func(*records)
		want   string // of the violations; "" for none
	}{
		"peace": {func(*records) {}, ""},
		"lost":  {func(r *records) { r.flows["F-9"].accepts = nil; r.commits[0] = r.commits[0][:9] }, "1 records lost"},
		"never sent": {func(r *records) {
			delete(r.flows, "F-9")
			r.commits[0] = r.commits[0][:9]
		}, "1 records lost"},
		"acknowledged, and gone from the log": {func(r *records) { r.acked["F-77"] = true }, "1 acknowledged records that Kafka lost"},
		"sent, and not in the log":            {func(r *records) { r.flows["F-77"] = &visits{arrivals: []time.Time{after(1)}} }, "1 records sent that are not in the log"},
		"a dead letter":                       {func(r *records) { r.letters = 1 }, "1 dead letters"},
		"committed a millisecond too early":   {func(r *records) { r.commits[0][4].at = after(4.199) }, "1 commits ahead of an acceptance"},
		"committed at once":                   {func(r *records) { r.commits[0][4].at = after(4.201) }, ""},
		"metadata that cannot be read":        {func(r *records) { r.commits[0][4].metadata = "rf1:AAAA" }, "1 commits with metadata that cannot be read"},
		"a commit that fell": {func(r *records) {
			r.commits[0] = append(r.commits[0], sighting{after(12), 3, ""}, sighting{after(20), 10, ""})
		}, "1 commits that fell"},
		"an old answer of a coordinator that was frozen": {func(r *records) {
			r.commits[0] = append(r.commits[0], sighting{after(12), 3, ""}, sighting{after(12.1), 10, ""})
		}, ""},
		"sent before the one before was accepted": {func(r *records) { r.flows["F-3"].arrivals[0] = after(2.15) }, "1 records sent out of order"},
		"a repeat out of the blue":                {func(r *records) { r.again("F-5", 5.5) }, "1 repeats that no fault explains"},
		"a repeat after a kill": {func(r *records) {
			r.fault(killForwarder, 5.4, 7)
			r.again("F-5", 12)
			r.commits[0] = r.commits[0][:5]
			r.commits[0] = append(r.commits[0], sighting{after(13), 10, ""})
		}, ""},
		"a repeat of what was accepted long before the kill": {func(r *records) {
			r.fault(killForwarder, 9, 10)
			r.again("F-5", 12)
		}, "1 repeats that no fault explains; 1 repeats of what a commit had told as done, beyond what was in flight"},
		"a repeat before the fault": {func(r *records) {
			r.fault(killForwarder, 7, 8)
			r.again("F-5", 6)
		}, "1 repeats that no fault explains"},
		"a kill does not repeat what a commit had told": {func(r *records) {
			r.fault(killForwarder, 6.5, 7)
			r.again("F-5", 12)
		}, "1 repeats of what a commit had told as done, beyond what was in flight"},
		"a request that was in flight when its forwarder froze": {func(r *records) {
			r.fault(pauseForwarder, 5.15, 12)
			r.again("F-5", 12)
		}, ""},
		"more repeats after a kill than a second holds": {func(r *records) {
			r.fault(killForwarder, 9.9, 10)
			r.commits[0] = []sighting{{after(20), 10, ""}}
			for range inFlight + 3 {
				r.again("F-9", 10)
			}
		}, "1 kills with more repeats than in flight and a commit interval hold"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := peaceful()
			tt.change(&r)
			got := strings.Join(settle(r).violations(), "; ")
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestRecoveryLastsUntilEveryPartitionFlows(t *testing.T) {
	r := peaceful()
	r.fault(killBroker, 4.5, 6)
	for i := 5; i < 10; i++ { // nothing that was produced since is accepted before 9.0
		flow := fmt.Sprintf("F-%d", i)
		r.flows[flow].accepts[0] = after(9 + float64(i)/10)
		r.commits[0][i].at = after(11)
	}
	got := settle(r).ByKind[killBroker].Recoveries
	if len(got) != 1 || got[0] != 5*time.Second {
		t.Errorf("%v, want 5s", got)
	}
}

func TestALongRunWithFewFaultsIsBad(t *testing.T) {
	a := settle(peaceful())
	if len(tooFew(a, time.Minute)) != 0 || len(tooFew(a, 2*time.Minute)) != len(required) {
		t.Errorf("%v, %v", tooFew(a, time.Minute), tooFew(a, 2*time.Minute))
	}
}
