package account_test

import (
	"fmt"
	"strings"
	"testing"

	"release-forwarder/cmd/sandbox/account"
	"release-forwarder/cmd/sandbox/lanes"
	"release-forwarder/cmd/testkit/platform"
)

const topic = "events"

// history is a run of three events of one order key in partition 0: the first
// and the third map, the second does not. All went well.
type history struct {
	events   []lanes.Event
	requests []platform.Request
	account.Evidence
}

func newHistory() *history {
	h := &history{Evidence: account.Evidence{Committed: map[int32]int64{0: 3}, End: map[int32]int64{0: 3}}}
	for i := range 3 {
		e := lanes.Event{Lot: "lot", Serial: "parking", Flow: fmt.Sprint("flow", i)}
		e.Want = map[string]string{"park_uuid": e.Lot, "flow_no": e.Flow, "plate": "粤B12345"}
		if i == 1 {
			e.Want, e.Reason = nil, lanes.ReasonBadTime
		}
		h.events = append(h.events, e)
		h.Records = append(h.Records, account.Record{Place: place(i), Print: account.Print{byte(i)}})
	}
	h.accept(0, "粤B12345")
	h.DeadLetters = []account.DeadLetter{h.deadLetter(1, "mapping", lanes.ReasonBadTime)}
	h.accept(2, "粤B12345")
	h.receipts("accepted", "dead-letter", "accepted")
	return h
}

// receipts are written, one of each record from the first on.
func (h *history) receipts(verdicts ...string) {
	h.Receipted, h.Receipts = true, nil
	for i, verdict := range verdicts {
		h.Receipts = append(h.Receipts, account.Receipt{Of: place(i), Topic: topic, Verdict: verdict})
	}
}

func place(offset int) account.Place { return account.Place{Partition: 0, Offset: int64(offset)} }

func (h *history) deadLetter(of int, stage, reason string) account.DeadLetter {
	return account.DeadLetter{Topic: topic, Of: place(of), Print: account.Print{byte(of)}, Stage: stage, Reason: reason}
}

// answer adds a request to what the platform saw.
func (h *history) answer(event int, code, plate string, scripted bool) {
	h.requests = append(h.requests, platform.Request{
		Seq: len(h.requests) + 1, Code: code, Scripted: scripted,
		Params: map[string]string{"park_uuid": "lot", "flow_no": fmt.Sprint("flow", event), "plate": plate},
	})
}

func (h *history) accept(event int, plate string) { h.answer(event, "1001", plate, false) }

func (h *history) settle() account.Account {
	var b account.Book
	for i, e := range h.events {
		b.Sending(e)
		b.Acked(e, 0, int64(i))
	}
	for _, r := range h.requests {
		b.Answered(r)
	}
	return account.Settle(&b, topic, h.Evidence)
}

func TestAnAccountThatCloses(t *testing.T) {
	a := newHistory().settle()
	if !a.Closes() {
		t.Fatalf("does not close: %s", a.Verdict())
	}
	if want := "Nothing was lost: 3 produced = 2 accepted + 1 dead-lettered."; a.Verdict() != want {
		t.Errorf("%s\nwant %s", a.Verdict(), want)
	}
	if a.Reasons[lanes.ReasonBadTime] != 1 {
		t.Errorf("reasons: %v", a.Reasons)
	}
}

