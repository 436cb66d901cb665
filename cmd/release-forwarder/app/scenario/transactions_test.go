package scenario

import (
	"context"
	"errors"
	"fmt"
	"html"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli"
)

// transactional is a producer whose transactions may stay open for 15 minutes, the
// most that a broker allows by default.
func (w *world) transactional(id string) *kgo.Client {
	w.T.Helper()
	p, err := kgo.NewClient(kgo.SeedBrokers(w.Cluster.ListenAddrs()...), kgo.Dialer(w.Net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(id), kgo.TransactionTimeout(15*time.Minute))
	if err != nil {
		w.T.Fatal(err)
	}
	return p
}

// begin opens a transaction that holds these events of partition 0.
func (w *world) begin(p *kgo.Client, values ...string) {
	w.T.Helper()
	if err := p.BeginTransaction(); err != nil {
		w.T.Fatal(err)
	}
	for _, v := range values {
		if err := p.ProduceSync(context.Background(), &kgo.Record{Topic: apptest.EventTopic, Value: []byte(v)}).FirstErr(); err != nil {
			w.T.Fatal(err)
		}
	}
}

func (w *world) finish(p *kgo.Client, how kgo.TransactionEndTry) {
	w.T.Helper()
	if err := p.EndTransaction(context.Background(), how); err != nil {
		w.T.Fatal(err)
	}
}

// said are the log lines of an event.
func (w *world) said(event string) (lines []string) {
	for line := range strings.Lines(w.Log.String()) {
		if strings.Contains(line, `"event":"`+event+`"`) {
			lines = append(lines, line)
		}
	}
	return lines
}

const (
	blockedByTransaction = `reading_blocked_seconds{cause="transaction",partition="0",topic="events"}`
	leftOfPartition0     = `retention_left_seconds{partition="0",topic="events"}`
)

// An open transaction is reported with the records behind it, its age and its producer, and so is its end.
func TestAnOpenTransactionIsReported(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.ConfigureTopic("retention.ms", "36000000") // 10 hours
		r := w.Start()
		w.Backlog(1, 10)
		w.Until("what comes before", w.AllCommitted(1, 10))
		p := w.transactional("lanes")
		defer p.Close()
		began := time.Now()
		w.begin(p, apptest.Event(1000, 0))
		w.orderKeys(2000, 2300)
		time.Sleep(10 * time.Minute)
		open := time.Since(began).Seconds()

		if got := r.Seconds(`lag_records{partition="0",topic="events"}`); got != 301 {
			t.Errorf("the lag is %v, want 301", got)
		}
		if got := r.Seconds("oldest_unfinished_seconds"); got < open-1 || got > open+1 {
			t.Errorf("oldest_unfinished_seconds %v, want %v", got, open)
		}
		if got := r.Seconds(leftOfPartition0); got < 36000-open-2 || got > 36000-open+1 {
			t.Errorf("retention_left_seconds %v, want %v", got, 36000-open)
		}
		if got := r.Seconds(blockedByTransaction); got < open-1 || got > open+1 {
			t.Errorf("the transaction blocks the reading for %v s, want %v", got, open)
		}
		since := began.In(time.FixedZone("", 8*3600)).Format("2006-01-02 15:04:05Z07:00")
		page, status := r.Page("en")
		wanted := "An open transaction holds back 301 records since " + since
		if !strings.Contains(fmt.Sprint(status["state"]), wanted) || status["condition"] != "open-transaction" || !strings.Contains(html.UnescapeString(page), wanted) {
			t.Errorf("the page says %q", status["state"])
		}
		row := status["partitions"].([]any)[0].(map[string]any)
		if fmt.Sprint(row["held_back"]) != "301" || row["held_back_since"] == nil || row["producer_id"] == nil {
			t.Errorf("the partition is %v", row)
		}
		if chinese, _ := r.Page("zh"); !strings.Contains(html.UnescapeString(chinese), "未结束的事务自 "+since+" 起挡住 301 条消息") {
			t.Error("the page in Chinese does not say so")
		}
		lines := w.said("open-transaction")
		if len(lines) != 1 || !strings.Contains(lines[0], `"producer_id":`+fmt.Sprint(row["producer_id"])+`,`) || !strings.Contains(lines[0], `"offset":10,`) {
			t.Errorf("the log says %q", lines)
		}

		w.finish(p, kgo.TryCommit)
		w.Until("all", func() bool { return w.Platform.Stats().Accepted == 311 })
		time.Sleep(30 * time.Second)
		if lines := w.said("open-transaction-over"); len(lines) != 1 {
			t.Errorf("of its end the log says %q", lines)
		}
		if _, status := r.Page("en"); status["condition"] != "well" {
			t.Errorf("afterwards the page says %q", status["state"])
		}
		for _, series := range []string{leftOfPartition0, blockedByTransaction} {
			if got := r.Seconds(series); got != -1 {
				t.Errorf("afterwards %s is %v", series, got)
			}
		}
		if got := r.Seconds("oldest_unfinished_seconds"); got != 0 {
			t.Errorf("afterwards oldest_unfinished_seconds is %v", got)
		}
		w.End(r)
	})
}

