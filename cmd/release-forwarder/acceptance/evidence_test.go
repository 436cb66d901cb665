package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/testkit/platform"
)

// threeBrokers leaves a scenario to a Kafka of several real brokers.
func threeBrokers(b backend) string {
	if b.brokers() < 3 {
		return "needs three brokers"
	}
	return ""
}

// weak lets a topic lose what was acknowledged: one replica may take records
// alone, and one that lacks them may lead.
var weak = map[string]string{"unclean.leader.election.enable": "true", "min.insync.replicas": "1"}

// suspect is a world whose log does not stay what it was, and the account of it:
// what the final log holds, what the platform accepted, and what was said of the
// difference.
type suspect struct {
	*world
	replicas []*replica // all that ran
	written  []*event   // acknowledged by Kafka, in any of the logs
	gone     [][2]int64 // offsets that a line must tell of, from the first to before the second: a replica knew that they were there
	silent   bool       // nothing is left by which anybody could tell: no line is asked for
}

// replica is a forwarder and what it had counted when it ended.
type replica struct {
	*forwarder
	name    string
	counted float64
	lines   int // of them, by then
	ended   bool
}

// suspectSettings hold few records in memory, and dead-letter none by itself.
func suspectSettings(pairs ...string) map[string]string {
	settings := map[string]string{"CONSUMER_MAX_PENDING": strconv.Itoa(room), "RETRY_BUDGET": "0", "KAFKA_REBALANCE_TIMEOUT": "30s"}
	for i := 0; i < len(pairs); i += 2 {
		settings[pairs[i]] = pairs[i+1]
	}
	return settings
}

// room is how many unfinished records a replica takes.
const room = 50

func newSuspect(t testing.TB, settings map[string]string) *suspect {
	t.Helper()
	return &suspect{world: newWorld(t, plan{topicConfig: weak, settings: settings})}
}

// run starts a replica; name is how the table calls it.
func (s *suspect) run(name string, pairs ...string) *replica {
	s.t.Helper()
	r := &replica{forwarder: s.start(pairs...), name: name}
	s.replicas = append(s.replicas, r)
	return r
}

// retire keeps what a replica counted, then ends it.
func (s *suspect) retire(r *replica, end func()) {
	r.counted, _ = r.dropped(s.topic)
	r.lines, r.ended = len(r.drops(s.topic)), true
	end()
}

// put writes events by a producer that knows the log that is there now.
func (s *suspect) put(events ...*event) {
	s.t.Helper()
	producer := s.producer()
	defer producer.Close()
	records := make([]*kgo.Record, len(events))
	for i, e := range events {
		records[i] = e.record
	}
	if err := producer.ProduceSync(s.ctx(), records...).FirstErr(); err != nil {
		s.t.Fatalf("a record was not taken: %v", err)
	}
	s.written = append(s.written, events...)
}

// transactions writes each list as a transaction; the last is aborted.
func (s *suspect) transactions(all ...[]*event) {
	s.t.Helper()
	producer := s.producer(kgo.TransactionalID(s.topic + "-" + strconv.Itoa(len(s.written))))
	defer producer.Close()
	for i, events := range all {
		if err := producer.BeginTransaction(); err != nil {
			s.t.Fatal(err)
		}
		for _, e := range events {
			producer.Produce(s.ctx(), e.record, nil)
		}
		err := producer.Flush(s.ctx())
		if err == nil {
			err = producer.EndTransaction(s.ctx(), kgo.TransactionEndTry(i < len(all)-1))
		}
		if err != nil {
			s.t.Fatal(err)
		}
		if i < len(all)-1 {
			s.written = append(s.written, events...)
		}
	}
}

// recreate deletes the topic and makes it again at once.
func (s *suspect) recreate() {
	s.t.Helper()
	s.deleteTopic(s.topic)
	s.createTopic(s.topic, 1, weak)
}

// refuse lets the platform refuse the events; none are named: all.
func (s *suspect) refuse(events ...*event) {
	flows := map[platform.Flow]bool{}
	for _, e := range events {
		flows[e.flow] = true
	}
	s.platform.script(func(r *platform.Request) *platform.Reply {
		if len(events) == 0 || flows[r.Flow()] {
			return &platform.Reply{Body: body("500")}
		}
		return nil
	})
}

// entry is a record of the final log.
type entry struct {
	offset int64
	flow   platform.Flow
}