func TestAnAccountThatDoesNotClose(t *testing.T) {
	tests := map[string]struct {
		change func(h *history)
		says   string
	}{
		"a committed event that nobody took": {func(h *history) { h.requests = h.requests[:1] }, "1 LOST"},
		"a committed event that was answered 500 only": {func(h *history) {
			h.requests = h.requests[:1]
			h.answer(2, "500", "粤B12345", true)
		}, "1 LOST"},
		"an acceptance that the script made up": {func(h *history) {
			h.requests = h.requests[:1]
			h.answer(2, "1001", "粤B12345", true)
		}, "1 LOST"},
		"a committed event without its dead letter":       {func(h *history) { h.DeadLetters = nil }, "1 LOST"},
		"an acknowledged event that is gone from the log": {func(h *history) { h.Records = h.Records[:2] }, "1 LOST"},
		"an event that waits": {func(h *history) {
			h.requests, h.Committed[0] = h.requests[:1], 2
		}, "1 still waiting"},
		"no commit at all":   {func(h *history) { delete(h.Committed, 0) }, "3 done but not committed"},
		"a commit that lags": {func(h *history) { h.Committed[0] = 2 }, "1 done but not committed"},
		"an event accepted and dead-lettered": {func(h *history) {
			h.DeadLetters = append(h.DeadLetters, h.deadLetter(0, "upstream", "refused"))
		}, "1 accepted and dead-lettered"},
		"a dead letter that was changed": {func(h *history) { h.DeadLetters[0].Print[5]++ }, "1 dead letters that are not"},
		"a dead letter of no record": {func(h *history) {
			h.DeadLetters = append(h.DeadLetters, h.deadLetter(9, "mapping", "bad-time"))
		}, "1 dead letters of no record"},
		"a dead letter of another topic": {func(h *history) {
			l := h.deadLetter(1, "mapping", "bad-time")
			l.Topic = "else"
			h.DeadLetters = append(h.DeadLetters, l)
		}, "1 dead letters of no record"},
		"a dead letter with another reason": {func(h *history) { h.DeadLetters[0].Reason = "wrong-type" }, "1 judged against"},
		"an event that maps, dead-lettered by the mapping": {func(h *history) {
			h.requests = h.requests[:1]
			h.DeadLetters = append(h.DeadLetters, h.deadLetter(2, "mapping", "bad-time"))
		}, "1 judged against"},
		"an event that does not map, accepted": {func(h *history) {
			h.DeadLetters = nil
			h.accept(1, "粤B12345")
		}, "1 judged against"},
		"an accepted event without its receipt":     {func(h *history) { h.Receipts = h.Receipts[:2] }, "1 without a receipt"},
		"a dead-lettered event without its receipt": {func(h *history) { h.Receipts[1] = h.Receipts[0] }, "1 without a receipt"},
		"a receipt of no record": {func(h *history) {
			h.Receipts = append(h.Receipts, account.Receipt{Of: place(9), Topic: topic, Verdict: "accepted"})
		}, "1 receipts of no record"},
		"a receipt of another topic": {func(h *history) {
			h.Receipts = append(h.Receipts, account.Receipt{Of: place(0), Topic: "else", Verdict: "accepted"})
		}, "1 receipts of no record"},
		"a receipt that says dead letter of what was accepted": {func(h *history) { h.Receipts[0].Verdict = "dead-letter" }, "1 receipts of no record, or of what is not so"},
		"a receipt that says accepted of a dead letter":        {func(h *history) { h.Receipts[1].Verdict = "accepted" }, "1 receipts of no record, or of what is not so"},
		"a receipt of an event that waits": {func(h *history) {
			h.requests, h.Committed[0] = h.requests[:1], 2
		}, "1 receipts of no record, or of what is not so"},
		"another plate": {func(h *history) {
			h.requests = h.requests[:1]
			h.accept(2, "?B12345")
		}, "plate 1"},
		"out of order": {func(h *history) {
			h.requests = nil
			h.accept(2, "粤B12345")
			h.accept(0, "粤B12345")
		}, "1 sent out of their order key's order"},
		"sent before the one ahead was accepted": {func(h *history) {
			h.requests = nil
			h.answer(0, "500", "粤B12345", true)
			h.answer(2, "500", "粤B12345", true)
			h.accept(0, "粤B12345")
			h.accept(2, "粤B12345")
		}, "1 sent out of their order key's order"},
		"an acceptance of something nobody produced": {func(h *history) {
			h.requests = append(h.requests, platform.Request{
				Seq: 99, Code: "1001", Params: map[string]string{"park_uuid": "lot", "flow_no": "invented"},
			})
		}, "1 accepted but never produced"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHistory()
			test.change(h)
			a := h.settle()
			if a.Closes() {
				t.Fatalf("closes: %s", a.Verdict())
			}
			if !strings.Contains(a.Verdict(), test.says) {
				t.Errorf("%s\nshould say %q", a.Verdict(), test.says)
			}
		})
	}
}

func TestAnEmptyAccountProvesNothing(t *testing.T) {
	var b account.Book
	if a := account.Settle(&b, topic, account.Evidence{}); a.Closes() {
		t.Error("closes")
	}
}

