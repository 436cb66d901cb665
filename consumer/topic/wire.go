package topic

import (
	"context"
	"errors"
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

// Client is a kafka-go client over the wire.
func Client(w Wire, timeout time.Duration) *kafka.Client {
	return &kafka.Client{Addr: anywhere, Transport: w, Timeout: timeout}
}

// Describe returns a topic from the cluster's metadata: its ID and its partitions' leaders.
func Describe(ctx context.Context, w Wire, topic string) (wire.Topic, error) {
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

// Describe is the function of this name for the log's topic, within [RequestTimeout].
func (l *Log) Describe(ctx context.Context) (wire.Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	return Describe(ctx, l.wire, l.topic)
}

// led returns the topic's ID and one of its partitions with its leader.
func (l *Log) led(ctx context.Context, partition int32) (wire.ID, wire.Partition, error) {
	t, err := l.Describe(ctx)
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
func (l *Log) refused(err error) error {
	if err != nil && (Retriable(err) || errors.Is(err, kafka.UnknownTopicOrPartition)) {
		l.wire.Refresh()
	}
	return err
}
