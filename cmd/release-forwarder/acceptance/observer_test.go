package acceptance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/testkit/platform"
)

// commits are the group's committed offsets of the event topic, as Kafka holds
// them.
func (w *world) commits() (map[int32]kadm.Offset, error) {
	answer, err := w.admin.FetchOffsets(w.ctx(), w.group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[int32]kadm.Offset{}
	for partition, r := range answer[w.topic] {
		if r.Err != nil {
			return nil, r.Err
		}
		if r.At >= 0 {
			all[partition] = r.Offset
		}
	}
	return all, nil
}

// committed is the committed offset of a partition; -1 where there is none.
func (w *world) committed(partition int32) int64 {
	w.t.Helper()
	commits, err := w.commits()
	if err != nil {
		w.t.Fatal(err)
	}
	if c, ok := commits[partition]; ok {
		return c.At
	}
	return -1
}

// ends are the event topic's end offsets.
func (w *world) ends() (map[int32]int64, error) {
	listed, err := w.admin.ListEndOffsets(w.ctx(), w.topic)
	if err == nil {
		err = listed.Error()
	}
	all := map[int32]int64{}
	for partition, l := range listed[w.topic] {
		all[partition] = l.Offset
	}
	return all, err
}

// origin is where an event stood.
type origin struct {
	partition int32
	offset    int64
}

// The prefix of the dead letter's headers.
const deadLetterPrefix = "__forwarder.errors."

// deadLetterHeader is a header of a dead letter without the prefix; "" where it has
// none.
func deadLetterHeader(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == deadLetterPrefix+name {
			return string(h.Value)
		}
	}
	return ""
}

// deadLetters reads the whole dead-letter topic, by where the events stood; a place
// has several records where a dead letter was written more than once.
func (w *world) deadLetters() (map[origin][]*kgo.Record, error) {
	records, err := w.read(w.dlq)
	all := map[origin][]*kgo.Record{}
	for _, r := range records {
		partition, _ := strconv.ParseInt(deadLetterHeader(r, "partition"), 10, 32)
		offset, _ := strconv.ParseInt(deadLetterHeader(r, "offset"), 10, 64)
		if deadLetterHeader(r, "topic") == w.topic {
			at := origin{int32(partition), offset}
			all[at] = append(all[at], r)
		}
	}
	return all, err
}

// read reads a topic from its start to its end of now.
func (w *world) read(topic string) ([]*kgo.Record, error) {
	ctx, cancel := context.WithTimeout(w.ctx(), 20*time.Second)
	defer cancel()
	starts, err := w.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	ends, err := w.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = errors.Join(starts.Error(), ends.Error())
	}
	if err != nil {
		return nil, err
	}
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	for partition, end := range ends[topic] {
		if start := starts[topic][partition].Offset; start < end.Offset {
			from[partition] = kgo.NewOffset().At(start)
			left[partition] = end.Offset
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	reader, err := kgo.NewClient(slices.Concat(w.cluster.client, []kgo.Opt{
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.FetchMaxWait(100 * time.Millisecond),
	})...)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var all []*kgo.Record
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			all = append(all, r)
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return all, nil
}

func (e *event) origin() origin { return origin{e.record.Partition, e.record.Offset} }

// unfinished are the events that are neither accepted nor dead letters.
func (w *world) unfinished(events []*event) ([]*event, error) {
	var open []*event
	for _, e := range events {
		if e.flow == (platform.Flow{}) || w.platform.accepted(e.flow) == 0 {
			open = append(open, e)
		}
	}
	if len(open) == 0 {
		return nil, nil
	}
	deadLetters, err := w.deadLetters()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(open, func(e *event) bool { return len(deadLetters[e.origin()]) > 0 }), nil
}

// drained waits until the group's lag is 0, and then checks that no event was
// lost.
func (w *world) drained() {
	w.t.Helper()
	w.caughtUp()
	w.nothingLost()
}

// caughtUp waits until the group's lag is 0.
func (w *world) caughtUp() {
	w.t.Helper()
	eventually(w.t, "the group's lag is 0", func() error {
		commits, err := w.commits()
		if err != nil {
			return err
		}
		ends, err := w.ends()
		if err != nil {
			return err
		}
		for partition, end := range ends {
			if c, ok := commits[partition]; end > 0 && (!ok || c.At != end) {
				return fmt.Errorf("partition %d: committed %d of %d", partition, c.At, end)
			}
		}
		return nil
	})
}

// nothingLost checks that every event is accepted or a dead letter.
func (w *world) nothingLost() {
	w.t.Helper()
	lost, err := w.unfinished(w.produced())
	if err != nil {
		w.t.Fatal(err)
	}
	if len(lost) > 0 {
		w.t.Errorf("%d events are neither accepted nor dead letters, the first at %+v", len(lost), lost[0].origin())
	}
}

// noDeadLetters checks that the dead-letter topic is empty.
func (w *world) noDeadLetters() {
	w.t.Helper()
	deadLetters, err := w.deadLetters()
	if err != nil {
		w.t.Fatal(err)
	}
	if len(deadLetters) > 0 {
		at := slices.Collect(maps.Keys(deadLetters))[0]
		w.t.Errorf("%d dead letters, one of %+v with reason %q", len(deadLetters), at, deadLetterHeader(deadLetters[at][0], "reason"))
	}
}

// acceptedAll waits until all these events are accepted.
func (w *world) acceptedAll(events ...*event) {
	w.t.Helper()
	eventually(w.t, "all are accepted", func() error {
		missing := 0
		for _, e := range events {
			if w.platform.accepted(e.flow) == 0 {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d are not", missing, len(events))
		}
		return nil
	})
}

// watchCommits checks from now on, many times a second, that no committed
// offset is ahead of an event that is neither accepted nor a dead letter. It
// ends with the test, or by the function it returns.
func (w *world) watchCommits() (stop func()) {
	ctx, cancel := context.WithCancel(w.ctx())
	var watching sync.WaitGroup
	watching.Go(func() {
		checked := map[origin]bool{}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.checkCommits(checked)
			case <-ctx.Done():
				return
			}
		}
	})
	stop = sync.OnceFunc(func() { cancel(); watching.Wait() })
	w.t.Cleanup(stop)
	return stop
}

// checkCommits looks once; events found finished are not looked at again. What
// Kafka cannot tell at this instant (a broker is away) it is asked the next
// time.
func (w *world) checkCommits(checked map[origin]bool) {
	commits, err := w.commits()
	if err != nil {
		return
	}
	var passed []*event
	for _, e := range w.produced() {
		if at := e.origin(); !checked[at] && at.offset < commits[at.partition].At {
			passed = append(passed, e)
		}
	}
	open, err := w.unfinished(passed)
	if err != nil {
		return
	}
	for _, e := range passed {
		checked[e.origin()] = true
	}
	for _, e := range open {
		w.t.Errorf("commit %d of partition %d is ahead of the event at %d", commits[e.record.Partition].At, e.record.Partition, e.record.Offset)
	}
}

// summary is how many of the events were accepted how often, for messages.
func (w *world) summary() string {
	return strings.TrimSpace(fmt.Sprintf("%d produced, %d accepted, %d repeats", len(w.produced()), w.platform.total(), w.platform.repeated()))
}
