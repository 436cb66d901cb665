package consumer

import (
	"cmp"
	"context"
	"sync"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
)

// firstOffsets asks for the first offsets of partitions' logs: all leaders at once, one request
// each, so that 100 new partitions do not take 100 round trips. Each leader's answer arrives on
// its own: one that does not answer delays no other. After the last one the channel is
// closed. A partition without an answer is logged and left out.
func (g *member) firstOffsets(ctx context.Context, parts []*partition) <-chan []commitment {
	leaders, err := g.leaders(ctx)
	led, why := map[int32][]first{}, map[*partition]error{}
	for _, p := range parts {
		l := leaders.of(p.topicPartition)
		if l.err = cmp.Or(err, l.err); l.err != nil {
			why[p] = l.err
			continue
		}
		led[l.broker] = append(led[l.broker], first{p, l})
	}
	g.boundsUnread(ctx, why)
	answers := make(chan []commitment)
	var asking sync.WaitGroup
	for broker, parts := range led {
		asking.Go(func() { answers <- g.firstsAt(ctx, broker, parts) })
	}
	go func() {
		asking.Wait()
		close(answers)
	}()
	return answers
}

// first is a partition whose log's first offset is asked for, and who leads it.
type first struct {
	part   *partition
	leader leader
}

// firstsAt asks one leader and returns the commits to send.
func (g *member) firstsAt(ctx context.Context, broker int32, parts []first) (firsts []commitment) {
	e := g.engine
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	asks := make([]fetch.OffsetAsk, len(parts))
	for i, f := range parts {
		asks[i] = fetch.OffsetAsk{Topic: f.part.Topic, Partition: f.part.Number, LeaderEpoch: f.leader.epoch}
	}
	told, err := fetch.FirstOffsets(ctx, e.cfg.Wire, broker, asks)
	why := map[*partition]error{}
	for i, f := range parts {
		switch {
		case err != nil:
			why[f.part] = err
		case told[i].Err != nil:
			why[f.part] = told[i].Err
		default:
			firsts = append(firsts, g.firstCommitment(f, told[i].Offset))
		}
	}
	if len(why) > 0 {
		e.cfg.Wire.Refresh()
	}
	g.boundsUnread(ctx, why)
	return firsts
}

// firstCommitment is the commit of a log's first offset. No epoch below it is known.
func (g *member) firstCommitment(f first, offset int64) commitment {
	e := g.engine
	c := commitment{part: f.part, logID: f.leader.id, Commit: offsets.Commit{Offset: offset, Epoch: progress.UnknownEpoch}}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.noEvidence {
		at := f.part.commitKey(offset)
		at.TopicID = f.leader.id
		c.Metadata, _ = progress.Encode(at, progress.Nothing(offset, progress.UnknownEpoch))
	}
	return c
}
