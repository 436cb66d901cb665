package simulation

import (
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/consumer"
)

// Two faults change a log itself: a topic is deleted and made anew, and a partition
// loses its end under a new leader epoch, as an unclean election does. The events that
// follow take offsets that others had. The observer keeps every life of a log: what a
// commit says may be true of one before, until the service can know better; what is
// demanded at the end is demanded of the last.

// lives is what became of a partition's log. The observer's mutex guards it.
type lives struct {
	life    int // how many there were before this one
	former  []formerLife
	changed time.Time // when the last one began
	read    int64     // the highest offset that was fetched from in this one
	// owed says that the group's commit told of what is gone, so that somebody must
	// count it; made anew: who had read the old log must, if he lives.
	owed, owedByReader bool
}

// dropCounts is what all replicas counted as dropped, by partition. It has a mutex of its
// own: who counts holds the engine's lock.
type dropCounts struct {
	mu      sync.Mutex
	dropped map[int32]int64
}

func (t *dropCounts) add(partition int32, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dropped == nil {
		t.dropped = map[int32]int64{}
	}
	t.dropped[partition] += n
}

func (t *dropCounts) of(partition int32) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dropped[partition]
}

// formerLife is a log as it was when it was changed.
type formerLife struct{ records []*record }

// changing tells whether requests may still be about the log before.
func (l *lives) changing() bool { return l.life > 0 && time.Since(l.changed) < recovery }

// formerly tells whether in a life before all below an offset was finished.
func (l *lives) formerly(offset int64) bool {
	for _, f := range l.former {
		done := offset <= int64(len(f.records))
		for i := int64(0); done && i < offset; i++ {
			done = f.records[i].finished()
		}
		if done {
			return true
		}
	}
	return false
}

// finishedAt tells whether the record at an offset is finished, in any life.
func (l *log) finishedAt(offset int64) bool {
	if offset < int64(len(l.records)) && l.records[offset].finished() {
		return true
	}
	for _, f := range l.former {
		if offset < int64(len(f.records)) && f.records[offset].finished() {
			return true
		}
	}
	return false
}

// of finds the record at an offset that has this value; where none has it, the one of
// the log as it is; nil: there is none.
func (l *log) of(offset int64, value string) *record {
	for _, f := range l.former {
		if offset < int64(len(f.records)) && f.records[offset].value(f.records[offset].partition, offset) == value {
			return f.records[offset]
		}
	}
	if offset < int64(len(l.records)) {
		return l.records[offset]
	}
	return nil
}

// changes begins a new life of a partition's log with what it had below an offset. The
// mutex is held, and what is committed was looked at.
func (o *observer) changes(partition int32, to int64, anew bool) {
	l := o.parts[partition]
	told := l.last.Offset
	for done := range l.last.Done {
		told = max(told, done+1)
	}
	switch {
	case anew: // Kafka has dropped the commit with the topic
		l.owed, l.owedByReader = false, l.read > 0
	case told > to:
		l.owed = true
	}
	gone := 0
	for _, r := range l.records[to:] {
		if r.gone = true; !r.finished() {
			gone++
		}
	}
	o.say("partition %d ends at %d, %d of its events are gone, %d of them unfinished", partition, to, int64(len(l.records))-to, gone)
	// What only the metadata told may be forgotten with what is gone, and come again.
	for _, r := range l.records[min(max(l.last.Offset, 0), to):to] {
		r.covered = time.Time{}
	}
	l.former = append(l.former, formerLife{l.records})
	l.records = append([]*record(nil), l.records[:to]...)
	l.below = min(l.below, to)
	l.life, l.changed, l.read = l.life+1, time.Now(), min(l.read, to)
	l.finish()
}

