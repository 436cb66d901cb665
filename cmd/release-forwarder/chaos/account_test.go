package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var dawn = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func after(seconds float64) time.Time { return dawn.Add(time.Duration(seconds * float64(time.Second))) }

// peaceful is a run of ten records, one a second, two of each order key:
// produced, sent a tenth later, accepted a tenth after that, committed within
// the second.
func peaceful() records {
	r := records{cluster: "c", asked: receiptsNone, acked: map[string]bool{}, flows: map[string]*visits{}, commits: map[int32][]commit{}}
	for i := range 10 {
		flow := fmt.Sprintf("F-%d", i)
		t := float64(i)
		r.log = append(r.log, entry{offset: int64(i), produced: after(t), flow: flow, orderKey: fmt.Sprintf("S-%d", i/2), lot: "lot-1", signed: "signed " + flow})
		r.acked[flow] = true
		r.flows[flow] = &visits{arrivals: []time.Time{after(t + .1)}, accepts: []acceptance{{at: after(t + .2), by: 1, seqno: "seqno " + flow}}}
		r.commits[0] = append(r.commits[0], commit{after(t + .9), int64(i + 1), ""})
	}
	return r
}

// again lets a record arrive and be accepted once more, from a forwarder.
func (r *records) again(flow string, at float64, from int) {
	v := r.flows[flow]
	v.arrivals, v.accepts = append(v.arrivals, after(at)), append(v.accepts, acceptance{at: after(at + .1), by: from})
}

// forgotten lets a record be accepted once more, from another forwarder, before
// any commit told of it.
func (r *records) forgotten(flow string, at float64) {
	r.again(flow, at, 2)
	var n int
	fmt.Sscanf(flow, "F-%d", &n)
	r.commitsEndAt(n)
	r.commits[0] = append(r.commits[0], commit{after(at + 1), 10, ""})
}

// commitsEndAt leaves the commits up to an offset.
func (r *records) commitsEndAt(offset int) { r.commits[0] = r.commits[0][:offset] }

// beyond is the metadata of a commit of partition 0 that tells runs beyond it, in
// turn unfinished and finished: the page of package consumer/progress has the format.
func beyond(committed uint64, runs ...uint64) string {
	var bound []byte
	for _, s := range []string{"rf3:", "c", eventTopic} {
		bound = append(binary.AppendUvarint(bound, uint64(len(s))), s...)
	}
	bound = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(bound, 0), committed)
	bound = append(bound, 0)    // the topic has no ID
	lengths := []byte{0 + 1, 0} // the epoch below the end; where it began is not known
	for _, n := range runs {
		lengths = binary.AppendUvarint(lengths, n)
	}
	digest := sha256.Sum256(append(bound, lengths...))
	return "rf3::" + base64.RawURLEncoding.EncodeToString(append(digest[:8], lengths...))
}

// fault adds one of the first forwarder, or broker.
func (r *records) fault(k kind, begun, healed float64) {
	r.faults = append(r.faults, injected{planned{Kind: k, On: 1}, after(begun), after(healed)})
}