// Transactions that follow one another raise no alarm.
//
// Each is open when the one before ends, so that the last stable offset never reaches the end.
func TestTransactionsThatMoveOnAreNoAlarm(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		w.ConfigureTopic("retention.ms", "36000000")
		r := w.Start()
		producers := []*kgo.Client{w.transactional("a"), w.transactional("b")}
		w.begin(producers[0], apptest.Event(0, 0))
		for n := 1; n <= 60; n++ {
			w.begin(producers[n%2], apptest.Event(n, 0))
			time.Sleep(10 * time.Second)
			w.finish(producers[(n+1)%2], kgo.TryCommit)
			if _, status := r.Page("en"); status["condition"] != "well" {
				t.Fatalf("after %d transactions: %v", n, status["state"])
			}
			if got := r.Seconds("oldest_unfinished_seconds"); got > 30 {
				t.Fatalf("oldest_unfinished_seconds %v", got)
			}
			if got := r.Seconds(blockedByTransaction); got != -1 {
				t.Fatalf("blocked for %v", got)
			}
		}
		w.finish(producers[0], kgo.TryCommit)
		for _, p := range producers {
			p.Close()
		}
		if lines := w.said("open-transaction"); len(lines) > 0 {
			t.Errorf("the log says %q", lines)
		}
		w.End(r)
	})
}

// An open transaction is reported without its producer where the broker does not name it.
//
// The broker cannot say it, not yet, or never answers.
func TestAnOpenTransactionWithoutItsProducer(t *testing.T) {
	for name, answers := range map[string]func(w *world){
		"no right":         func(w *world) { w.refuseProducers(kerr.TopicAuthorizationFailed.Code) },
		"another leader":   func(w *world) { w.refuseProducers(kerr.NotLeaderForPartition.Code) },
		"an older broker":  func(w *world) { w.withoutProducers() },
		"no answer at all": func(w *world) { w.silentProducers() },
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				answers(w)
				r := w.Start()
				p := w.transactional("lanes")
				defer p.Close()
				w.begin(p, apptest.Event(0, 0))
				w.orderKeys(1, 11)
				time.Sleep(5 * time.Minute)
				_, status := r.Page("en")
				if status["condition"] != "open-transaction" || !strings.Contains(fmt.Sprint(status["state"]), "holds back 11 records") {
					t.Errorf("the page says %q", status["state"])
				}
				if id, told := status["partitions"].([]any)[0].(map[string]any)["producer_id"]; told {
					t.Errorf("the producer is %v", id)
				}
				if got := r.Seconds("oldest_unfinished_seconds"); got < 299 || got > 302 {
					t.Errorf("oldest_unfinished_seconds %v", got)
				}
				if n := len(w.said("open-transaction")); n != 1 {
					t.Errorf("said %d times", n)
				}
				w.finish(p, kgo.TryAbort)
				w.Until("what was behind", func() bool { return w.Platform.Stats().Accepted == 10 })
				w.End(r)
			})
		})
	}
}

