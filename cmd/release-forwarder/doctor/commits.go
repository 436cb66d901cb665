package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/offsets"
)

func (p *doctor) judgeCommits(ctx context.Context, f *findings, seen []*topic, g general, described membership.Group) {
	commits := int64(0)
	for _, t := range seen {
		if t.written() || t.err != nil {
			continue
		}
		check := "commits of " + t.name
		progress, err := offsets.ReadProgress(ctx, p.cluster.kafka.Wire, p.settings.Kafka.GroupID, []string{t.name})
		if err != nil {
			f.unknown(check, say(err), "try again")
			continue
		}
		c := count(progress)
		commits += int64(c.committed)
		p.judgeProgress(f, check, c)
		p.judgeAge(ctx, f, "age of "+t.name, t, progress)
		p.judgeTransactions(ctx, f, "transactions of "+t.name, t, progress)
	}
	if commits > 0 {
		judgeExpiry(f, g, len(described.Members) == 0)
	}
}

// progressCount sums what was committed of a topic.
type progressCount struct {
	partitions, committed           int
	dropped, lag, open              int64
	beyond, ignored, untold, losing []string
	anothers                        []string // partitions whose commit is of a topic that was deleted
}

func count(progress []offsets.PartitionProgress) progressCount {
	c := progressCount{partitions: len(progress)}
	for _, q := range progress {
		number := strconv.Itoa(int(q.Partition))
		if q.Err != nil {
			c.untold = append(c.untold, number)
			continue
		}
		if q.Committed >= 0 {
			c.committed++
		}
		if n := q.Dropped(); n > 0 {
			c.dropped += n
			c.losing = append(c.losing, number)
		}
		if q.Beyond() {
			c.beyond = append(c.beyond, number)
		}
		if q.AnotherTopic {
			c.anothers = append(c.anothers, number)
		}
		if q.Ignored {
			c.ignored = append(c.ignored, number)
		}
		c.lag += q.Lag()
		c.open += q.Open()
	}
	return c
}

func (p *doctor) judgeProgress(f *findings, check string, c progressCount) {
	text := fmt.Sprintf("%d of %d partitions; lag %d, of which %d are not finished", c.committed, c.partitions, c.lag, c.open)
	switch {
	case len(c.losing) > 0:
		f.wrong(check, fmt.Sprintf("%s; Kafka deleted %d records before they were read, in partitions %s", text, c.dropped, few(c.losing)),
			"have the events produced again, and raise the topic's retention; where reading goes on says KAFKA_OFFSET_RESET ("+string(p.settings.Kafka.OffsetReset)+")")
	case len(c.beyond) > 0:
		f.wrong(check, fmt.Sprintf("%s; above the log's end in partitions %s", text, few(c.beyond)),
			"the topic was recreated or truncated: with the group stopped, reset its offsets (kafka-consumer-groups.sh --reset-offsets --to-earliest)")
	case len(c.anothers) > 0:
		f.warn(check, fmt.Sprintf("%s; of a topic of this name that was deleted since, in partitions %s", text, few(c.anothers)),
			"nothing of the topic that there is now is skipped: the service begins at its first record, or waits where KAFKA_OFFSET_RESET is none; with the group stopped, delete its offsets (docs/how-to/moving.md)")
	case len(c.untold) > 0:
		f.unknown(check, fmt.Sprintf("%s; nothing is known of partitions %s", text, few(c.untold)), "try again")
	case c.committed == 0:
		f.ok(check, "none yet: each partition begins at its first record (%d are there)", c.lag)
	case len(c.ignored) > 0:
		f.warn(check, fmt.Sprintf("%s; the commit metadata of partitions %s is another program's, or was written for another offset", text, few(c.ignored)),
			"it is ignored, so records repeat; find out who else commits for this group")
	default:
		f.ok(check, "%s", text)
	}
}

// ages bounds how many partitions are read from.
const ages = 100