// countedFor judges what was counted of a partition. The mutex is held.
func (o *observer) countedFor(partition int32) {
	l := o.log(partition)
	counted := o.counted.of(partition)
	// One replica, in one generation from before to the end: a member that joins again
	// finds no commit, as Kafka has dropped it, and begins at the first record.
	n := len(o.eras)
	sole := len(o.hosts) == 1 && n > 0 && o.eras[n-1].from.Before(l.changed.Add(-aftermath))
	switch {
	case l.life == 0 && counted > 0:
		o.breach("P2", "%d records of partition %d are counted as dropped, and Kafka has dropped none", counted, partition)
	case o.mixed || counted > 0:
	case l.owed:
		o.breach("P2", "partition %d lost what the commit told of, and nobody counted it", partition)
	case l.owedByReader && sole:
		o.breach("P2", "partition %d was made anew under the one replica that had read it, and nothing was counted", partition)
	}
}

// counting tells the observer what a replica counts as dropped.
func (s *simulation) counting(_ *app.Parts, cfg *consumer.Config) {
	right := cfg.Hooks.Dropped
	cfg.Hooks.Dropped = func(topic string, partition int32, n int64) {
		if number, known := numbered(topic, partition); known {
			s.observer.counted.add(number, n)
		}
		if right != nil {
			right(topic, partition, n)
		}
	}
}

// openBrokers starts the cluster, with what refuses requests now.
func (s *simulation) openBrokers() error {
	options := s.options
	if s.mistake != nil && s.mistake.versions != nil {
		options = append(slices.Clone(options), kfake.MaxVersions(s.mistake.versions))
	}
	c, err := kfake.NewCluster(options...)
	if err != nil {
		return err
	}
	s.cluster.Store(c)
	if s.mistake != nil && s.mistake.brokers != nil {
		s.mistake.brokers(s, c)
	}
	s.epochs.Install(c)
	c.ControlKey(-1, s.observer.watch)
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.refusals {
		r.handle = c.Fault(r.fault)
	}
	return nil
}

// connect makes the producer, which knows a topic by its ID, anew.
func (s *simulation) connect() error {
	k, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.Dialer(s.net.Dial), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.RecordDeliveryTimeout(time.Minute))
	if err != nil {
		return err
	}
	if before := s.kafka.Swap(k); before != nil {
		before.Close()
	}
	return nil
}

// refusal is a broker's fault that outlives a restart of the brokers.
type refusal struct {
	fault  kfake.Fault
	handle *kfake.FaultHandle
}

// refuse answers requests with an error until the returned function is called.
func (s *simulation) refuse(f kfake.Fault) (remove func()) {
	if slices.Contains(f.Keys, kmsg.OffsetForLeaderEpoch) {
		return s.epochs.Refuse(&f) // some of these the embedded Kafka does not answer
	}
	r := &refusal{f, s.cluster.Load().Fault(f)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals[r] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		r.handle.Remove()
		delete(s.refusals, r)
	}
}

// remakeTopic deletes the event topic and makes it anew some time later.
func remakeTopic(s *simulation, f *fault) func() {
	s.writing <- struct{}{}
	o, c := s.observer, s.cluster.Load()
	for _, b := range s.brokers {
		f.hit(s.asked(b))
	}
	over := o.disturb(nil)
	o.mu.Lock()
	o.settle()
	o.look()
	o.mu.Unlock()
	err := c.DeleteTopic(apptest.EventTopic)
	o.mu.Lock()
	for p, l := range o.parts {
		o.changes(int32(p), 0, true)
		l.last, l.raw = apptest.CommittedProgress{Offset: -1}, ""
	}
	o.mu.Unlock()
	if err != nil {
		o.fail("deleting the topic: %v", err)
	}
	return func() {
		o.mu.Lock()
		partitions := int32(len(o.parts))
		o.mu.Unlock()
		err := s.cluster.Load().CreateTopic(apptest.EventTopic, partitions, nil)
		if err == nil {
			err = s.connect()
		}
		if err != nil {
			o.fail("making the topic anew: %v", err)
		}
		for p := range partitions {
			s.writeOver(f, p)
		}
		<-s.writing
		over()
	}
}

