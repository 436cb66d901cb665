package simulation

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/wire"
)

// watch sees every request at the brokers as it arrives, before it is handled.
// The brokers handle nothing else meanwhile, so what is asked of the cluster
// here is its state at this moment.
func (o *observer) watch(req kmsg.Request) (kmsg.Response, error, bool) {
	o.cluster.Load().KeepControl()
	switch req := req.(type) {
	case *kmsg.OffsetCommitRequest:
		o.heard(req.MemberID)
		o.committing(req)
	case *kmsg.HeartbeatRequest:
		o.heard(req.MemberID)
	case *kmsg.JoinGroupRequest:
		o.heard(req.MemberID)
	case *kmsg.SyncGroupRequest:
		o.heard(req.MemberID)
		o.syncing(req)
	case *kmsg.ConsumerGroupHeartbeatRequest:
		o.assigned()
	case *kmsg.OffsetFetchRequest:
		o.tell("committed offsets are asked for")
	case *kmsg.FetchRequest:
		o.fetching(req)
	case *kmsg.ProduceRequest:
		o.writing(req)
		o.receipting(req)
	}
	switch req.(type) {
	case *kmsg.MetadataRequest, *kmsg.ProduceRequest:
		o.missing(req)
	}
	return nil, nil, false
}

// committing judges a commit on its arrival, whatever becomes of it (P1).
func (o *observer) committing(req *kmsg.OffsetCommitRequest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settle()
	o.look()
	o.commits++
	for _, t := range req.Topics {
		name := o.nameOf(t.Topic, t.TopicID)
		if name == "" {
			continue // of a topic that is gone: it is refused
		}
		for _, p := range t.Partitions {
			partition, known := numbered(name, p.Partition)
			if !known {
				o.breach("P1", "a commit for topic %s", name)
				break
			}
			o.say("%s, generation %d, commits %d of partition %d", brief(req.MemberID), req.Generation, p.Offset, partition)
			o.judge(o.named(brief(req.MemberID)), t.TopicID, partition, p.Offset, text(p.Metadata))
		}
	}
}

// nameOf is a topic's name where a request tells its ID alone; "": it is gone.
func (o *observer) nameOf(name string, id [16]byte) string {
	if name != "" {
		return name
	}
	if info := o.cluster.Load().TopicIDInfo(id); info != nil {
		return info.Topic
	}
	return ""
}

