package simulation

import (
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// A third of the runs have a second event topic. The observer judges its partitions like the others, by numbers from
// secondTopic on. What changes a log, or adds partitions, is the first topic's alone: the second must not suffer.
const secondTopic = 1000

// placeOf is a partition as Kafka has it, numbered is its number here.
func placeOf(partition int32) (topic string, number int32) {
	if partition >= secondTopic {
		return apptest.MoreEventsTopic, partition - secondTopic
	}
	return apptest.EventTopic, partition
}

func numbered(topic string, number int32) (partition int32, known bool) {
	switch topic {
	case apptest.EventTopic:
		return number, true
	case apptest.MoreEventsTopic:
		return number + secondTopic, true
	}
	return 0, false
}

// log is a partition's; nil: there is none.
func (o *observer) log(partition int32) *log {
	parts := o.parts
	if partition >= secondTopic {
		parts, partition = o.more, partition-secondTopic
	}
	if partition < 0 || int(partition) >= len(parts) {
		return nil
	}
	return parts[partition]
}

// logs are those of both topics.
func (o *observer) logs() iter.Seq2[int32, *log] {
	return func(yield func(int32, *log) bool) {
		for p, l := range o.parts {
			if !yield(int32(p), l) {
				return
			}
		}
		for p, l := range o.more {
			if !yield(int32(p)+secondTopic, l) {
				return
			}
		}
	}
}

// drawSecondTopic draws a second topic and its events by chance of its own, so that other seeds stay as they are. A run
// that truncates a log has none: the brokers start again for it, and know the epochs of the first topic alone then.
func (s *schedule) drawSecondTopic() {
	if s.seed%3 != 0 || slices.ContainsFunc(s.faults, func(f *fault) bool { return f.kind.name == truncation }) {
		return
	}
	r := rand.New(rand.NewPCG(s.seed, 2))
	s.more = 1 + r.Int32N(3)
	for i := range 15 {
		b := burst{at: time.Duration(r.Int64N(int64(s.length))), partition: secondTopic + r.Int32N(s.more)}
		for range 1 + r.IntN(6) {
			e := spec{nature: fine, orderKey: 2*i + r.IntN(2)}
			e.lot = e.orderKey % 5
			if r.IntN(20) == 0 {
				e.nature = spoilt
			}
			b.events = append(b.events, e)
		}
		s.events = append(s.events, b)
	}
	slices.SortStableFunc(s.events, func(a, b burst) int { return int(a.at - b.at) })
}
