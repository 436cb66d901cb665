package dlq

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/wire"
)

// Wire is the way to the cluster: a [wire.Client].
type Wire interface {
	// RoundTrip is for kafka-go's messages: produce and administration.
	kafka.RoundTripper
	fetch.Exchanger
	fetch.Sender
	MetadataOf(ctx context.Context, topics []string) (*wire.Metadata, error)
	Refresh()
}

// anywhere is an address for kafka-go's Client, which requires one; the wire ignores it.
var anywhere = kafka.TCP("kafka:0")

// client is a kafka-go client over the wire.
func client(w Wire, timeout time.Duration) *kafka.Client {
	return &kafka.Client{Addr: anywhere, Transport: w, Timeout: timeout}
}

func (s *source) client() *kafka.Client { return client(s.wire, requestTimeout) }

// described returns the topic from the cluster's metadata: its ID and its partitions' leaders.
func (s *source) described(ctx context.Context) (wire.Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return described(ctx, s.wire, s.topic)
}

// described is a topic by the cluster's metadata: its ID, and who leads its partitions.
func described(ctx context.Context, w Wire, topic string) (wire.Topic, error) {
	m, err := w.MetadataOf(ctx, []string{topic})
	if err != nil {
		return wire.Topic{}, err
	}
	t := m.Topics[topic]
	if t.Err == nil && len(t.Partitions) == 0 {
		t.Err = kafka.UnknownTopicOrPartition
	}
	return t, t.Err
}

// led returns the topic's ID and one of its partitions with its leader.
func (s *source) led(ctx context.Context, partition int32) (wire.ID, wire.Partition, error) {
	t, err := s.described(ctx)
	if err != nil {
		return wire.ID{}, wire.Partition{}, err
	}
	p, ok := t.Partitions[partition]
	if !ok {
		p.Err = kafka.UnknownTopicOrPartition
	}
	return t.ID, p, p.Err
}

// refused returns a leader's error, and refreshes the metadata if its leader, epoch or topic
// ID may be outdated.
func (s *source) refused(err error) error {
	if err != nil && (passing(err) || errors.Is(err, kafka.UnknownTopicOrPartition)) {
		s.wire.Refresh()
	}
	return err
}

// question asks a leader for one offset of each log.
type question func(ctx context.Context, to fetch.Sender, broker int32, asks []fetch.OffsetAsk) ([]fetch.OffsetTold, error)

// ends asks where logs end, for a reader of committed records or for any.
func ends(committed bool) question {
	return func(ctx context.Context, to fetch.Sender, broker int32, asks []fetch.OffsetAsk) ([]fetch.OffsetTold, error) {
		return fetch.EndOffsets(ctx, to, broker, committed, asks)
	}
}

// firstsSince asks for the first committed records with a timestamp at or after a time.
func firstsSince(at time.Time) question {
	return func(ctx context.Context, to fetch.Sender, broker int32, asks []fetch.OffsetAsk) ([]fetch.OffsetTold, error) {
		return fetch.OffsetsSince(ctx, to, broker, at, asks)
	}
}

// told holds a leader's answers about one partition, in the order of the questions, as far as
// it answered.
type told struct {
	offsets []int64
	err     error
}

// offsets asks the leaders of all partitions, each about its own. One that does not answer
// does not block the others.
func (s *source) offsets(ctx context.Context, questions ...question) (map[int32]told, error) {
	topic, err := s.described(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	all, led := map[int32]told{}, map[int32][]fetch.OffsetAsk{}
	for n, p := range topic.Partitions {
		if p.Err != nil {
			all[n] = told{err: p.Err}
			continue
		}
		led[p.Leader] = append(led[p.Leader], fetch.OffsetAsk{Topic: s.topic, Partition: n, LeaderEpoch: p.Epoch})
	}
	answers := make(chan map[int32]told)
	for broker, asks := range led {
		go func() { answers <- s.offsetsAt(ctx, broker, asks, questions) }()
	}
	for range led {
		maps.Copy(all, <-answers)
	}
	return all, nil
}

// offsetsAt asks one leader.
func (s *source) offsetsAt(ctx context.Context, broker int32, asks []fetch.OffsetAsk, questions []question) map[int32]told {
	all := map[int32]told{}
	for _, ask := range questions {
		answers, err := ask(ctx, s.wire, broker, asks)
		for i, a := range asks {
			t := all[a.Partition]
			if err != nil {
				t.err = s.refused(err)
			} else {
				t.offsets, t.err = append(t.offsets, answers[i].Offset), cmp.Or(t.err, s.refused(answers[i].Err))
			}
			all[a.Partition] = t
		}
		if err != nil {
			break
		}
	}
	return all
}