func TestWhatTheAccountForgivesAndWhatNot(t *testing.T) {
	tests := map[string]struct {
		change func(*records)
		want   string // of the violations; "" for none
	}{
		"peace": {func(*records) {}, ""},
		"lost":  {func(r *records) { r.flows["F-9"].accepts = nil; r.commitsEndAt(9) }, "1 records lost; 1 partitions not committed to their end"},
		"never sent": {func(r *records) { delete(r.flows, "F-9"); r.commitsEndAt(9) },
			"1 records lost; 1 partitions not committed to their end"},
		"passed over by a commit":             {func(r *records) { delete(r.flows, "F-8") }, "1 records lost; 1 commits ahead of an acceptance; 1 records sent out of order"},
		"no commit was seen":                  {func(r *records) { r.commits = nil }, "1 partitions not committed to their end"},
		"acknowledged, and gone from the log": {func(r *records) { r.acked["F-77"] = true }, "1 acknowledged records that Kafka lost"},
		"sent, and not in the log":            {func(r *records) { r.flows["F-77"] = &visits{arrivals: []time.Time{after(1)}} }, "1 records sent that are not in the log"},
		"a dead letter":                       {func(r *records) { r.deadLetters = 1 }, "1 dead letters"},
		"committed a millisecond too early":   {func(r *records) { r.commits[0][4].at = after(4.199) }, "1 commits ahead of an acceptance"},
		"committed in the same millisecond":   {func(r *records) { r.flows["F-4"].accepts[0].at = after(4.2005); r.commits[0][4].at = after(4.2) }, ""},
		"told done beyond the watermark":      {func(r *records) { r.commits[0][4].metadata = beyond(5, 1, 1) }, "1 records reported done before they were accepted"},
		"told done beyond it in time": {func(r *records) {
			r.commits[0][5] = commit{after(6.9), 5, beyond(5, 1, 1)}
			r.commits[0] = slices.Delete(r.commits[0], 6, 7)
		}, ""},
		"metadata that cannot be read": {func(r *records) { r.commits[0][4].metadata = "rf3::AAAA" }, "1 commits with metadata that cannot be read"},
		"a commit that fell": {func(r *records) {
			r.commits[0] = append(r.commits[0], commit{after(12), 3, ""}, commit{after(12.001), 10, ""})
		}, "1 commits that fell"},
		"sent before the one before was accepted": {func(r *records) { r.flows["F-3"].arrivals[0] = after(2.15) }, "1 records sent out of order"},
		"a repeat out of the blue":                {func(r *records) { r.again("F-5", 5.5, 1) }, "1 repeats that no fault explains"},
		"a repeat after a kill": {func(r *records) {
			r.fault(killForwarder, 5.4, 7)
			r.forgotten("F-5", 12)
		}, ""},
		"a repeat after a kill, twice": {func(r *records) {
			r.fault(killForwarder, 5.4, 7)
			r.forgotten("F-5", 12)
			r.again("F-5", 12.2, 2)
		}, "1 repeats that no fault explains"},
		"a repeat of what another forwarder had accepted when one was killed": {func(r *records) {
			r.fault(killForwarder, 5.4, 7)
			r.flows["F-5"].accepts[0].by = 2
			r.forgotten("F-5", 12)
		}, "1 repeats that no fault explains"},
		"a repeat of what was accepted long before the kill": {func(r *records) {
			r.fault(killForwarder, 9, 10)
			r.again("F-5", 12, 2)
		}, "1 repeats that no fault explains; 1 repeats of what a commit had reported as done, beyond what was in flight"},
		"a repeat before the fault": {func(r *records) {
			r.fault(killForwarder, 7, 8)
			r.again("F-5", 6, 2)
		}, "1 repeats that no fault explains"},
		"a kill does not repeat what a commit had told": {func(r *records) {
			r.fault(killForwarder, 6.5, 7)
			r.again("F-5", 12, 2)
		}, "1 repeats of what a commit had reported as done, beyond what was in flight"},
		"a request that was on its way when its forwarder froze": {func(r *records) {
			r.fault(pauseForwarder, 4, 12)
			r.flows["F-5"].accepts[0].by = 2
			r.again("F-5", 12, 1)
		}, ""},
		"a forwarder that froze and sent anew": {func(r *records) {
			r.fault(pauseForwarder, 4, 12)
			r.flows["F-5"].accepts[0].by = 2
			r.again("F-5", 17, 1)
		}, "1 repeats that no fault explains"},
		"a repeat of what was accepted while Kafka took no commits": {func(r *records) {
			r.fault(killBroker, 4, 6)
			r.forgotten("F-5", 12)
		}, ""},
		"a repeat of what was accepted while the group waited for its assignment": {func(r *records) {
			r.fault(assigning, 4, 6)
			r.fault(killForwarder, 9, 10)
			r.forgotten("F-5", 12)
		}, ""},
		"a repeat of what was accepted long after the group had it": {func(r *records) {
			r.fault(assigning, 0.5, 1)
			r.again("F-8", 12, 2)
		}, "1 repeats that no fault explains; 1 repeats of what a commit had reported as done, beyond what was in flight"},
		"answers cut off make nothing forgotten that was told": {func(r *records) {
			r.fault(cutPlatform, 8, 9)
			r.forgotten("F-5", 12)
		}, "1 repeats that no fault explains"},
		"more repeats of what was told than were on their way": {func(r *records) {
			r.fault(pauseForwarder, 4, 12)
			r.flows["F-5"].accepts[0].by = 2
			for range inFlight + 3 {
				r.again("F-5", 12, 1)
			}
		}, "2 repeats more than P4 allows; 3 repeats of what a commit had reported as done, beyond what was in flight"},
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
		r.flows[flow].accepts[0].at = after(9 + float64(i)/10)
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