// brief is a member's ID without the random part.
func brief(member string) string {
	if name, _, ok := strings.Cut(member, "-"); ok && len(member) > len(name)+3 {
		return member[:len(name)+2]
	}
	return member
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// judge checks a commit against what is finished at this instant. The mutex is
// held.
func (o *observer) judge(by *host, topic wire.ID, partition int32, offset int64, metadata string) {
	l := o.log(partition)
	if l == nil {
		o.breach("P1", "a commit for partition %d, which is not there", partition)
		return
	}
	l.by = by
	if offset < 0 || offset > l.below && !l.formerly(offset) {
		at := "the log's end"
		if l.below < int64(len(l.records)) {
			at = l.records[l.below].String()
		}
		o.breach("P1", "partition %d: offset %d is committed, %s is not finished", partition, offset, at)
	}
	topicName, number := placeOf(partition)
	c, err := apptest.DecodeCommit(apptest.ClusterID, topicName, number, offset, metadata)
	if err != nil && (!o.mixed || !strings.HasPrefix(metadata, otherFormat)) {
		o.breach("P4", "partition %d: commit %d: %v", partition, offset, err)
	}
	if err == nil && metadata != "" && topic != (wire.ID{}) && c.TopicID != topic.String() {
		o.breach("P4", "partition %d: commit %d is for the topic %s, and its metadata names %q", partition, offset, topic, c.TopicID)
	}
	for done := range c.Done {
		if !l.finishedAt(done) {
			o.breach("P1", "partition %d: the metadata of commit %d says that %d is finished, which it is not", partition, offset, done)
		}
	}
	o.judgeWaiting(l, offset, c)
}

// look reads what is committed. It is called before each commit is handled and
// at the end, so that it sees every state there was. The mutex is held.
func (o *observer) look() {
	g := o.cluster.Load().GroupInfo(apptest.Group)
	if g == nil {
		return
	}
	for partition, l := range o.logs() {
		topic, number := placeOf(partition)
		c, committed := g.Commits[topic][number]
		if !committed {
			continue
		}
		raw := fmt.Sprint(c.Offset, c.Metadata)
		if raw == l.raw {
			continue
		}
		now, _ := apptest.DecodeCommit(apptest.ClusterID, topic, number, c.Offset, c.Metadata)
		late := now.Retracts(l.last) && (l.life > 0 || l.by.late(c.Metadata))
		if late {
			o.uncover(l, now)
		}
		if now.Offset < l.last.Offset && !late {
			o.breach("P1", "partition %d: the commit fell from %d to %d", partition, l.last.Offset, now.Offset)
		}
		for done := range l.last.Done {
			if !now.Covers(done) && !o.mixed && !late {
				o.breach("P4", "partition %d: commit %d forgets that %d is finished, which commit %d said", partition, now.Offset, done, l.last.Offset)
			}
		}
		for offset := max(l.last.Offset, 0); offset < int64(len(l.records)); offset++ {
			if r := l.records[offset]; r.covered.IsZero() && r.finished() && now.Covers(offset) {
				r.covered = c.At
			}
		}
		o.say("partition %d: %d is committed, and %d beyond it, since %s", partition, now.Offset, len(now.Done), o.at(c.At))
		l.last, l.raw = now, raw
	}
}

// uncover notes what a commit that arrived late has made unsaid. The mutex is held.
func (o *observer) uncover(l *log, now apptest.CommittedProgress) {
	for offset, r := range l.records {
		if !r.covered.IsZero() && !now.Covers(int64(offset)) {
			r.covered = time.Time{}
		}
	}
}

// named gives the replica of a member, nil where it is none of this version's.
func (o *observer) named(member string) *host {
	for _, h := range o.hosts {
		if fmt.Sprintf("replica-%d", h.number) == member {
			return h
		}
	}
	return nil
}

// syncing notes when a generation of the group begins.
func (o *observer) syncing(req *kmsg.SyncGroupRequest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := o.cluster.Load().GroupInfo(apptest.Group)
	if g == nil || g.State != "CompletingRebalance" || req.Generation != g.Epoch {
		return
	}
	if n := len(o.eras); n == 0 || o.eras[n-1].generation != g.Epoch {
		o.eras = append(o.eras, era{generation: g.Epoch, from: time.Now(), senders: map[int32]*host{}})
		o.say("generation %d of the group begins, %d members", g.Epoch, len(g.Members))
	}
}

// assigned notes whom the coordinator has assigned each partition to, in the consumer protocol. It gives none to
// another member before its owner has released it, or is none any more.
func (o *observer) assigned() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.noteOwners()
}

// noteOwners is assigned for who holds the mutex.
func (o *observer) noteOwners() {
	if o.plan.protocol != membership.ProtocolConsumer {
		return
	}
	g := o.cluster.Load().GroupInfo(apptest.Group)
	if g == nil {
		return
	}
	for i := range g.Members {
		h := o.named(brief(g.Members[i].MemberID))
		for partition := range o.logs() {
			topic, number := placeOf(partition)
			if !slices.Contains(g.Members[i].Assignment[topic], number) {
				continue
			}
			if before, known := o.owners[partition]; !known || before.host != h {
				o.owners[partition] = ownership{h, time.Now()}
				o.say("partition %d is assigned to %s, epoch %d of the group", partition, brief(g.Members[i].MemberID), g.Epoch)
			}
		}
	}
}

// fetching judges how far a replica reads ahead of what is finished (P6).
func (o *observer) fetching(req *kmsg.FetchRequest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settle()
	if req.IsolationLevel == 0 {
		return // a look at what is not read, also where the log was another one
	}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			partition, known := numbered(o.nameOf(t.Topic, t.TopicID), p.Partition)
			l := o.log(partition)
			if !known || l == nil {
				continue
			}
			if l.read = max(l.read, p.FetchOffset); l.changing() {
				continue // it may be an offset of the log before
			}
			pending := 0
			for offset := l.below; offset < min(p.FetchOffset, int64(len(l.records))); offset++ {
				if !l.records[offset].finished() {
					pending++
				}
			}
			if pending > o.plan.tuning.maxPending {
				o.breach("P6", "partition %d is read from %d with %d unfinished before it, the bound is %d", partition, p.FetchOffset, pending, o.plan.tuning.maxPending)
			}
		}
	}
}

// post is a batch of dead letters that has arrived at a broker. Whether it was
// written shows in the partition's end when the next one arrives, or earlier.
type post struct {
	base    int64
	records []*record
	count   int
}

