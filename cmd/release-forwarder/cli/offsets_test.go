package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
)

// offsets runs the command and gives what it prints.
func (w *world) offsets(c OffsetsCommand) (string, error) {
	w.T.Helper()
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	out, _, err := w.Command(&c)
	return out, err
}

// offsets tells what is finished beyond the commit, whether the group runs or not.
func TestOffsetsTellsWhatIsDoneWhetherTheGroupRunsOrNot(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.StartWithHeldRecords()
		running, err := w.offsets(OffsetsCommand{})
		if err != nil {
			t.Fatal(err)
		}
		want := `group forwarders
TOPIC   PARTITION  COMMITTED  LOG END  LAG  DONE  OPEN  WAITING
events  0          0          5        5    3     2     0 3
events  1          0          0        0    0     0     
all                                    5    3     2     
`
		if running != want {
			t.Errorf("running:\n%s\nwant:\n%s", running, want)
		}
		w.End(r)
		stopped, err := w.offsets(OffsetsCommand{})
		if err != nil || stopped != want {
			t.Errorf("stopped: %v\n%s\nwant:\n%s", err, stopped, want)
		}
		text, err := w.offsets(OffsetsCommand{JSON: true})
		var shown shownOffsets
		if jsonErr := json.Unmarshal([]byte(text), &shown); err != nil || jsonErr != nil {
			t.Fatal(err, jsonErr)
		}
		p := shown.Partitions[0]
		if shown.Group != apptest.Group || len(shown.Partitions) != 2 || *p.Committed != 0 || *p.LogEnd != 5 ||
			fmt.Sprint(p.DoneRuns, p.Waiting) != "[{1 2} {4 4}] [{0 0} {3 3}]" || shown.Total != (shownTotal{Lag: 5, Done: 3, Open: 2}) {
			t.Errorf("%s", text)
		}
	})
}

// What offsets cannot see is named, and the exit code is 1.
func TestOffsetsSaysWhatIsWrong(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		t.Run("a group that never committed", func(t *testing.T) {
			out, err := w.offsets(OffsetsCommand{})
			if err != nil || !strings.Contains(out, "no commit: starts at the log's first record") || !strings.Contains(out, "KAFKA_GROUP_ID names another") {
				t.Errorf("%v\n%s", err, out)
			}
		})
		for _, right := range []struct {
			key    kmsg.Key
			err    *kerr.Error
			top    bool
			remedy string
		}{
			{kmsg.OffsetFetch, kerr.GroupAuthorizationFailed, true, "grant this user Describe on the group"},
			{kmsg.Metadata, kerr.TopicAuthorizationFailed, false, "grant this user Describe on the topic"},
		} {
			t.Run("no right: "+kmsg.NameForKey(int16(right.key)), func(t *testing.T) {
				lost := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{right.key}, Err: right.err, TopLevel: right.top, Count: -1})
				defer lost.Remove()
				out, err := w.offsets(OffsetsCommand{})
				if err == nil || !strings.Contains(err.Error(), right.remedy) {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
		t.Run("a topic that is not there", func(t *testing.T) {
			_, err := w.offsets(OffsetsCommand{Topics: []string{"evnets"}})
			if err == nil || !strings.Contains(err.Error(), "evnets") || !strings.Contains(err.Error(), "check KAFKA_TOPIC") {
				t.Errorf("%v", err)
			}
		})
		t.Run("a replay topic that is not there yet", func(t *testing.T) {
			w.T.Setenv("KAFKA_REPLAY_TOPIC", "events.replay")
			defer w.T.Setenv("KAFKA_REPLAY_TOPIC", "")
			out, err := w.offsets(OffsetsCommand{})
			if err != nil || !strings.Contains(out, "events.replay: does not exist") {
				t.Errorf("%v\n%s", err, out)
			}
			if _, err := kadm.NewClient(w.Kafka).CreateTopic(context.Background(), 1, 1, nil, "events.replay"); err != nil {
				t.Fatal(err)
			}
			out, err = w.offsets(OffsetsCommand{})
			if err != nil || strings.Contains(out, "does not exist") || !strings.Contains(out, "events.replay  0 ") {
				t.Errorf("%v\n%s", err, out)
			}
		})
		t.Run("a commit that was copied from elsewhere", func(t *testing.T) {
			w.Produce(0, apptest.Event(1, 0), apptest.Event(2, 0), apptest.Event(3, 0))
			w.CommitAsTool(w.Kafka, 1, "rf3::AAAAAAAAAAAAAAAAAAAA")
			out, err := w.offsets(OffsetsCommand{})
			if err != nil || !strings.Contains(out, "is ignored") || !strings.Contains(out, "events  0          1          3        2    0     2") {
				t.Errorf("%v\n%s", err, out)
			}
		})
		t.Run("a commit above the log's end", func(t *testing.T) {
			w.CommitAsTool(w.Kafka, 9, "")
			out, err := w.offsets(OffsetsCommand{})
			if err != nil || !strings.Contains(out, "above the log's end") {
				t.Errorf("%v\n%s", err, out)
			}
		})
		t.Run("no broker", func(t *testing.T) {
			away := func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
			_, _, err := w.CommandOn(context.Background(), away, &OffsetsCommand{Timeout: 20 * time.Second})
			if err == nil || !strings.Contains(err.Error(), "check KAFKA_BROKERS") {
				t.Errorf("%v", err)
			}
		})
	})
}

