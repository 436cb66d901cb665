package simulation

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// fail notes that the simulation itself went wrong.
func (o *observer) fail(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.breach("the simulation", format, args...)
}

// lastOf is the offset of a partition's last event.
func (o *observer) lastOf(partition int32) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return int64(len(o.log(partition).records)) - 1
}

// complete tells whether every event is finished and committed.
func (o *observer) complete() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settle()
	o.look()
	for _, l := range o.logs() {
		if l.below < int64(len(l.records)) || l.last.Offset < int64(len(l.records)) || l.life > 0 && l.last.Offset != int64(len(l.records)) {
			return false
		}
	}
	return true
}

// stuck says what is not accounted for in time.
func (o *observer) stuck(after time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for p, l := range o.logs() {
		if l.below == int64(len(l.records)) && l.last.Offset == l.below {
			continue
		}
		var left []string
		for _, r := range l.records[l.below:] {
			if !r.finished() && len(left) < 5 {
				left = append(left, r.String())
			}
		}
		o.breach("liveness", "%s after the last fault partition %d of %d events is finished below %d and committed to %d; unfinished are %v", after, p, len(l.records), l.below, l.last.Offset, left)
	}
}

// account settles the accounts at the end (P2, P5): every event the platform's
// or a dead letter's, and which of the two as its nature says.
func (o *observer) account() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settle()
	o.look()
	for p, l := range o.logs() {
		info := o.cluster.Load().PartitionInfo(placeOf(p))
		if info == nil || info.HighWatermark != int64(len(l.records)) {
			o.breach("the simulation", "partition %d does not hold the %d events that were produced", p, len(l.records))
		}
		for _, r := range l.records {
			switch {
			case !r.finished() && l.last.Covers(r.offset):
				o.breach("P2", "%s is lost", r)
			case !r.finished():
				o.breach("P2", "%s is neither accepted nor dead-lettered", r)
			case r.nature == fine && len(r.written) > 0 && !r.givenUp:
				o.breach("P5", "%s, which is fine, is dead-lettered", r)
			case r.nature == ignored && len(r.accepted)+len(r.written) > 0:
				o.breach("P5", "%s, which a profile ignores, was accepted or dead-lettered", r)
			case (r.nature == spoilt || r.nature == refused) && len(r.accepted) > 0:
				o.breach("P5", "%s was accepted", r)
			}
		}
		o.countedFor(p)
		if l.last.Offset != int64(len(l.records)) {
			o.breach("liveness", "partition %d is committed to %d of %d at the end", p, l.last.Offset, len(l.records))
		}
	}
}

// missing counts requests that found no dead-letter topic while a dead letter
// waited.
func (o *observer) missing(req kmsg.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.deadLettersGone
	if f == nil || o.cluster.Load().TopicInfo(apptest.DeadLetterTopic) != nil {
		return
	}
	if m, ok := req.(*kmsg.MetadataRequest); ok && !slices.ContainsFunc(m.Topics, func(t kmsg.MetadataRequestTopic) bool { return text(t.Topic) == apptest.DeadLetterTopic }) {
		return
	}
	for _, l := range o.logs() {
		for _, r := range l.records[l.below:] {
			if r.nature == spoilt && !r.finished() {
				f.hit(1)
				return
			}
		}
	}
}
