package main

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

	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
)

// offsets runs the command and gives what it prints.
func (w *world) offsets(c offsetsCommand) (string, error) {
	w.t.Helper()
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	out, _, err := w.command(&c)
	return out, err
}

// refuse makes the platform fail all requests of an order key.
func (w *world) refuse(orderKey string) {
	w.platform.Script(func(r *platform.Request) *platform.Reply {
		if r.Params["parking_serial"] == orderKey {
			return &platform.Reply{Status: 500, Body: `{"code":"500"}`}
		}
		return nil
	})
}

// commitOf gives a partition's commit as Kafka holds it.
func (w *world) commitOf(client *kgo.Client, partition int32) kadm.Offset {
	w.t.Helper()
	offsets, err := kadm.NewClient(client).FetchOffsets(context.Background(), group)
	if err != nil {
		w.t.Fatal(err)
	}
	o, _ := offsets.Lookup(eventTopic, partition)
	return o.Offset
}

// heldAtTheFront leaves 5 records, of which the first and the second last are
// held, and a commit that tells so.
func (w *world) heldAtTheFront() *replica {
	w.t.Helper()
	w.refuse("S-1")
	r := w.start()
	w.until("the group", func() bool { return w.committed(0) == 0 })
	w.produce(0, event(1, 0), event(2, 0), event(3, 0), event(1, 1), event(4, 0))
	w.until("the acceptances", func() bool { return w.platform.Stats().Accepted == 3 })
	w.until("the commit", func() bool {
		c := w.commitOf(w.kafka, 0)
		tells, err := decodeClaim(clusterID, eventTopic, 0, c.At, c.Metadata)
		return err == nil && len(tells.done) == 3
	})
	return r
}

func TestOffsetsTellsWhatIsDoneWhetherTheGroupRunsOrNot(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.heldAtTheFront()
		running, err := w.offsets(offsetsCommand{})
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
		w.end(r)
		stopped, err := w.offsets(offsetsCommand{})
		if err != nil || stopped != want {
			t.Errorf("stopped: %v\n%s\nwant:\n%s", err, stopped, want)
		}
		text, err := w.offsets(offsetsCommand{JSON: true})
		var shown shownOffsets
		if jsonErr := json.Unmarshal([]byte(text), &shown); err != nil || jsonErr != nil {
			t.Fatal(err, jsonErr)
		}
		p := shown.Partitions[0]
		if shown.Group != group || len(shown.Partitions) != 2 || *p.Committed != 0 || *p.LogEnd != 5 ||
			fmt.Sprint(p.DoneRuns, p.Waiting) != "[{1 2} {4 4}] [{0 0} {3 3}]" || shown.Total != (shownTotal{Lag: 5, Done: 3, Open: 2}) {
			t.Errorf("%s", text)
		}
	})
}

func TestOffsetsSaysWhatIsWrong(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		t.Run("a group that never committed", func(t *testing.T) {
			out, err := w.offsets(offsetsCommand{})
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
				lost := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{right.key}, Err: right.err, TopLevel: right.top, Count: -1})
				defer lost.Remove()
				out, err := w.offsets(offsetsCommand{})
				if err == nil || !strings.Contains(err.Error(), right.remedy) {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
		t.Run("a topic that is not there", func(t *testing.T) {
			_, err := w.offsets(offsetsCommand{Topics: []string{"evnets"}})
			if err == nil || !strings.Contains(err.Error(), "evnets") || !strings.Contains(err.Error(), "check KAFKA_TOPIC") {
				t.Errorf("%v", err)
			}
		})
		t.Run("a replay topic that is not there yet", func(t *testing.T) {
			w.t.Setenv("KAFKA_REPLAY_TOPIC", "events.replay")
			defer w.t.Setenv("KAFKA_REPLAY_TOPIC", "")
			out, err := w.offsets(offsetsCommand{})
			if err != nil || !strings.Contains(out, "events.replay: does not exist") {
				t.Errorf("%v\n%s", err, out)
			}
			if _, err := kadm.NewClient(w.kafka).CreateTopic(context.Background(), 1, 1, nil, "events.replay"); err != nil {
				t.Fatal(err)
			}
			out, err = w.offsets(offsetsCommand{})
			if err != nil || strings.Contains(out, "does not exist") || !strings.Contains(out, "events.replay  0 ") {
				t.Errorf("%v\n%s", err, out)
			}
		})
		t.Run("a commit that was copied from elsewhere", func(t *testing.T) {
			w.produce(0, event(1, 0), event(2, 0), event(3, 0))
			w.commitAs(w.kafka, 1, "rf3::AAAAAAAAAAAAAAAAAAAA")
			out, err := w.offsets(offsetsCommand{})
			if err != nil || !strings.Contains(out, "is ignored") || !strings.Contains(out, "events  0          1          3        2    0     2") {
				t.Errorf("%v\n%s", err, out)
			}
		})
		t.Run("a commit above the log's end", func(t *testing.T) {
			w.commitAs(w.kafka, 9, "")
			out, err := w.offsets(offsetsCommand{})
			if err != nil || !strings.Contains(out, "above the log's end") {
				t.Errorf("%v\n%s", err, out)
			}
		})
		t.Run("no broker", func(t *testing.T) {
			away := func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
			_, _, err := w.commandOn(context.Background(), away, &offsetsCommand{Timeout: 20 * time.Second})
			if err == nil || !strings.Contains(err.Error(), "check KAFKA_BROKERS") {
				t.Errorf("%v", err)
			}
		})
	})
}

