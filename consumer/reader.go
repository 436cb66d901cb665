package consumer

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/wire"
)

// How many fetches may be under way at one broker.
const (
	// longPolls is how many may wait for records. With two, a partition that has read all
	// need not wait for the end of a long poll that began without it.
	longPolls = 2
	// requestsPerBroker adds one that never waits: it asks only for partitions that are known
	// to have records. Without it, idle partitions would delay one that has room again.
	requestsPerBroker = longPolls + 1
)

// fetchPause is the least time between the starts of two requests to one broker. Without it,
// records that come one by one would each end a long poll, and requests would cost more
// than records. So what comes in the pause shares the next request. Records that come more
// seldom do not wait.
const fetchPause = time.Millisecond

// readLoop keeps each partition that has room in a fetch to its leader. Partitions of one broker
// share a request. It has no tick: it wakes when a request ends, a partition gets room, or
// the backoff after an error ends.
func (g *member) readLoop(ctx context.Context) {
	under := map[int32]int{}       // requests by broker
	begun := map[int32]time.Time{} // when the last one to each began
	ended := make(chan int32)
	backoff := time.NewTimer(0)
	defer backoff.Stop()
	for {
		next := g.startFetches(ctx, under, begun, ended)
		if !next.IsZero() {
			backoff.Reset(max(0, time.Until(next)))
		}
		select {
		case broker := <-ended:
			if under[broker]--; under[broker] == 0 {
				delete(under, broker)
			}
		case <-g.wakes:
		case <-backoff.C:
		case <-ctx.Done():
			for _, n := range under {
				for range n {
					<-ended
				}
			}
			return
		}
	}
}

// startFetches starts one request to each broker that has partitions to read and may have one
// more request. It returns when the next backoff or pause ends; zero: none.
func (g *member) startFetches(ctx context.Context, under map[int32]int, begun map[int32]time.Time, ended chan<- int32) (next time.Time) {
	wanted, next := g.wanted()
	if len(wanted) == 0 {
		return next
	}
	leaders, err := g.leaders(ctx)
	groups := map[fetchFrom][]*partition{}
	for _, p := range wanted {
		l := leaders.of(p.topicPartition)
		if err != nil || l.err != nil {
			g.doubt(p) // there is no leader now, or the topic is gone
			continue
		}
		if !g.isVerified(p, l) {
			continue // it is verified first
		}
		from := g.from(p, l)
		if under[from.broker] < longPolls || under[from.broker] < requestsPerBroker && g.behind(p) {
			groups[from] = append(groups[from], p)
		}
	}
	now := time.Now()
	for from, parts := range groups {
		if free := begun[from.broker].Add(fetchPause); free.After(now) {
			next = earlier(next, free)
			continue
		}
		wait := fetchWait
		if under[from.broker] >= longPolls {
			wait = 0
		}
		begun[from.broker] = now
		under[from.broker]++
		req := g.fetchRequest(from, parts, wait)
		go func() {
			g.fetch(ctx, req, parts)
			ended <- from.broker
		}()
	}
	return next
}

// earlier returns the earlier of two times; zero stands for no time.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// wanted returns the partitions to read now, and when the next backoff ends.
func (g *member) wanted() (parts []*partition, next time.Time) {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	for _, p := range g.parts {
		switch {
		case p.phase != reading || p.drain != nil || p.inRequest || p.paused != BoundNone:
		case p.notBefore.After(now):
			next = earlier(next, p.notBefore)
		default:
			parts = append(parts, p)
		}
	}
	return parts, next
}

// behind reports whether the log is known to have records beyond the position, or nothing is
// known of it yet.
func (g *member) behind(p *partition) bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	return p.Position() < p.readable
}

// leader is a partition's leader in the metadata, or the error if none is known.
type leader struct {
	broker int32
	epoch  int32   // −1: the brokers report none
	id     wire.ID // the topic's; zero: the brokers report none
	doubt  bool    // some broker reports another ID
	err    error
}

// leaders finds leaders in the last metadata.
type leaders struct{ told *wire.Metadata }