func TestRepeatsAreCountedAndHarmless(t *testing.T) {
	h := newHistory()
	h.accept(0, "粤B12345")
	h.accept(0, "粤B12345")
	h.DeadLetters = append(h.DeadLetters, h.DeadLetters[0])
	h.Receipts = append(h.Receipts, h.Receipts[0])
	a := h.settle()
	if a.Repeats != 2 || a.DeadLettersAgain != 1 {
		t.Errorf("%d repeats and %d dead letters again, want 2 and 1", a.Repeats, a.DeadLettersAgain)
	}
	if !a.Closes() {
		t.Errorf("does not close: %s", a.Verdict())
	}
	if table := a.Table(1); !strings.Contains(table, "sent again             2   after an acceptance; answers lost on purpose: 1") {
		t.Errorf("the table does not say so:\n%s", table)
	}
}

// Whoever switches receipts off is asked for none, and sees no row of them.
func TestWithoutReceiptsNoneIsAskedFor(t *testing.T) {
	h := newHistory()
	if table := ptr(h.settle()).Table(0); !strings.Contains(table, "receipts               3   what became of each, kept in a topic; missing: 0") {
		t.Errorf("with them:\n%s", table)
	}
	h.Receipts, h.Receipted = nil, false
	a := h.settle()
	if table := a.Table(0); !a.Closes() || strings.Contains(table, "receipts") {
		t.Errorf("%s\n%s", a.Verdict(), table)
	}
}

func ptr(a account.Account) *account.Account { return &a }

func TestRecordsOfOthersHaveAnOutcomeToo(t *testing.T) {
	h := newHistory()
	flow := platform.Flow{Lot: "theirs", No: "1"}
	h.Records = append(h.Records,
		account.Record{Place: place(3), Flow: flow}, account.Record{Place: place(4), Print: account.Print{4}})
	h.DeadLetters = append(h.DeadLetters, h.deadLetter(4, "mapping", "invalid-json"))
	h.Committed[0], h.End[0] = 5, 5
	h.receipts("accepted", "dead-letter", "accepted", "accepted", "dead-letter")
	if a := h.settle(); a.Closes() || a.Lost != 1 || a.Foreign != 2 {
		t.Errorf("with a foreign record that nobody took: %s", a.Verdict())
	}
	h.requests = append(h.requests, platform.Request{
		Seq: 9, Code: "1001", Params: map[string]string{"park_uuid": "theirs", "flow_no": "1"},
	})
	if a := h.settle(); !a.Closes() {
		t.Errorf("with all taken: %s", a.Verdict())
	}
}

// The first event is refused, and somebody replays it when the third of its order
// key was accepted.
func TestAReplayedEventHasAnOutcomeOfItsOwn(t *testing.T) {
	replayed := func() *history {
		h := newHistory()
		h.requests = nil
		h.answer(0, "400", "粤B12345", true)
		h.DeadLetters = append(h.DeadLetters, h.deadLetter(0, "upstream", "refused"))
		h.accept(2, "粤B12345")
		h.Records = append(h.Records, account.Record{Place: place(3), Print: account.Print{3}, Flow: platform.Flow{Lot: "lot", No: "flow0"}, OrderKey: "parking"})
		h.Committed[0], h.End[0] = 4, 4
		return h
	}
	h := replayed()
	if a := h.settle(); a.Closes() || a.Lost != 1 {
		t.Errorf("nobody took it: %s", a.Verdict())
	}
	h.accept(0, "粤B12345")
	h.receipts("dead-letter", "dead-letter", "accepted", "accepted")
	if a := h.settle(); !a.Closes() || a.Accepted != 2 || a.DeadLettered != 2 || a.Foreign != 1 {
		t.Errorf("it was accepted: %s", a.Verdict())
	}
	h = replayed()
	h.answer(0, "400", "粤B12345", true)
	h.DeadLetters = append(h.DeadLetters, h.deadLetter(3, "upstream", "refused"))
	h.receipts("dead-letter", "dead-letter", "accepted", "dead-letter")
	if a := h.settle(); !a.Closes() || a.Accepted != 1 || a.DeadLettered != 3 {
		t.Errorf("it was refused again: %s", a.Verdict())
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := account.Count(n); got != want {
			t.Errorf("%d is written %s, want %s", n, got, want)
		}
	}
}