// log reads what a committed reader sees of partition 0, and where the log ends.
func (s *suspect) log() (all []entry, end int64, err error) {
	ctx, cancel := context.WithTimeout(s.ctx(), 20*time.Second)
	defer cancel()
	reader, err := kgo.NewClient(slices.Concat(s.cluster.client, []kgo.Opt{
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.topic: {0: kgo.NewOffset().AtStart()}}), kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
	})...)
	if err != nil {
		return nil, 0, err
	}
	defer reader.Close()
	listed, err := kadm.NewClient(reader).ListEndOffsets(ctx, s.topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, 0, err
	}
	end = listed[s.topic][0].Offset
	for next := int64(0); next < end; {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, 0, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			if r.Attrs.IsControl() {
				return
			}
			all = append(all, entry{r.Offset, flowOf(r.Value)})
		})
	}
	return all, end, nil
}

func flowOf(value []byte) platform.Flow {
	var fields struct {
		Lot string `json:"park_uuid"`
		No  string `json:"flow_no"`
	}
	_ = json.Unmarshal(value, &fields) // the suspects' events are all alike
	return platform.Flow{Lot: fields.Lot, No: fields.No}
}

// dead are the flow numbers of the dead letters.
func (s *suspect) dead() (map[platform.Flow]bool, error) {
	deadLetters, err := s.deadLetters()
	dead := map[platform.Flow]bool{}
	for _, of := range deadLetters {
		for _, r := range of {
			dead[flowOf(r.Value)] = true
		}
	}
	return dead, err
}

// missing are the entries of the final log that nobody sent.
func (s *suspect) missing() (missing []entry, log []entry, end int64, err error) {
	log, end, err = s.log()
	if err != nil {
		return nil, nil, 0, err
	}
	dead, err := s.dead()
	for _, e := range log {
		if s.platform.accepted(e.flow) == 0 && !dead[e.flow] {
			missing = append(missing, e)
		}
	}
	return missing, log, end, err
}

// unread counts the acknowledged events that are neither in the final log nor
// finished: what Kafka dropped before it was read.
func (s *suspect) unread(log []entry) (n int, err error) {
	dead, err := s.dead()
	kept := map[platform.Flow]bool{}
	for _, e := range log {
		kept[e.flow] = true
	}
	for _, e := range s.written {
		if !kept[e.flow] && s.platform.accepted(e.flow) == 0 && !dead[e.flow] {
			n++
		}
	}
	return n, err
}

// drop is a log line about what Kafka dropped.
type drop struct {
	Event     string
	Level     string
	Topic     string
	Partition *int32
	From, To  *int64
	Count     *int64
}

func (f *forwarder) drops(topic string) (all []drop) {
	for line := range strings.Lines(f.out.String()) {
		var d drop
		if json.Unmarshal([]byte(line), &d) == nil && d.Topic == topic && d.Partition != nil && d.From != nil && d.To != nil && d.Count != nil {
			all = append(all, d)
		}
	}
	return all
}

// noticed reports whether the replica said at the level of a warning that the log is
// not what it was.
func (f *forwarder) noticed(topic string) bool {
	for line := range strings.Lines(f.out.String()) {
		var d drop
		if json.Unmarshal([]byte(line), &d) == nil && d.Topic == topic && (d.From != nil || d.Event == "above-log-end") {
			return true
		}
	}
	return false
}

// dropped is what the replica's page counts as dropped by Kafka.
func (f *forwarder) dropped(topic string) (n float64, err error) {
	_, page, err := f.get("/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(page) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && hasLabels(fields[0], "release_forwarder_records_dropped_by_kafka_total", `topic="`+topic+`"`) {
			v, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				return 0, err
			}
			n += v
		}
	}
	return n, nil
}

// settled waits until all that is in the log is sent and committed, or the lag has
// been 0 for so long that nothing more will be; or until the limit.
func (s *suspect) settled(limit time.Duration) {
	const still = 6 * time.Second
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline, since := time.Now().Add(limit), time.Time{}
	for ; time.Now().Before(deadline); <-tick.C {
		missing, _, end, err := s.missing()
		var commits map[int32]kadm.Offset
		if err == nil {
			commits, err = s.commits()
		}
		switch {
		case err != nil || commits[0].At != end:
			since = time.Time{}
		case len(missing) == 0:
			return
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > still:
			return
		}
	}
}

