package fetch

import (
	"context"
	"errors"
	"iter"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Sender sends a message to a broker, by its ID, in the newest version that both know; if the request is set
// to a lower version, in that one.
type Sender interface {
	Send(ctx context.Context, broker int32, req kmsg.Request) (kmsg.Response, error)
}

// Errors of an answer that does not answer for a requested partition.
var (
	ErrLeftOut  = errors.New("the answer leaves the partition out")
	ErrTwice    = errors.New("the answer names the partition twice, with different values")
	ErrNoOffset = errors.New("the answer states no offset")
)

// Told is what an answer says about partitions. Brokers send lists: a list that leaves a partition out, or
// names it twice, says nothing about it.
type Told[V comparable] map[partitionKey]item[V]

type item[V comparable] struct {
	value V
	err   error
}

// Add adds what an answer says of one partition.
func (t Told[V]) Add(topic string, partition int32, code int16, value V) {
	it := item[V]{value: value}
	if code != 0 {
		it = item[V]{err: kafka.Error(code)}
	}
	k := partitionKey{topic, partition}
	if old, ok := t[k]; ok && old != it {
		it = item[V]{err: ErrTwice}
	}
	t[k] = it
}

// Of returns what was said of a partition: an error of Kafka's, or [ErrLeftOut] or [ErrTwice] if nothing was.
func (t Told[V]) Of(topic string, partition int32) (V, error) {
	it, ok := t[partitionKey{topic, partition}]
	if !ok {
		it.err = ErrLeftOut
	}
	return it.value, it.err
}

// grouped groups asks by topic, in the order of each topic's first ask.
func grouped[Ask any, Topic comparable](asks []Ask, topic func(Ask) Topic) iter.Seq2[Topic, []Ask] {
	of := map[Topic][]Ask{}
	var names []Topic
	for _, ask := range asks {
		name := topic(ask)
		if of[name] == nil {
			names = append(names, name)
		}
		of[name] = append(of[name], ask)
	}
	return func(yield func(Topic, []Ask) bool) {
		for _, name := range names {
			if !yield(name, of[name]) {
				return
			}
		}
	}
}