func (g *member) leaders(ctx context.Context) (leaders, error) {
	m, err := g.engine.metadata(ctx)
	return leaders{m}, err
}

// asked is when the metadata was requested.
func (l leaders) asked() time.Time {
	if l.told == nil {
		return time.Time{}
	}
	return l.told.Asked
}

// of returns a partition's leader.
func (l leaders) of(tp topicPartition) leader {
	if l.told == nil {
		return leader{err: fetch.ErrLeftOut}
	}
	t, told := l.told.Topics[tp.Topic]
	p, has := t.Partitions[tp.Number]
	of := leader{broker: p.Leader, epoch: p.Epoch, id: t.ID, doubt: t.Doubted, err: cmp.Or(t.Err, p.Err)}
	if of.err == nil && (!told || !has) {
		of.err = fetch.ErrLeftOut
	}
	return of
}

// fetchRequest reserves the partitions and asks for as much as their bounds and the memory for
// answers allow. A partition asks for half of its share of bytes, or for its expected next batch.
func (g *member) fetchRequest(from fetchFrom, parts []*partition, wait time.Duration) *fetch.Request {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	brokers := max(1, min(e.brokers, len(g.parts)))
	answer := clamp(e.answerBytes()/int64(brokers*requestsPerBroker), 16<<10, 1<<20)
	req := &fetch.Request{
		Broker: from.broker, ClientID: e.cfg.ClientID, MaxWait: wait, MinBytes: 1, MaxBytes: int32(answer),
	}
	if from.rack {
		req.Rack = e.cfg.Rack
	}
	behind := 0
	for _, p := range parts {
		if p.Position() < p.readable {
			behind++
		}
	}
	for _, p := range parts {
		p.inRequest = true
		g.allot(p, behind)
		usual := clamp(e.share()/2, 16<<10, answer)
		if p.size > 0 {
			usual = clamp(int64(p.ahead())*int64(p.size), 4<<10, usual)
		}
		req.Partitions = append(req.Partitions, fetch.Partition{
			Topic: p.Topic, TopicID: p.verified.id, Partition: p.Number, Offset: p.Position(),
			LeaderEpoch: p.verified.epoch, LastEpoch: p.Epoch(),
			MaxBytes: int32(clamp(p.batch, usual, answer)),
		})
	}
	return req
}

func clamp(n, low, high int64) int64 { return max(low, min(n, high)) }

// fetch sends one request and takes its answer in.
func (g *member) fetch(ctx context.Context, req *fetch.Request, parts []*partition) {
	e := g.engine
	ctx, cancel := context.WithTimeout(ctx, fetchWait+requestTimeout)
	defer cancel()
	res, err := fetch.Do(ctx, e.cfg.Wire, req)
	if err != nil && ctx.Err() == nil {
		eventFetchFailed.Log(e.log, slog.Any("broker", req.Broker), slog.String("error", err.Error()))
	}
	heard, asked := map[topicPartition]bool{}, map[topicPartition]*partition{}
	for _, p := range parts {
		asked[p.topicPartition] = p // this ownership: the partition may be given up, or owned again, by now
	}
	missed := err
	if err == nil {
		defer res.Free()
		g.throttled(parts, res.Throttle)
		g.told(req, res, asked)
		left := 0
		if len(res.Partitions) < len(parts) {
			missed = fetch.ErrLeftOut // unless the answer is full
		}
		for i := range res.Partitions {
			if res.Partitions[i].Len() > 0 {
				left++
				missed = nil
			}
		}
		for i := range res.Partitions {
			a := &res.Partitions[i]
			tp := topicPartition{Topic: a.Topic, Number: a.Partition}
			if p := asked[tp]; p != nil && !heard[tp] {
				heard[tp] = true
				g.takeIn(p, req.Broker, a, left)
			}
			if a.Len() > 0 {
				left--
			}
		}
	}
	// What a full answer leaves out is requested again. Requests list partitions in random
	// order, so that none is always left out.
	for _, p := range parts {
		if !heard[p.topicPartition] {
			if missed != nil {
				g.leavesNear(p, req.Broker)
			}
			g.release(p, missed)
		}
	}
}