// MirrorMaker 2 copies the records to other offsets and writes commits beside
// translated offsets with the metadata as it was.
func TestACommitCopiedToAMirrorSkipsNothing(t *testing.T) {
	for name, clusterID := range map[string]string{"a mirror with an ID of its own": "mirror", "even one that claims the same ID": "kfake"} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.End(w.StartWithHeldRecords())
				source := w.CommitOf(w.Kafka, 0)
				if source.At != 0 || !strings.HasPrefix(source.Metadata, "rf3:") {
					t.Fatalf("the source's commit: %+v", source)
				}
				// The mirror's log begins with two records of before; the copies of
				// the source's five follow.
				const translated = 2
				mirror, client := w.mirror(clusterID)
				defer client.Close()
				var records []*kgo.Record
				for _, v := range []string{apptest.Event(8, 0), apptest.Event(9, 0), apptest.Event(1, 0), apptest.Event(2, 0), apptest.Event(3, 0), apptest.Event(1, 1), apptest.Event(4, 0)} {
					records = append(records, &kgo.Record{Topic: apptest.EventTopic, Value: []byte(v)})
				}
				if err := client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
					t.Fatal(err)
				}
				w.CommitAsTool(client, source.At+translated, source.Metadata)

				origin := w.Cluster
				w.Cluster = mirror
				defer func() { w.Cluster = origin; mirror.Close() }()
				w.Platform.Script(nil)
				before := w.Platform.Stats()
				r := w.Start()
				w.Until("the mirror's lag is 0", func() bool { return w.CommitOf(client, 0).At == 7 })
				w.End(r)
				after := w.Platform.Stats()
				if got := after.Accepted - before.Accepted; got != 2 {
					t.Errorf("%d of the two held records were accepted", got)
				}
				if got := after.Repeated - before.Repeated; got != 3 {
					t.Errorf("%d repeats, want the three records done beyond the commit", got)
				}
				if !strings.Contains(w.Log.String(), "the commit's metadata is ignored") {
					t.Error("nothing was said of the metadata")
				}
			})
		})
	}
}

// mirror is another cluster in the same bubble.
func (w *world) mirror(id string) (*kfake.Cluster, *kgo.Client) {
	w.T.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.ListenFn(w.Net.Listen), kfake.ClusterID(id),
		kfake.SeedTopics(1, apptest.EventTopic), kfake.SeedTopics(1, apptest.DeadLetterTopic))
	if err != nil {
		w.T.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.Dialer(w.Net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		w.T.Fatal(err)
	}
	return c, client
}

// offsets says that a commit is of a topic that was deleted and recreated.
func TestOffsetsSayThatACommitIsOfATopicThatWasDeleted(t *testing.T) {
	p := offsets.PartitionProgress{
		Topic: "events", Told: progress.Told{Committed: 100, End: 100, AnotherTopic: true}, LogStart: 40, LogEnd: 60, Stable: 60,
	}
	if said := notes(p); len(said) != 1 || !strings.Contains(said[0], "a topic of this name that was deleted since") {
		t.Errorf("%q", said)
	}
	if shown := describeOffsets("group", []offsets.PartitionProgress{p}); shown.Total.Open != 20 {
		t.Errorf("%d are open, want all of the new topic's", shown.Total.Open)
	}
}