func (w *world) refuseProducers(code int16) {
	w.Cluster.ControlKey(int16(kmsg.DescribeProducers), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
		resp := r.ResponseKind().(*kmsg.DescribeProducersResponse)
		for _, asked := range r.(*kmsg.DescribeProducersRequest).Topics {
			topic := kmsg.NewDescribeProducersResponseTopic()
			topic.Topic = asked.Topic
			for _, n := range asked.Partitions {
				p := kmsg.NewDescribeProducersResponseTopicPartition()
				p.Partition, p.ErrorCode = n, code
				topic.Partitions = append(topic.Partitions, p)
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
}

// withoutProducers is a broker from before KIP-664.
func (w *world) withoutProducers() {
	w.Cluster.ControlKey(int16(kmsg.ApiVersions), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
		resp := r.ResponseKind().(*kmsg.ApiVersionsResponse)
		for key, most := range map[kmsg.Key]int16{kmsg.Produce: 8, kmsg.Fetch: 11, kmsg.ListOffsets: 5, kmsg.Metadata: 8, kmsg.OffsetCommit: 7, kmsg.OffsetFetch: 5,
			kmsg.FindCoordinator: 2, kmsg.JoinGroup: 5, kmsg.Heartbeat: 3, kmsg.LeaveGroup: 3, kmsg.SyncGroup: 3, kmsg.ApiVersions: 2, kmsg.DescribeConfigs: 2,
			kmsg.InitProducerID: 1, kmsg.AddPartitionsToTxn: 1, kmsg.EndTxn: 1, kmsg.CreateTopics: 4, kmsg.DescribeGroups: 4} {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MinVersion, k.MaxVersion = key.Int16(), 0, most
			resp.ApiKeys = append(resp.ApiKeys, k)
		}
		return resp, nil, true
	})
}

// silentProducers is a broker that never answers; the connection breaks in the end.
func (w *world) silentProducers() {
	w.Cluster.ControlKey(int16(kmsg.DescribeProducers), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
		w.Cluster.SleepControl(func() { time.Sleep(time.Minute) })
		return nil, errors.New("gone"), true
	})
}

// The commands offsets and doctor report an open transaction, and doctor warns of an old one.
func TestTheCommandsReportAnOpenTransaction(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		r := w.Start()
		w.Backlog(1, 10)
		w.Until("what comes before", w.AllCommitted(1, 10))
		look := func(want ...string) {
			t.Helper()
			offsets, err := w.offsets(cli.OffsetsCommand{})
			if err != nil {
				t.Fatal(err)
			}
			report, _, err := w.examined(w.T.Context(), cli.DoctorCommand{}, w.Net.Dial)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{offsets, report} {
				if len(want) == 0 && strings.Contains(text, "transaction") {
					t.Errorf("there is none, and it says:\n%s", text)
				}
			}
			if len(want) == 0 {
				return
			}
			if !strings.Contains(offsets, "events/0: an open transaction holds back 6 records, from offset 10 on") {
				t.Errorf("offsets says\n%s", offsets)
			}
			found := false
			for line := range strings.Lines(report) {
				found = found || !slices.ContainsFunc(want, func(part string) bool { return !strings.Contains(line, part) })
			}
			if !found {
				t.Errorf("no line with %q:\n%s", want, report)
			}
		}
		look()
		p := w.transactional("lanes")
		defer p.Close()
		w.begin(p, apptest.Event(1000, 0))
		w.orderKeys(2000, 2005)
		look("ok", "transactions of events", "holds back 6 records in partitions 0", "ago")
		time.Sleep(10 * time.Minute)
		look("warning", "transactions of events", "holds back 6 records in partitions 0", "10m")
		w.finish(p, kgo.TryCommit)
		w.Until("all", func() bool { return w.Platform.Stats().Accepted == 16 })
		look()
		w.End(r)
	})
}