// writeOver writes, half of the times, as many events as are gone from a partition, or
// a few more, before anybody can have seen that they are.
func (s *simulation) writeOver(f *fault, partition int32) {
	if f.a&2 == 0 {
		return
	}
	o := s.observer
	o.mu.Lock()
	l := o.parts[partition]
	n := len(l.former[len(l.former)-1].records) - len(l.records) + int(f.b%5)
	b := burst{partition: partition}
	for i := range n {
		orderKey := 1000*l.life + i/2
		b.events = append(b.events, spec{nature: fine, orderKey: orderKey, lot: orderKey % 5})
	}
	o.mu.Unlock()
	if n > 0 {
		s.write(b)
	}
}

const truncation, remaking = "log truncated", "topic made anew"

// truncateLog stops the brokers, cuts the end of a partition's log, and starts them
// again with another leader in a new epoch. Nothing is under way meanwhile, and no time
// passes.
func truncateLog(s *simulation, f *fault) func() {
	s.writing <- struct{}{}
	defer func() { <-s.writing }()
	o := s.observer
	infos := s.cluster.Load().PartitionInfos(apptest.EventTopic)
	if len(infos) == 0 {
		return nil
	}
	p := infos[f.a%uint64(len(infos))]
	if p.HighWatermark == 0 {
		return nil
	}
	over := o.disturb(nil)
	defer over()
	s.unplug(f, true)
	o.mu.Lock()
	o.settle()
	o.look()
	o.mu.Unlock()
	led := map[string][]*kfake.PartitionInfo{}
	for _, topic := range []string{apptest.EventTopic, apptest.DeadLetterTopic} {
		led[topic] = s.cluster.Load().PartitionInfos(topic)
	}
	s.cluster.Load().Close()
	lost := 1 + int64(f.b%uint64(p.HighWatermark))
	if f.a&1 == 0 {
		lost = min(lost, 1+int64(f.b%20))
	}
	end, err := apptest.TruncateLog(s.folder, p.Partition, p.HighWatermark-lost)
	of := apptest.Partition{Topic: apptest.EventTopic, Number: p.Partition}
	s.epochs.Truncated(of, end)
	if f.a&4 == 0 {
		s.epochs.Lag(of, p.HighWatermark, time.Duration(f.b%3000)*time.Millisecond)
	}
	if err == nil {
		err = s.openBrokers()
	}
	if err == nil {
		err = s.elect(led)
	}
	if err == nil {
		err = s.connect()
	}
	o.mu.Lock()
	o.changes(p.Partition, end, false)
	o.mu.Unlock()
	if err != nil {
		o.fail("truncating: %v", err)
	}
	s.writeOver(f, p.Partition)
	s.unplug(f, false)
	return nil
}

// elect gives each partition a leader by an epoch above the one by which it was led before
// the brokers started again, as Kafka does; the embedded one forgets the epochs.
func (s *simulation) elect(before map[string][]*kfake.PartitionInfo) (err error) {
	c := s.cluster.Load()
	for topic, partitions := range before {
		for _, former := range partitions {
			for p := c.PartitionInfo(topic, former.Partition); err == nil && p.Epoch <= former.Epoch; p = c.PartitionInfo(topic, former.Partition) {
				err = c.MoveTopicPartition(topic, former.Partition, (p.Leader+1)%3)
			}
		}
	}
	return err
}

// unplug breaks the members' connections to the brokers, keeps new ones from coming
// about and waits until all is quiet; or lets them again.
func (s *simulation) unplug(f *fault, down bool) {
	s.mu.Lock()
	s.down = down
	for _, m := range s.members {
		s.apply(m)
	}
	s.mu.Unlock()
	if down {
		s.cut(f, func(address string) bool { return !isPlatform(address) })
		synctest.Wait()
	}
}