// judgeAge says how long the oldest unfinished record has waited.
func (p *doctor) judgeAge(ctx context.Context, f *findings, check string, t *topic, progress []offsets.PartitionProgress) {
	var oldest time.Time
	looked, open := 0, 0
	var failed error
	for _, q := range progress {
		if q.Err != nil || q.Open() == 0 {
			continue
		}
		if open++; looked == ages {
			continue
		}
		looked++
		at, err := p.timestamp(ctx, t, q)
		if err != nil {
			failed = err
		} else if !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	switch {
	case errors.Is(failed, kafka.TopicAuthorizationFailed):
		f.unknown(check, "this user may not read the topic", "see the rights")
		return
	case failed != nil:
		f.unknown(check, say(failed), "try again")
		return
	case open == 0:
		f.ok(check, "every record is finished")
		return
	case oldest.IsZero():
		f.ok(check, "what waits has no usable timestamp")
		return
	}
	waits := max(0, time.Since(oldest)) // the producer's clock may be ahead
	text := "the oldest unfinished record was written " + age(waits.Milliseconds()) + " ago"
	if open > looked {
		text += fmt.Sprintf(" (of the first %d partitions with any)", looked)
	}
	kept, err := strconv.ParseInt(t.configs["retention.ms"], 10, 64)
	if err == nil && kept >= 0 && waits.Milliseconds() > kept/2 {
		f.warn(check, fmt.Sprintf("%s; Kafka keeps records for %s and then deletes them, read or not", text, age(kept)),
			"raise the topic's retention.ms now, then find what holds it up: offsets, and the status page")
		return
	}
	f.ok(check, "%s", text)
}

// transactionLimit is how old an open transaction's first record may be: most end within a minute, the default
// of a producer's transaction.timeout.ms.
const transactionLimit = 5 * time.Minute

// judgeTransactions says where an open transaction holds records back.
func (p *doctor) judgeTransactions(ctx context.Context, f *findings, check string, t *topic, progress []offsets.PartitionProgress) {
	var held int64
	var in []string
	var oldest time.Time
	for _, q := range progress {
		n := q.HeldBack()
		if n == 0 {
			continue
		}
		held += n
		in = append(in, strconv.Itoa(int(q.Partition)))
		if len(in) > ages {
			continue
		}
		at, err := p.written(ctx, t, q.Partition, q.Stable)
		if err == nil && !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
			oldest = at
		}
	}
	if held == 0 {
		return
	}
	text := fmt.Sprintf("an open transaction holds back %d records in partitions %s", held, few(in))
	if oldest.IsZero() {
		f.warn(check, text, "look again: usual for a moment; if it stays, see deployments/runbooks/open-transaction.md")
		return
	}
	open := time.Since(oldest)
	text += "; its first was written " + age(open.Milliseconds()) + " ago"
	if open > transactionLimit {
		f.warn(check, text, "nothing behind it can be read until it ends: see deployments/runbooks/open-transaction.md")
		return
	}
	f.ok(check, "%s", text)
}

// timestamp returns when the first unfinished record of a partition was written; zero if that cannot be
// believed.
func (p *doctor) timestamp(ctx context.Context, t *topic, q offsets.PartitionProgress) (time.Time, error) {
	return p.written(ctx, t, q.Partition, max(q.Committed, q.LogStart))
}

// written returns when the batch at an offset of a partition was written, whether its transaction has ended or
// not; zero if there is no batch, or it has no timestamp.
func (p *doctor) written(ctx context.Context, t *topic, partition int32, offset int64) (time.Time, error) {
	i := slices.IndexFunc(t.partitions, func(m kmsg.MetadataResponseTopicPartition) bool { return m.Partition == partition })
	if i < 0 {
		return time.Time{}, errors.New("a partition has come since")
	}
	// One byte is asked for: the first batch comes whole, and no second one.
	answer, err := fetch.Do(ctx, p.cluster.kafka.Wire, &fetch.Request{
		Broker: t.partitions[i].Leader, ClientID: p.cluster.clientID, MinBytes: 1, MaxBytes: 1, Peek: true,
		Partitions: []fetch.Partition{{Topic: t.name, Partition: partition, LeaderEpoch: -1, LastEpoch: -1, Offset: offset, MaxBytes: 1}},
	})
	if err != nil {
		return time.Time{}, err
	}
	if len(answer.Partitions) != 1 {
		return time.Time{}, nil
	}
	a := &answer.Partitions[0]
	if a.Err != nil {
		return time.Time{}, a.Err
	}
	at, _ := fetch.TimeOf(a.Written())
	return at, nil
}

// judgeExpiry says when the commits of a group without members expire. empty: that is so now.
func judgeExpiry(f *findings, g general, empty bool) {
	const check = "offsets.retention.minutes"
	n, err := strconv.ParseInt(g.configs[check], 10, 64)
	switch {
	case g.err != nil || err != nil:
		if empty {
			f.unknown(check, "Kafka deletes the commits of a group some time after its last member left", "look at the brokers' setting of that name")
		}
	case time.Duration(n)*time.Minute < eventsRetention:
		f.warn(check, "Kafka deletes the commits "+age(n*60_000)+" after the last member left: what the topic still keeps is then sent again from its first record",
			fmt.Sprintf("set it to %d or more on the brokers, and leave one replica running", int64(eventsRetention/time.Minute)))
	case empty:
		f.ok(check, "Kafka deletes the commits %s after the last member left", age(n*60_000))
	}
}
