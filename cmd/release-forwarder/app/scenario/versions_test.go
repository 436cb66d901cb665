package scenario

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// otherVersion makes replicas with this client ID write commits as another version of the service does, whose metadata
// this one cannot read.
func (w *world) otherVersion(clientID string, written func(metadata string) string) {
	w.Cluster.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
		if req := r.(*kmsg.OffsetCommitRequest); strings.HasPrefix(req.MemberID, clientID) {
			for i := range req.Topics {
				for j := range req.Topics[i].Partitions {
					p := &req.Topics[i].Partitions[j]
					if p.Metadata != nil && *p.Metadata != "" {
						m := written(*p.Metadata)
						p.Metadata = &m
					}
				}
			}
		}
		return nil, nil, false
	})
}

// Two versions of the service share one group, in a rollout and in a rollback: nothing is lost or stops.
//
// Metadata of an unknown version is ignored, so records may repeat.
func TestVersionsOfTheMetadataShareOneGroup(t *testing.T) {
	future := func(m string) string { return "rf9:" + m[4:] + "~something-else" }
	inVirtualTime(t, 4, func(w *world) {
		w.otherVersion("newer", future)
		held := func(r *platform.Request) *platform.Reply {
			if r.Params["flow_no"] == "F-3-0" || r.Params["flow_no"] == "F-103-0" {
				return &platform.Reply{Status: 500, Body: `{"code":"500"}`}
			}
			return nil
		}
		w.Platform.Script(held)
		sent := 0
		more := func() {
			for p := range int32(4) {
				var values []string
				for i := range 25 {
					values = append(values, apptest.Event(sent+i, 0))
				}
				w.Produce(p, values...)
				sent += 25
			}
			time.Sleep(5 * time.Second)
		}
		old := w.Start("KAFKA_CLIENT_ID", "today")
		w.Until("the group", w.AllCommitted(4, 0))
		more()
		newer := w.Start("KAFKA_CLIENT_ID", "newer") // the rollout begins
		more()
		w.End(old) // and ends: the newer one owns all
		more()
		back := w.Start("KAFKA_CLIENT_ID", "today") // the rollback begins
		more()
		w.End(newer)
		more()
		w.Platform.Script(nil)
		w.Until("all", w.AllCommitted(4, int64(sent/4)), 5*time.Minute)
		w.End(back)
		s := w.Platform.Stats()
		if s.Accepted != sent {
			t.Errorf("%d accepted of %d", s.Accepted, sent)
		}
		// What was done beyond the two held records when a partition came from the
		// newer one: no more than was sent by then.
		if s.Repeated == 0 || s.Repeated > sent {
			t.Errorf("%d repeated of %d", s.Repeated, sent)
		}
		if !strings.Contains(w.Log.String(), "the commit's metadata is ignored") {
			t.Error("nothing was said of the metadata")
		}
	})
}

// What the version before wrote beyond its commits is ignored: those records are sent again, and nothing else.
func TestMetadataOfTheVersionBeforeIsIgnored(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.orderKeys(0, 10)
		w.CommitWithEpoch(w.Kafka, 5, 0, versionBefore)
		r := w.Start()
		w.Until("all", w.AllCommitted(1, 10))
		w.End(r)
		if s := w.Platform.Stats(); s.Received != 5 {
			t.Errorf("%d requests, want those from the commit on", s.Received)
		}
		if !strings.Contains(w.Log.String(), "the commit's metadata is ignored") {
			t.Error("nothing was said of the metadata")
		}
	})
}

// versionBefore is metadata as the version before wrote it.
const versionBefore = "rf2:7UBmMMRET-ACAQIDBAUGBwgCCAEJ"

// Leader epoch 0 in a commit of the version before is ignored: the log is read on from the commit.
//
// kafka-go's Client.OffsetCommit, by which that version committed, speaks version 6 or 7 and leaves the epoch at 0.
func TestEpochZeroOfTheVersionBeforeIsIgnored(t *testing.T) {
	for name, metadata := range map[string]string{"its own metadata": versionBefore, "bare": ""} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.orderKeys(0, 5)
				w.RaiseEpoch(3)
				w.orderKeys(5, 15)
				w.CommitWithEpoch(w.Kafka, 10, 0, metadata)
				r := w.Start()
				time.Sleep(30 * time.Second)
				w.End(r)
				if n := w.Platform.Stats().Received; n != 5 {
					t.Errorf("%d requests, want those from the commit on", n)
				}
				if strings.Contains(w.Log.String(), apptest.AnotherLogLine) {
					t.Error("the log is said to be another one")
				}
			})
		})
	}
}
