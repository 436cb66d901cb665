package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Kafka reads back what the topics and the group hold.
type Kafka struct {
	Brokers []string
	// Topic, DeadLetters, Receipts and Group are names. Receipts is "" where none are written.
	Topic, DeadLetters, Receipts, Group string
	// Admin asks for offsets; it is a client of Brokers.
	Admin *kadm.Client
}

// Progress is how far a run has come, in records.
type Progress struct {
	// Produced, Dead letters and Receipts are how many records the topics hold.
	Produced, DeadLetters, Receipts int64
	// Lag is what is not committed yet.
	Lag int64
}

// Progress asks Kafka for the ends and the commits.
func (k *Kafka) Progress(ctx context.Context) (Progress, error) {
	ends, committed, err := k.offsets(ctx)
	if err != nil {
		return Progress{}, err
	}
	var p Progress
	for partition, end := range ends[k.Topic] {
		p.Produced += end
		p.Lag += end - committed[partition]
	}
	for _, end := range ends[k.DeadLetters] {
		p.DeadLetters += end
	}
	for _, end := range ends[k.Receipts] {
		p.Receipts += end
	}
	return p, nil
}

// offsets returns the ends of the topics and the group's commits; a partition
// without a commit is not in it.
func (k *Kafka) offsets(ctx context.Context) (ends map[string]map[int32]int64, committed map[int32]int64, err error) {
	// Commits first: a commit that moves meanwhile then lies below the end.
	fetched, err := k.Admin.FetchOffsets(ctx, k.Group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // no one has joined yet
		return nil, nil, fmt.Errorf("account: committed offsets: %w", err)
	}
	committed = map[int32]int64{}
	for _, o := range fetched[k.Topic] {
		if o.Err == nil && o.At >= 0 {
			committed[o.Partition] = o.At
		}
	}
	topics := []string{k.Topic, k.DeadLetters}
	if k.Receipts != "" {
		topics = append(topics, k.Receipts)
	}
	listed, err := k.Admin.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("account: ends of topics: %w", err)
	}
	ends = map[string]map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) {
		if ends[o.Topic] == nil {
			ends[o.Topic] = map[int32]int64{}
		}
		ends[o.Topic][o.Partition] = o.Offset
	})
	return ends, committed, nil
}

// Evidence reads the topics from their first record to their end.
func (k *Kafka) Evidence(ctx context.Context) (Evidence, error) {
	ends, committed, err := k.offsets(ctx)
	if err != nil {
		return Evidence{}, err
	}
	e := Evidence{Committed: committed, End: ends[k.Topic]}
	err = k.readBack(ctx, ends, func(r *kgo.Record) {
		switch r.Topic {
		case k.Topic:
			e.Records = append(e.Records, newRecord(r))
		case k.DeadLetters:
			e.DeadLetters = append(e.DeadLetters, newDeadLetter(r))
		default:
			e.Receipts = append(e.Receipts, newReceipt(r))
		}
	})
	e.Receipted = k.Receipts != ""
	return e, err
}

// Example is the first receipt of an accepted event that Kafka has, and what it holds; false if it has none yet.
func (k *Kafka) Example(ctx context.Context) (r Receipt, value string, is bool, err error) {
	ends, _, err := k.offsets(ctx)
	if err != nil {
		return Receipt{}, "", false, err
	}
	err = k.readBack(ctx, map[string]map[int32]int64{k.Receipts: ends[k.Receipts]}, func(record *kgo.Record) {
		if one := newReceipt(record); !is && one.Verdict == verdictAccepted {
			r, value, is = one, string(record.Value), true
		}
	})
	return r, value, is, err
}

// readBack hands over every record below the ends, each partition's in order.
func (k *Kafka) readBack(ctx context.Context, ends map[string]map[int32]int64, each func(*kgo.Record)) error {
	from := map[string]map[int32]kgo.Offset{}
	left := map[string]map[int32]bool{}
	open := 0
	for topic, partitions := range ends {
		from[topic], left[topic] = map[int32]kgo.Offset{}, map[int32]bool{}
		for partition, end := range partitions {
			if end > 0 {
				from[topic][partition] = kgo.NewOffset().At(0)
				left[topic][partition] = true
				open++
			}
		}
	}
	if open == 0 {
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers...), kgo.ConsumePartitions(from), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return fmt.Errorf("account: %w", err)
	}
	defer client.Close()
	for open > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("account: reading back: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			end := ends[r.Topic][r.Partition]
			if r.Offset < end {
				each(r)
			}
			if r.Offset >= end-1 && left[r.Topic][r.Partition] {
				left[r.Topic][r.Partition] = false
				open--
			}
		})
	}
	return nil
}
