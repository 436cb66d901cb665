package scenario

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli/deadletters"
	"release-forwarder/cmd/release-forwarder/cli/find"
	"release-forwarder/dlq"
)

// marked is a record that says of itself that it is a replay.
func marked(topic, value, redrives, origin string) *kgo.Record {
	return &kgo.Record{Topic: topic, Value: []byte(value), Headers: []kgo.RecordHeader{
		{Key: dlq.HeaderPrefix + "redrives", Value: []byte(redrives)}, {Key: dlq.HeaderPrefix + "origin", Value: []byte(origin)},
	}}
}

// What only the writer of a record states is shown as its claim, and changes nothing about another event.
//
// A lane may write the headers of a replay, and a replayer may name any event.
func TestClaimsOfAWriterAreShownAsClaims(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.T.Setenv("KAFKA_REPLAY_TOPIC", "replays")
		admin := kadm.NewClient(w.Kafka)
		if _, err := admin.CreateTopic(context.Background(), 1, 1, nil, "replays"); err != nil {
			t.Fatal(err)
		}
		accepted, refused := apptest.Event(1, 0), strings.Replace(apptest.Event(1, 1), `"plate"`, `"no-plate"`, 1)
		r := w.Start()
		for _, record := range []*kgo.Record{
			{Topic: apptest.EventTopic, Value: []byte(accepted)}, marked(apptest.EventTopic, refused, "7", "events/0/0"), marked("replays", refused, "1", "events/0/0"),
		} {
			if err := w.Kafka.ProduceSync(context.Background(), record).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		w.Until("the dead letters", func() bool { return strings.Count(w.Log.String(), "dead letter written") == 2 })
		w.End(r)
		// The dead letters' headers keep what came; the commands judge it.
		kept := map[string]string{}
		for _, l := range w.DeadLetters() {
			headers := map[string]string{}
			for _, h := range l.Headers {
				headers[strings.TrimPrefix(h.Key, dlq.HeaderPrefix)] = string(h.Value)
			}
			kept[headers["topic"]] = headers["redrives"] + " " + headers["origin"]
		}
		if kept["events"] != "7 events/0/0" || kept["replays"] != "1 events/0/0" {
			t.Errorf("kept: %v", kept)
		}

		out, _, err := w.Command(&listed)
		if err != nil || !strings.Contains(out, "0 (claims 7)") {
			t.Errorf("list: %v\n%s", err, out)
		}
		asJSON := listed
		asJSON.JSON = true
		out, _, err = w.Command(&asJSON)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]string{}
		for line := range strings.Lines(out) {
			var l struct {
				ID, Source, Origin string
				Redrives           int
				ClaimedRedrives    int      `json:"redrives_claimed"`
				ClaimedOrigin      string   `json:"origin_claimed"`
				AsStated           []string `json:"as_stated"`
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			ids[l.Source] = strings.TrimPrefix(l.ID, "events.dlq/")
			switch l.Source {
			case "events/0/1":
				if l.Redrives != 0 || l.Origin != "events/0/1" || l.ClaimedRedrives != 7 || l.ClaimedOrigin != "events/0/0" || l.AsStated != nil {
					t.Errorf("a lane's: %s", line)
				}
			case "replays/0/0":
				if l.Redrives != 1 || l.Origin != "events/0/0" || l.ClaimedRedrives != 0 || l.ClaimedOrigin != "" || !slices.Equal(l.AsStated, []string{"redrives", "origin"}) {
					t.Errorf("a replay's: %s", line)
				}
			default:
				t.Errorf("whose? %s", line)
			}
		}
		for id, want := range map[string][]string{
			ids["events/0/1"]:  {"redrives        0\n", "7 (claimed; ", "origin events/0/0 (claimed; ", "as replay 1 of the event that began as events/0/1\n"},
			ids["replays/0/0"]: {"redrives        1\n", "began as        events/0/0 (as its writer states)\n", "as replay 2 of the event that began as events/0/0\n"},
		} {
			out, _, err := w.Command(&deadletters.ShowCommand{ID: id})
			for _, text := range want {
				if err != nil || !strings.Contains(out, text) {
					t.Errorf("show %s: %v, not there: %q\n%s", id, err, text, out)
				}
			}
		}
		if _, _, err := w.Command(&deadletters.CloseCommand{IDs: []string{ids["events/0/1"]}, Why: "test"}); err != nil {
			t.Fatal(err)
		}
		out, _, err = w.Command(&deadletters.ShowCommand{ID: ids["events/0/1"]})
		if err != nil || !strings.Contains(out, " (as stated), ") {
			t.Errorf("show: %v\n%s", err, out)
		}

		out, _, err = w.Command(&deadletters.ShowCommand{ID: ids["events/0/1"], JSON: true})
		if err != nil || !strings.Contains(out, `"as_stated":["decided"]`) {
			t.Errorf("show --json: %v\n%s", err, out)
		}

		// The event that both name as their origin was accepted, and is shown so.
		outcomes := w.outcomes(find.Command{Lot: []string{"lot-1"}})
		want := map[string]string{"events/0/0": "done", "events/0/1": "dead-lettered missing-field closed", "replays/0/0": "dead-lettered missing-field open"}
		for at, outcome := range want {
			if outcomes[at] != outcome {
				t.Errorf("%s: %s, want %s", at, outcomes[at], outcome)
			}
		}
		out, _, err = w.find(find.Command{Lot: []string{"lot-1"}})
		if err != nil || strings.Count(out, "replay of events/0/0 (as its writer states)\n") != 1 || strings.Count(out, "origin (claimed; it does not lie where replays go): events/0/0\n") != 1 {
			t.Errorf("find: %v\n%s", err, out)
		}
		out, _, err = w.find(find.Command{Lot: []string{"lot-1"}, JSON: true})
		if err != nil || strings.Count(out, `"replay_of":"events/0/0","as_stated":["replay_of"]`) != 1 || strings.Count(out, `"origin_claimed":"events/0/0"`) != 1 {
			t.Errorf("find --json: %v\n%s", err, out)
		}
	})
}
