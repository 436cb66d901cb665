package forward

import (
	"os"
	"strings"
	"testing"
	"time"

	"release-forwarder/dlq"
	"release-forwarder/upstream"
)

// tableOfCases has each row of the table in doc.go: the facts, and the decision.
var tableOfCases = map[string]struct {
	f    facts
	want outcome
}{
	"before it is sent: its lot waits": {
		facts{lot: lotFacts{waits: true, next: time.Minute}},
		outcome{action: waitUntil, wait: time.Minute, quota: quotaLots}},
	"before it is sent: a storm of its lot, another has the place": {
		facts{storm: stormFacts{waits: true, about: time.Minute}, evicted: quotaLots},
		outcome{action: waitForPlace, wait: time.Minute, firm: true, quota: quotaStorms}},
	"before it is sent: … and it is evicted": {
		facts{storm: stormFacts{waits: true}, evicted: quotaStorms},
		outcome{action: send}},
	"before it is sent: nothing in its way": {facts{byOperator: true}, outcome{action: send}},

	"after its delivery: accepted":  {facts{verdict: upstream.Accepted, byOperator: true, recovered: true}, outcome{action: done}},
	"after its delivery: permanent": {facts{verdict: upstream.Permanent, byOperator: true}, outcome{action: deadLetter, reason: dlq.ReasonRefused}},
	"after its delivery: cut":       {facts{verdict: upstream.Cut, byOperator: true}, outcome{action: leave}},
	"after its delivery: a person has decided (DLQ_HELD_BEFORE)": {
		facts{verdict: upstream.Timeout, byOperator: true, recovered: true, lot: lotFacts{waits: true}},
		outcome{action: deadLetter, reason: dlq.ReasonByOperator}},
	"after its delivery: begun before an outage was over": {
		facts{verdict: upstream.Timeout, recovered: true, lot: lotFacts{waits: true}, platform: platformFacts{proven: true}, budget: 1},
		outcome{action: waitUntil}},
	"after its delivery: its lot waits for LOT_HOLD_MAX, others accepted": {
		facts{verdict: upstream.Refused, lot: lotFacts{waits: true, overdue: true}, platform: platformFacts{accepts: true}},
		outcome{action: deadLetter, reason: dlq.ReasonLotRefused}},
	"after its delivery: its lot waits, it is evicted, others accepted": {
		facts{lot: lotFacts{waits: true}, evicted: quotaLots, platform: platformFacts{accepts: true}},
		outcome{action: deadLetter, reason: dlq.ReasonLotRefused}},
	"after its delivery: its lot waits": {
		facts{verdict: upstream.Refused, lot: lotFacts{waits: true, overdue: true, next: time.Minute}, evicted: quotaLots,
			platform: platformFacts{accepts: true, open: true, proven: true}, budget: 1},
		outcome{action: waitUntil, wait: time.Minute, quota: quotaLots}},
	"after its delivery: throttled, with Retry-After": {
		facts{verdict: upstream.Throttled, asked: true, retryAfter: time.Minute, platform: platformFacts{proven: true}, budget: 1},
		outcome{action: waitUntil, wait: time.Minute, firm: true, pauses: true, outage: true}},
	"after its delivery: throttled so again, while others were accepted": {
		facts{verdict: upstream.Throttled, asked: true, retryAfter: time.Minute, platform: platformFacts{proven: true, alone: true}, budget: 2},
		outcome{action: waitUntil, wait: time.Minute, firm: true, grows: true, counts: true}},
	"after its delivery: throttled, begun before an outage was over": {
		facts{verdict: upstream.Throttled, asked: true, retryAfter: time.Minute, recovered: true, platform: platformFacts{proven: true, alone: true}, budget: 1},
		outcome{action: waitUntil, wait: time.Minute, firm: true, grows: true}},
	"after its delivery: failed, the circuit is open": {
		facts{verdict: upstream.Failed, platform: platformFacts{open: true, proven: true}, budget: 1},
		outcome{action: waitForGate, outage: true}},
	"after its delivery: failed with Retry-After, the circuit is open": {
		facts{verdict: upstream.Failed, asked: true, retryAfter: time.Minute, platform: platformFacts{open: true}},
		outcome{action: waitUntil, wait: time.Minute, firm: true, outage: true}},
	"after its delivery: no byte left this host": {
		facts{verdict: upstream.Unreachable, unsent: true, platform: platformFacts{proven: true}, budget: 1},
		outcome{action: waitUntil, grows: true, outage: true}},
	"after its delivery: failed, nothing proves that it is the record's own": {
		facts{verdict: upstream.Failed, failures: 19, budget: 20},
		outcome{action: waitUntil, grows: true, outage: true}},
	"after its delivery: failed, and that is proved": {
		facts{verdict: upstream.Failed, platform: platformFacts{proven: true}, failures: 18, budget: 20},
		outcome{action: waitUntil, grows: true, counts: true}},
	"after its delivery: … for the last time allowed": {
		facts{verdict: upstream.Failed, platform: platformFacts{proven: true}, failures: 19, budget: 20},
		outcome{action: deadLetter, reason: dlq.ReasonBudgetExhausted, counts: true}},

	"before its dead letter is written: no storm, or it has the place": {facts{deadLetter: true, storm: stormFacts{all: true}}, outcome{action: write}},
	"before its dead letter is written: a storm of its source, another has the place": {
		facts{deadLetter: true, storm: stormFacts{waits: true, about: time.Minute}},
		outcome{action: waitForPlace, wait: time.Minute, firm: true, quota: quotaStorms}},
	"before its dead letter is written: … and it is evicted": {
		facts{deadLetter: true, storm: stormFacts{waits: true}, evicted: quotaStorms},
		outcome{action: write}},
	"before its dead letter is written: a storm of all, another has the place": {
		facts{deadLetter: true, storm: stormFacts{waits: true, all: true}, evicted: quotaStorms},
		outcome{action: waitForPlace, firm: true, quota: quotaStorms}},
}

func TestEachRowOfTheTable(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	moment, rows := "", map[string]bool{}
	for line := range strings.Lines(string(doc)) {
		text, _, row := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "//\t"), " | ")
		switch text = strings.TrimRight(text, " \n"); {
		case row && strings.HasPrefix(text, "  "):
			rows[moment+": "+strings.TrimSpace(text)] = true
		case strings.HasPrefix(line, "//\t") && !row:
			moment = text
		}
	}
	for row := range rows {
		if _, there := tableOfCases[row]; !there {
			t.Errorf("no case is %q", row)
		}
	}
	for name, c := range tableOfCases {
		t.Run(name, func(t *testing.T) {
			if !rows[name] {
				t.Error("the table has no such row")
			}
			if got := decide(c.f); got != c.want {
				t.Errorf("%+v\nwant %+v", got, c.want)
			}
		})
	}
	if len(rows) < 25 {
		t.Errorf("%d rows are found", len(rows))
	}
}

func TestABudgetOfNoneIsNeverExhausted(t *testing.T) {
	f := facts{verdict: upstream.Failed, platform: platformFacts{proven: true}, failures: 1 << 30}
	if got := decide(f); got.action != waitUntil || !got.counts {
		t.Errorf("%+v", got)
	}
}