// writing judges dead letters on their arrival (P5).
func (o *observer) writing(req *kmsg.ProduceRequest) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range req.Topics {
		if o.nameOf(t.Topic, t.TopicID) != apptest.DeadLetterTopic {
			continue
		}
		o.settle()
		for _, p := range t.Partitions {
			info := o.cluster.Load().PartitionInfo(apptest.DeadLetterTopic, p.Partition)
			if info == nil {
				continue
			}
			batch := &post{base: info.HighWatermark}
			records, err := decodeBatch(p.Records)
			if err != nil {
				o.breach("P5", "a batch of dead letters cannot be read: %v", err)
				continue
			}
			for i := range records {
				batch.count++
				if r := o.deadLetter(p.Partition, &records[i]); r != nil {
					batch.records = append(batch.records, r)
				}
			}
			o.deadLetters[p.Partition] = batch
		}
	}
}

// deadLetter judges one dead letter and finds its record. The mutex is held.
func (o *observer) deadLetter(partition int32, kr *kmsg.Record) *record {
	h := map[string]string{}
	for _, header := range kr.Headers {
		h[header.Key] = string(header.Value)
	}
	field := func(name string) string { return h["__forwarder.errors."+name] }
	source, err1 := strconv.Atoi(field("partition"))
	offset, err2 := strconv.Atoi(field("offset"))
	at, known := numbered(field("topic"), int32(source))
	l := o.log(at)
	if err1 != nil || err2 != nil || !known || l == nil || l.of(int64(offset), string(kr.Value)) == nil {
		o.breach("P5", "a dead letter about nothing: partition %q, offset %q", field("partition"), field("offset"))
		return nil
	}
	r := l.of(int64(offset), string(kr.Value))
	reason := map[nature]string{spoilt: "missing-field", refused: "refused", poison: "budget-exhausted"}[r.nature]
	switch {
	case field("reason") == "lot-refused" && o.refusedLots[r.lot] && o.plan.tuning.maxPending < 100:
		// Allowed where the lot's records take more than half of a bound.
		r.givenUp = true
	case field("reason") != reason:
		o.breach("P5", "a dead letter about %s with reason %s", r, field("reason"))
	case string(kr.Value) != r.value(r.partition, r.offset):
		o.breach("P5", "the dead letter about %s does not hold its value", r)
	case partition != int32(source)%deadLetterPartitions:
		o.breach("P5", "the dead letter about %s is sent to partition %d", r, partition)
	}
	return r
}

// settle finds out which dead letters under way have been written. The mutex is
// held.
func (o *observer) settle() {
	o.settleReceipts()
	for partition, b := range o.deadLetters {
		info := o.cluster.Load().PartitionInfo(apptest.DeadLetterTopic, partition)
		if info == nil || info.HighWatermark < b.base+int64(b.count) {
			continue
		}
		delete(o.deadLetters, partition)
		for _, r := range b.records {
			if n := len(r.written); n > 0 && !o.mixed && !o.disturbed(nil, r.written[n-1].Add(-aftermath), time.Now()) && !o.killed() {
				o.breach("P4", "a second dead letter about %s, although nobody was killed and Kafka was well", r)
			}
			r.written = append(r.written, time.Now())
			o.say("a dead letter about %s is written", r)
			o.log(r.partition).finish()
		}
	}
}

func (o *observer) killed() bool {
	for _, h := range o.hosts {
		if !h.killed.IsZero() {
			return true
		}
	}
	return false
}

// decodeBatch reads record batches as a producer sends them.
func decodeBatch(raw []byte) (records []kmsg.Record, err error) {
	var b kmsg.RecordBatch
	if err := b.ReadFrom(raw); err != nil {
		return nil, err
	}
	data := b.Records
	if codec := b.Attributes & 7; codec != 0 {
		if data, err = kgo.DefaultDecompressor().Decompress(data, kgo.CompressionCodecType(codec)); err != nil {
			return nil, err
		}
	}
	for range b.NumRecords {
		size, n := varint(data)
		if n <= 0 || int(size)+n > len(data) {
			return nil, io.ErrUnexpectedEOF
		}
		var r kmsg.Record
		if err := r.ReadFrom(data[:n+int(size)]); err != nil {
			return nil, err
		}
		records = append(records, r)
		data = data[n+int(size):]
	}
	return records, nil
}

func varint(b []byte) (int64, int) {
	var u uint64
	for i, c := range b {
		u |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return int64(u>>1) ^ -int64(u&1), i + 1
		}
	}
	return 0, 0
}