// judge is the verdict; happened is how the table calls the case.
func (s *suspect) judge(t testing.TB, happened string) {
	t.Helper()
	missing, log, end, err := s.missing()
	if err != nil {
		t.Fatal(err)
	}
	unread, err := s.unread(log)
	if err != nil {
		t.Fatal(err)
	}
	commits, err := s.commits()
	if err != nil {
		t.Fatal(err)
	}
	var who, said []string
	var covered [][2]int64
	counted, least, most := 0.0, 0.0, 0.0
	for _, r := range s.replicas {
		if r.alive() {
			if r.counted, err = r.dropped(s.topic); err != nil {
				t.Error(err)
			}
		}
		counted += r.counted
		drops := r.drops(s.topic)
		if len(drops) > 0 {
			who = append(who, r.name)
		}
		for i, d := range drops {
			said = append(said, fmt.Sprintf("%s %d–%d (%d)", d.Event, *d.From, *d.To, *d.Count))
			covered = append(covered, [2]int64{*d.From, *d.To})
			if r.ended && i >= r.lines {
				continue // said between the last look at its page and its end
			}
			least += float64(*d.Count)
			most += float64(max(1, *d.Count)) // one at least, where the number cannot be known
		}
	}
	evidence.add(happened, or(strings.Join(who, ", "), "nobody"), or(strings.Join(said, "; "), "nothing")+fmt.Sprintf("; counted %v", counted),
		fmt.Sprintf("%d of %d", len(missing), len(log)))
	if len(missing) > 0 {
		t.Errorf("%d of the %d records in the final log were passed over in silence, the offsets %d to %d", len(missing), len(log), missing[0].offset, missing[len(missing)-1].offset)
	}
	if c, ok := commits[0]; !ok || c.At != end {
		t.Errorf("committed %d, the log ends at %d", c.At, end)
	}
	// What a replica can know of: where it had not heard of the log's end, that there
	// was something.
	known := 0
	for _, gone := range s.gone {
		known += int(gone[1] - gone[0])
	}
	if want := min(unread, max(1, known)); float64(want) > counted && !s.silent {
		t.Errorf("Kafka dropped %d records before they were read, %v are counted, want %d", unread, counted, want)
	}
	if counted < least || counted > most {
		t.Errorf("%v records are counted as dropped, the lines tell of %v to %v", counted, least, most)
	}
	if !s.silent && len(said) == 0 {
		t.Error("no line tells that the log is another one: topic, partition, from, to, count")
	}
	for _, gone := range s.gone {
		for at := gone[0]; at < gone[1]; at++ {
			if !slices.ContainsFunc(covered, func(c [2]int64) bool { return c[0] <= at && at < c[1] }) {
				t.Errorf("Kafka dropped the offsets from %d to %d; no line tells of %d", gone[0], gone[1], at)
				break
			}
		}
	}
}

// createOn makes a topic of one partition on these brokers, the first of them its
// leader.
func (w *world) createOn(topic string, config map[string]string, brokers ...int32) {
	w.t.Helper()
	made := kmsg.NewCreateTopicsRequestTopic()
	made.Topic, made.NumPartitions, made.ReplicationFactor = topic, -1, -1
	made.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Partition: 0, Replicas: brokers}}
	for _, name := range slices.Sorted(maps.Keys(config)) {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, kmsg.StringPtr(config[name])
		made.Configs = append(made.Configs, c)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis = append(req.Topics, made), 10000
	answer, err := req.RequestWith(w.ctx(), w.client)
	if err == nil {
		err = kerr.ErrorForCode(answer.Topics[0].ErrorCode)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.ledBy(topic, brokers[0])
}

// ledBy waits until a broker leads the topic.
func (w *world) ledBy(topic string, broker int32) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("broker %d leads %s", broker, topic), func() error {
		topics, err := w.admin.ListTopics(w.ctx(), topic)
		if err != nil {
			return err
		}
		if err := topics[topic].Err; err != nil {
			return err
		}
		if got := topics[topic].Partitions[0].Leader; got != broker {
			return fmt.Errorf("broker %d leads it", got)
		}
		ends, err := w.admin.ListEndOffsets(w.ctx(), topic)
		if err == nil {
			err = ends.Error()
		}
		return err
	})
}