// told notes how far each log can be read, and the expected size of each next batch. An answer
// without any records means that there are none, whatever stable offset it reports: a broker
// that is wrong about that must not be asked without a pause.
func (g *member) told(req *fetch.Request, res *fetch.Response, parts map[topicPartition]*partition) {
	asked, size := map[topicPartition]int64{}, int64(0)
	for _, p := range req.Partitions {
		asked[topicPartition{Topic: p.Topic, Number: p.Partition}] = int64(p.MaxBytes)
	}
	for i := range res.Partitions {
		size += int64(res.Partitions[i].Len())
	}
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range res.Partitions {
		a := &res.Partitions[i]
		tp := topicPartition{Topic: a.Topic, Number: a.Partition}
		p := parts[tp]
		if p == nil || a.Err != nil {
			continue
		}
		p.readable = a.LastStableOffset
		if size == 0 {
			p.readable = 0
		}
		switch {
		case a.Len() > 0:
			size, records := a.FirstBatch()
			p.batch, p.batchRecords = int64(size), records
		case p.Position() < p.readable && size+asked[tp] <= int64(req.MaxBytes):
			// There are records, and the answer had room, so the next batch is larger than
			// what was asked for. A broker sends such a batch only as the first of an answer.
			p.batch = 2 * asked[tp]
		}
	}
}

// throttled sends no request to the broker for as long as it asks (quotas, KIP-219), at most
// maxThrottle. The broker does not read from the connection meanwhile: a request would
// time out.
func (g *member) throttled(parts []*partition, wait time.Duration) {
	if wait <= 0 {
		return
	}
	e := g.engine
	eventFetchThrottled.Log(e.log, slog.String("broker_asks_for", wait.String()))
	until := time.Now().Add(min(wait, maxThrottle))
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range parts {
		p.notBefore = until
	}
}

// maxThrottle bounds a broker's throttle: its mistake must not stop reading indefinitely.
const maxThrottle = time.Minute

// release ends a partition's request. After a failure it is read again after a backoff.
func (g *member) release(p *partition, err error) {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	p.inRequest = false
	if err != nil {
		if p.failures++; p.failingSince.IsZero() {
			p.failingSince = time.Now()
		}
		p.cause = wire.Cause(err)
		p.doubt() // the leader may have moved, or the topic may be recreated
		backoff := time.Now().Add(min(fetchBackoff<<min(p.failures-1, 8), maxFetchBackoff))
		if backoff.After(p.notBefore) {
			p.notBefore = backoff
		}
	} else {
		p.failures, p.failingSince, p.cause = 0, time.Time{}, ""
	}
	// A record may have finished while the answer was taken in.
	if p.paused != BoundNone {
		p.paused = p.obstacle()
	}
}

const (
	// fetchBackoff doubles with each failure in a row up to maxFetchBackoff.
	fetchBackoff    = 200 * time.Millisecond
	maxFetchBackoff = 2 * time.Second
)

// fetchRefused handles the error of a partition in the answer of the replica that was asked.
func (g *member) fetchRefused(p *partition, broker int32, err error) {
	e := g.engine
	switch {
	case g.leavesNear(p, broker):
		// A follower's error counts only if the leader confirms it.
	case errors.Is(err, kafka.OffsetOutOfRange):
		e.mu.Lock()
		p.outside = true
		e.mu.Unlock()
	case staleLeader(err), errors.Is(err, kafka.ReplicaNotAvailable), errors.Is(err, fetch.ErrOtherReplica):
		e.cfg.Wire.Refresh()
		for _, line := range g.waits(context.Background(), electionTakes, map[*partition]error{p: err}) {
			eventLeaderRefuses.Log(e.log, line...)
		}
	default:
		eventFetchRefused.Log(e.log, slog.String("topic", p.Topic), slog.Any("partition", p.Number),
			slog.String("cause", wire.Cause(err)), slog.String("error", err.Error()))
	}
	g.release(p, err)
}
