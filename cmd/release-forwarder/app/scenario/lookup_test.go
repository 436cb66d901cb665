package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli/deadletters"
	"release-forwarder/cmd/release-forwarder/cli/find"
	"release-forwarder/cmd/testkit/platform"
)

// Lots that are looked up in a file beside the mapping file: one that is not there is held as one without a credential.

// lookedUp mounts a lookup file, and a mapping file beside it that looks up its lots there. Lots of another vendor come
// as UUIDs.
func lookedUp(t *testing.T, lots string) (lookup *apptest.MountedFile, mapping string) {
	t.Helper()
	lookup = apptest.MountFile(t, "code,uuid\n"+lots)
	mapping = filepath.Join(filepath.Dir(lookup.Name()), "mapping.yaml")
	text := `
profiles:
  - name: uuids
    when: {value: {vendor: b}}
    fields: {park_uuid: {from: lot}, flow_no: {from: flow}, parking_serial: {from: ticket}, plate: {from: plate}}
  - name: vendor
    fields: {park_uuid: {from: lot, lookup: file, digits: true}, flow_no: {from: flow}, parking_serial: {from: ticket}, plate: {from: plate}}
`
	if err := os.WriteFile(mapping, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return lookup, mapping
}

// codedEvent is a vendor's event of a lot by its code.
func codedEvent(code int, ticket, flow string) string {
	return fmt.Sprintf(`{"lot":%d,"flow":"%s","ticket":"%s","plate":"粤PLANTED"}`, code, flow, ticket)
}

// arrivals are the flow numbers and lots of what the platform accepted.
func (w *world) arrivals() (all []string) {
	for _, q := range w.Platform.Accepted() {
		all = append(all, q.Params["flow_no"]+" "+q.Params["park_uuid"])
	}
	return all
}

// A lot that is not in the file is held and told, while others flow, through a wrong new file and a restart. When the file
// has it, its events go on in their order.
func TestALotThatIsNotListedWaitsForTheFile(t *testing.T) {
	lookup, mapping := lookedUp(t, "7,P7\n")
	inVirtualTime(t, 1, func(w *world) {
		start := func() *apptest.Replica { return w.Start("MAPPING_FILE", mapping) }
		r := start()
		w.Produce(0, codedEvent(1042, "S1", "F1"), codedEvent(1042, "S1", "F2"), codedEvent(1042, "S2", "F3"), codedEvent(7, "S1", "F4"))
		w.Until("the other lot's", func() bool { return slices.Equal(w.arrivals(), []string{"F4 P7"}) }, time.Minute)
		time.Sleep(time.Hour)
		w.seesUnlisted(r)

		lookup.Swap("code,uuid\n1042,P1\n7,P7\n7,P8\n")
		w.Produce(0, codedEvent(7, "S1", "F5"))
		w.Until("the next of the other lot, by the old file", func() bool { return slices.Equal(w.arrivals(), []string{"F4 P7", "F5 P7"}) }, time.Minute)
		time.Sleep(time.Minute)
		if n := r.Sample(reloadFailures("MAPPING_FILE")); n == "0" || !strings.Contains(w.Log.String(), "line 4, column 1: the code is there twice, first in line 3") {
			t.Errorf("%s failures of a wrong file are counted, or the log lacks its mistake", n)
		}

		lookup.Swap("code,uuid\n7,P7\n")
		w.End(r)
		r = start()
		w.Until("it is held again", func() bool { return len(r.Snapshot().RefusedLots) == 1 }, time.Minute)
		lookup.Swap("code,uuid\n1042,P1\n7,P7\n")
		w.Until("all", func() bool { return w.Committed(0) == 5 }, 10*time.Second)
		got := w.arrivals()
		if first, second := slices.Index(got, "F1 P1"), slices.Index(got, "F2 P1"); len(got) != 5 || first < 0 || second < first || !slices.Contains(got, "F3 P1") {
			t.Errorf("accepted %q", got)
		}
		if len(r.Snapshot().RefusedLots) != 0 || r.Sample("release_forwarder_refused_lots") != "0" || len(w.LogLines("lots-listed")) != 1 {
			t.Errorf("afterwards %v, %d lines", r.Snapshot().RefusedLots, len(w.LogLines("lots-listed")))
		}
		w.End(r)
		if n := len(w.DeadLetters()); n != 0 {
			t.Errorf("%d dead letters", n)
		}
	})
}

// seesUnlisted looks for the lot in all places that tell of it.
func (w *world) seesUnlisted(r *apptest.Replica) {
	w.T.Helper()
	const sentence = "A lookup file lacks the code of 1 lot, the first 1042 (file) since "
	st := r.Status()
	if got := st.Condition.String(); !strings.HasPrefix(got, sentence) || !strings.Contains(got, "; 2 of their records wait") {
		w.T.Errorf("the page says %s", got)
	}
	if len(st.RefusedLots) != 1 || st.RefusedLots[0].Lot != "1042" || st.RefusedLots[0].NotIn != "file" {
		w.T.Errorf("the page has %+v", st.RefusedLots)
	}
	for series, want := range map[string]string{"release_forwarder_refused_lots": "1", `release_forwarder_held_records{reason="unlisted"}`: "2"} {
		if got := r.Sample(series); got != want {
			w.T.Errorf("%s %s, want %s", series, got, want)
		}
	}
	lines := w.LogLines("lot-unlisted")
	if len(lines) != 1 || lines[0]["lot"] != "1042" || lines[0]["file"] != "file" {
		w.T.Errorf("the log has %v", lines)
	}
	found, _, err := w.Command(&find.Command{Flow: []string{"F1"}, Limit: 10})
	if err != nil || !strings.Contains(found, "held: the lot's code is not in file") || strings.Contains(found, "PLANTED") {
		w.T.Errorf("%v: %s", err, found)
	}
	if strings.Contains(w.Log.String(), "PLANTED") {
		w.T.Error("the log has a plate")
	}
}

// Whatever a newer file says of a lot, the events of one parking keep their order: those that were read before it, and
// those that come after it.
func TestANewerLookupFileKeepsTheOrder(t *testing.T) {
	for name, before := range map[string]string{"it was not listed": "7,P7\n", "it was another lot": "7,P7\n1042,P0\n"} {
		t.Run(name, func(t *testing.T) {
			lookup, mapping := lookedUp(t, before)
			inVirtualTime(t, 1, func(w *world) {
				var failing atomic.Bool
				failing.Store(true)
				w.FailFlows(func(flow string) bool { return failing.Load() && flow == "F1" })
				r := w.Start("MAPPING_FILE", mapping, "UPSTREAM_RETRY_MAX", "0")
				w.Produce(0, codedEvent(1042, "S1", "F1"), codedEvent(7, "S1", "G1"))
				w.Until("the other lot's", func() bool { return len(w.arrivals()) == 1 }, time.Minute)
				time.Sleep(10 * time.Second)
				lookup.Swap("code,uuid\n1042,P1\n7,P7\n")
				time.Sleep(10 * time.Second)
				w.Produce(0, codedEvent(1042, "S1", "F2"), codedEvent(7, "S1", "G2"))
				w.Until("the other lot's", func() bool { return len(w.arrivals()) == 2 }, time.Minute)
				time.Sleep(time.Minute)
				failing.Store(false)
				w.Until("all", func() bool { return w.Committed(0) == 4 }, time.Minute)
				if want := []string{"G1 P7", "G2 P7", "F1 P1", "F2 P1"}; !slices.Equal(w.arrivals(), want) {
					t.Errorf("accepted %q, want %q", w.arrivals(), want)
				}
				w.End(r)
			})
		})
	}
}

// A lot that is not listed for LOT_HOLD_MAX is given up as one without a credential is; its dead letters are found by the
// code, and are replayed when the file has it. A platform that accepts nothing makes none of them.
func TestALotThatIsNeverListedIsGivenUp(t *testing.T) {
	lookup, mapping := lookedUp(t, "7,P7\n")
	inVirtualTime(t, 1, func(w *world) {
		out := true
		w.Platform.Script(func(*platform.Request) *platform.Reply {
			if out {
				return &platform.Reply{Status: 500, Body: `{"code":"500"}`}
			}
			return nil
		})
		r := w.Start("MAPPING_FILE", mapping, "LOT_HOLD_MAX", "1h")
		w.Produce(0, codedEvent(1042, "S1", "F1"), codedEvent(7, "S1", "G1"))
		time.Sleep(3 * time.Hour)
		if n := w.DeadLetterCount(); n != 0 {
			t.Errorf("%d dead letters in an outage", n)
		}
		out = false
		w.Until("the dead letter", func() bool { return w.Committed(0) == 2 }, 5*time.Minute)
		if l := w.DeadLetters(); len(l) != 1 || apptest.DeadLetterHeader(l[0], "reason") != "lot-refused" || apptest.DeadLetterHeader(l[0], "message") != "the lot's code is not in file" {
			t.Errorf("%d dead letters: %v", len(l), l)
		}
		list, _, err := w.Command(&listed)
		if err != nil || !strings.Contains(list, "1042") {
			t.Errorf("%v: %s", err, list)
		}
		if shown, _, err := w.Command(&deadletters.ShowCommand{ID: "0/0"}); err != nil || !strings.Contains(shown, "no: the lot's code is not in file") {
			t.Errorf("%v: %s", err, shown)
		}
		lookup.Swap("code,uuid\n1042,P1\n7,P7\n")
		time.Sleep(5 * time.Second)
		if _, said, err := w.Command(&deadletters.ReplayCommand{MaxRedrives: -1, ID: []string{"0/0"}}); err != nil {
			t.Errorf("%v: %s", err, said)
		}
		w.Until("the replay", func() bool { return slices.Equal(w.arrivals(), []string{"G1 P7", "F1 P1"}) }, time.Minute)
		w.End(r)
	})
}