// commitAs commits for the group as a tool does: from outside, without a member.
func (w *world) commitAs(client *kgo.Client, offset int64, metadata string) {
	w.t.Helper()
	w.commitWith(client, offset, -1, metadata)
}

// commitWith commits with the leader epoch of the last record below, as the service
// does.
func (w *world) commitWith(client *kgo.Client, offset int64, epoch int32, metadata string) {
	w.t.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: eventTopic, Partition: 0, At: offset, LeaderEpoch: epoch, Metadata: metadata})
	answer, err := kadm.NewClient(client).CommitOffsets(context.Background(), group, offsets)
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// MirrorMaker 2 copies the records to other offsets and writes commits beside
// translated offsets with the metadata as it was.
func TestACommitCopiedToAMirrorSkipsNothing(t *testing.T) {
	for name, clusterID := range map[string]string{"a mirror with an ID of its own": "mirror", "even one that claims the same ID": "kfake"} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				w.end(w.heldAtTheFront())
				source := w.commitOf(w.kafka, 0)
				if source.At != 0 || !strings.HasPrefix(source.Metadata, "rf3:") {
					t.Fatalf("the source's commit: %+v", source)
				}
				// The mirror's log begins with two records of before; the copies of
				// the source's five follow.
				const translated = 2
				mirror, client := w.mirror(clusterID)
				defer client.Close()
				var records []*kgo.Record
				for _, v := range []string{event(8, 0), event(9, 0), event(1, 0), event(2, 0), event(3, 0), event(1, 1), event(4, 0)} {
					records = append(records, &kgo.Record{Topic: eventTopic, Value: []byte(v)})
				}
				if err := client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
					t.Fatal(err)
				}
				w.commitAs(client, source.At+translated, source.Metadata)

				origin := w.cluster
				w.cluster = mirror
				defer func() { w.cluster = origin; mirror.Close() }()
				w.platform.Script(nil)
				before := w.platform.Stats()
				r := w.start()
				w.until("the mirror's lag is 0", func() bool { return w.commitOf(client, 0).At == 7 })
				w.end(r)
				after := w.platform.Stats()
				if got := after.Accepted - before.Accepted; got != 2 {
					t.Errorf("%d of the two held records were accepted", got)
				}
				if got := after.Repeated - before.Repeated; got != 3 {
					t.Errorf("%d repeats, want the three records done beyond the commit", got)
				}
				if !strings.Contains(w.log.String(), "the commit's metadata is ignored") {
					t.Error("nothing was said of the metadata")
				}
			})
		})
	}
}

// mirror is another cluster in the same bubble.
func (w *world) mirror(id string) (*kfake.Cluster, *kgo.Client) {
	w.t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.ListenFn(w.net.Listen), kfake.ClusterID(id),
		kfake.SeedTopics(1, eventTopic), kfake.SeedTopics(1, deadLetterTopic))
	if err != nil {
		w.t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.Dialer(w.net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		w.t.Fatal(err)
	}
	return c, client
}

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
