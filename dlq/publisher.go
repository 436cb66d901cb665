package dlq

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"release-forwarder/consumer/topic"
	"release-forwarder/dlq/producer"
)

// Config configures a Publisher.
type Config struct {
	Wire topic.Wire
	// Timeout bounds one request; the broker has half of it to gather the acknowledgements.
	Timeout time.Duration
	Topic   string
	Group   string // the consumer group, for the header
}

// Publisher writes letters.
type Publisher struct {
	*producer.Producer
	group string
}

// NewPublisher makes a publisher. It opens no connection.
func NewPublisher(cfg Config) *Publisher {
	return &Publisher{producer.New(producer.Config{
		Wire: cfg.Wire, Timeout: cfg.Timeout, Topic: cfg.Topic, What: "dead-letter topic", Codec: kafka.Gzip,
		Done: func(messages []producer.Message, err error) {
			for _, m := range messages {
				m.(message).done(err)
			}
		},
	}), cfg.Group}
}

// Publish writes a letter and calls done exactly once, from another goroutine: with nil when all in-sync replicas
// have it. After an error it may have been written nevertheless. A letter whose context ends before its request is
// sent is not written. Do not change the letter before done is called.
func (p *Publisher) Publish(ctx context.Context, l *Letter, done func(error)) {
	p.Producer.Publish(ctx, message{l, p.group, done})
}

// message is a letter as it is written.
type message struct {
	*Letter
	group string
	done  func(error)
}

// Partition implements producer.Message.
func (m message) Partition(partitions []int) int {
	return partitions[int(m.Letter.Partition)%len(partitions)]
}

// Record implements producer.Message.
func (m message) Record() kafka.Record {
	return kafka.Record{Headers: m.headers(m.group), Key: protocol.NewBytes(m.Key), Value: protocol.NewBytes(m.Value)}
}

// Size implements producer.Message.
func (m message) Size() int { return m.size() }
