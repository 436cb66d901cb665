package main

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

// receipted is peace in which every event has its receipt, a twentieth after its acceptance.
func receipted(asked string) records {
	r := peaceful()
	r.asked = asked
	for _, e := range r.log {
		accept := r.flows[e.flow].accepts[0]
		r.receipts = append(r.receipts, receipt{
			appended: accept.at.Add(50 * time.Millisecond), key: digest(e.lot + "\x00" + e.flow), V: 1, Lot: e.lot, Topic: eventTopic,
			Partition: e.partition, Offset: e.offset, RecordTime: e.produced, Verdict: "accepted", Code: "1001", Seqno: accept.seqno,
			Attempts: 1, First: e.produced, Last: e.produced, Signed: hex.EncodeToString([]byte(digest(e.signed))),
		})
	}
	return r
}

// without takes the receipts from an offset on away.
func (r *records) without(offset int) { r.receipts = r.receipts[:offset] }

// What is said of receipts, if they are required and if they are not: one for each accepted event, but for those that
// were counted as missing, and none that tells of what is not so.
func TestWhatTheAccountAsksOfReceipts(t *testing.T) {
	const untrue = "1 receipts of no event, or of what is not so"
	tests := map[string]struct {
		change             func(*records)
		required, optional string // of the violations; "" for none
	}{
		"peace":                {func(*records) {}, "", ""},
		"one is there twice":   {func(r *records) { r.receipts = append(r.receipts, r.receipts[4]) }, "", ""},
		"none is written":      {func(r *records) { r.receipts = nil }, "10 events without a receipt that nobody counted as missing", "10 events without a receipt that nobody counted as missing"},
		"one is not there":     {func(r *records) { r.without(9) }, "1 events without a receipt that nobody counted as missing", "1 events without a receipt that nobody counted as missing"},
		"and one was counted":  {func(r *records) { r.without(9); r.missing = 1 }, "1 events without a receipt that nobody counted as missing; 1 receipts counted as missing although they are required", ""},
		"two, and one counted": {func(r *records) { r.without(8); r.missing = 1 }, "2 events without a receipt that nobody counted as missing; 1 receipts counted as missing although they are required", "1 events without a receipt that nobody counted as missing"},
		"one that was counted is there": {func(r *records) { r.missing = 1 },
			"1 receipts counted as missing although they are required", ""},
		"its forwarder was killed before it could be asked": {func(r *records) { r.without(9); r.fault(killForwarder, 14.3, 15) },
			"1 events without a receipt that nobody counted as missing", ""},
		"another forwarder was killed": {func(r *records) {
			r.flows["F-9"].accepts[0].by = 2
			r.receipts = r.receipts[:9]
			r.fault(killForwarder, 14.3, 15)
		},
			"1 events without a receipt that nobody counted as missing", "1 events without a receipt that nobody counted as missing"},
		"its forwarder was killed long after": {func(r *records) { r.without(9); r.fault(killForwarder, 16, 17) },
			"1 events without a receipt that nobody counted as missing", "1 events without a receipt that nobody counted as missing"},
		"a commit did not wait for one":       {func(r *records) { r.receipts[4].appended = after(4.901) }, "1 commits ahead of a receipt that is required", ""},
		"it came in the commit's millisecond": {func(r *records) { r.receipts[4].appended = after(4.9) }, "", ""},
		"the repeat of one came after a commit": {func(r *records) {
			again := r.receipts[4]
			again.appended = after(7)
			r.receipts = append(r.receipts, again)
		}, "", ""},
		"metadata did not wait for one": {func(r *records) {
			r.commits[0] = append(r.commits[0][:5:5], commit{after(6.9), 5, beyond(5, 1, 1)}, r.commits[0][7], r.commits[0][8], r.commits[0][9])
			r.receipts[6].appended = after(6.95)
		}, "1 commits ahead of a receipt that is required", ""},
		"of an offset that is not there": {func(r *records) { r.receipts = append(r.receipts, r.receipts[4]); r.receipts[10].Offset = 10 }, untrue, untrue},
		"of another event's key":         {func(r *records) { r.spoil(func(x *receipt) { x.key = r.receipts[5].key }) }, untrue, untrue},
		"of another topic":               {func(r *records) { r.spoil(func(x *receipt) { x.Topic = "else" }) }, untrue, untrue},
		"of another time":                {func(r *records) { r.spoil(func(x *receipt) { x.RecordTime = after(5) }) }, untrue, untrue},
		"of another verdict":             {func(r *records) { r.spoil(func(x *receipt) { x.Verdict = "dead-letter" }) }, untrue, untrue},
		"of another answer":              {func(r *records) { r.spoil(func(x *receipt) { x.Seqno = "seqno F-5" }) }, untrue, untrue},
		"of another signature":           {func(r *records) { r.spoil(func(x *receipt) { x.Signed = r.receipts[5].Signed }) }, untrue, untrue},
		"of a request after the answer":  {func(r *records) { r.spoil(func(x *receipt) { x.Last = after(4.3) }) }, untrue, untrue},
		"written before the answer":      {func(r *records) { r.spoil(func(x *receipt) { x.appended = after(4.198) }) }, untrue, untrue},
		"of no attempt":                  {func(r *records) { r.spoil(func(x *receipt) { x.Attempts = 0 }) }, untrue, untrue},
	}
	for name, tt := range tests {
		for asked, want := range map[string]string{receiptsRequired: tt.required, receiptsOptional: tt.optional} {
			t.Run(name+", "+asked, func(t *testing.T) {
				r := receipted(asked)
				tt.change(&r)
				if got := strings.Join(settle(r).violations(), "; "); got != want {
					t.Errorf("%q, want %q", got, want)
				}
			})
		}
	}
}

// spoil adds a receipt of the fifth event that is changed.
func (r *records) spoil(change func(*receipt)) {
	x := r.receipts[4]
	change(&x)
	r.receipts = append(r.receipts, x)
}

// Both kinds of runs come about where nobody chooses.
func TestTheSeedChoosesWhetherReceiptsAreRequired(t *testing.T) {
	if receiptsOf(6) != receiptsOptional || receiptsOf(7) != receiptsRequired {
		t.Error(receiptsOf(6), receiptsOf(7))
	}
}
