package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli/deadletters"
	"release-forwarder/cmd/release-forwarder/cli/find"
	"release-forwarder/cmd/testkit/platform"
)

const mappedByTopic = `
profiles:
  - name: entries
    when: {value: {kind: entry}}
    ignore: true
  - name: vendor
    when: {topic: ` + apptest.EventTopic + `}
    event: body
    fields:
      park_uuid:      {from: lot}
      flow_no:        {join: [id, op], digits: true}
      parking_serial: {from: ticket, digits: true}
      plate:          {from: car.no}
      reason:         {from: why, codes: {1: 设备异常}}
`

// vendorEvent is the n-th event of a ticket.
func vendorEvent(ticket, n, why int) string {
	return fmt.Sprintf(`{"kind":"release","body":"{\"lot\":\"lot-1\",\"id\":%d,\"op\":2,\"ticket\":%d,\"car\":{\"no\":\"粤PLANTED%d\"},\"why\":%d,\"owner\":\"张PLANTED\"}"}`, n, ticket, ticket, why)
}

// The service maps by the file: records that a profile ignores are committed, and neither sent nor dead-lettered; the
// order key is of the mapped fields; and the commands know the events by them.
func TestEventsAreMappedByTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mapping.yaml")
	if err := os.WriteFile(file, []byte(mappedByTopic), 0o600); err != nil {
		t.Fatal(err)
	}
	inVirtualTime(t, 1, func(w *world) {
		first := true
		w.Platform.Script(func(r *platform.Request) *platform.Reply {
			if r.Params["flow_no"] == "11-2" && first {
				first = false // tried again, so that 12-2 would overtake it without an order key
				return &platform.Reply{Body: `{"code":500}`}
			}
			return nil
		})
		r := w.Start("MAPPING_FILE", file, "KAFKA_REPLAY_TOPIC", "", "UPSTREAM_RETRY_MAX", "0")
		w.Produce(0, `{"kind":"entry","body":null}`, vendorEvent(7, 11, 1), vendorEvent(7, 12, 1), vendorEvent(8, 13, 9))
		w.Until("the first dead letter", func() bool { return w.DeadLetterCount() == 1 })
		w.Produce(0, `{"kind":"payment"}`, `{"kind":"entry"}`)
		w.Until("the commit", func() bool { return w.Committed(0) == 6 })
		var flows []string
		for _, q := range w.Platform.Accepted() {
			flows = append(flows, q.Params["flow_no"]+" "+q.Params["parking_serial"]+" "+q.Params["reason"])
		}
		if want := []string{"11-2 7 设备异常", "12-2 7 设备异常"}; !slices.Equal(flows, want) {
			t.Errorf("accepted %q, want %q", flows, want)
		}
		for series, want := range map[string]string{
			`release_forwarder_records_ignored_total{profile="entries"}`:                  "2",
			`release_forwarder_dead_letters_total{reason="unknown-code",stage="mapping"}`: "1",
			`release_forwarder_dead_letters_total{reason="invalid-json",stage="mapping"}`: "1",
			`release_forwarder_records_accepted_total`:                                    "2",
		} {
			if got := r.Sample(series); got != want {
				t.Errorf("%s %s, want %s", series, got, want)
			}
		}
		w.mappedCommands()
		// The replay of 13-2 goes by the topic of its origin, and fails as before.
		if _, said, err := w.Command(&deadletters.ReplayCommand{MaxRedrives: -1, ID: []string{"0/0"}}); err != nil {
			t.Errorf("%v: %s", err, said)
		}
		w.Until("its dead letter", func() bool { return w.DeadLetterCount() == 3 }, time.Minute)
		// With its reason set, within the string of JSON, it is accepted.
		set := &deadletters.ReplayCommand{MaxRedrives: -1, ID: []string{"0/2"}, Set: []string{"reason=1"}, Yes: true}
		if out, said, err := w.Command(set); err != nil || !strings.Contains(out, "events.dlq/0/2  reason: (nothing) -> 设… (4)\n") {
			t.Errorf("%v: %s%s", err, out, said)
		}
		w.Until("its acceptance", func() bool {
			all := w.Platform.Accepted()
			return len(all) == 3 && all[2].Params["flow_no"] == "13-2" && all[2].Params["reason"] == "设备异常"
		}, time.Minute)
		w.End(r)
	})
}

// mappedCommands looks at the events by their mapped fields, and shows no others.
func (w *world) mappedCommands() {
	w.T.Helper()
	if got := w.outcomes(find.Command{Flow: []string{"12-2"}}); len(got) != 1 || got[apptest.EventTopic+"/0/2"] != "done" {
		w.T.Errorf("find says %v", got)
	}
	list, _, err := w.Command(&listed)
	if err != nil || !strings.Contains(list, "unknown-code") || !strings.Contains(list, "lot-1") {
		w.T.Errorf("%v: %s", err, list)
	}
	shown, _, err := w.Command(&deadletters.ShowCommand{ID: "0/0"})
	if err != nil || !strings.Contains(shown, "13-2") || strings.Contains(shown, "PLANTED") {
		w.T.Errorf("%v: %s", err, shown)
	}
	_, said, err := w.Command(&deadletters.ReplayCommand{MaxRedrives: -1, ID: []string{"0/0"}, Set: []string{"flow_no=x"}})
	if err == nil || !strings.Contains(said, "flow_no: the profile vendor makes it by join; have the lane send it right") {
		w.T.Errorf("--set: %v %s", err, said)
	}
}
