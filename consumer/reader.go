package consumer

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
)

// requestsPerBroker is how many fetches may be under way at one broker. Two,
// so that a partition with room again need not wait for the end of a long poll
// that began without it.
const requestsPerBroker = 2

// readLoop keeps every partition that has room in a fetch to its leader, several
// partitions of one broker in one request. It has no tick: a request's end, room
// in a partition and the end of an error's backoff wake it.
func (g *generation) readLoop(ctx context.Context) {
	under := map[int32]int{} // requests by broker
	ended := make(chan int32)
	backoff := time.NewTimer(0)
	defer backoff.Stop()
	for {
		next := g.startFetches(ctx, under, ended)
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

// startFetches starts a request at each broker that may have one more and has
// partitions to read; it returns when the next partition's backoff ends, zero if
// none waits.
func (g *generation) startFetches(ctx context.Context, under map[int32]int, ended chan<- int32) (next time.Time) {
	wanted, next := g.wanted()
	if len(wanted) == 0 {
		return next
	}
	leaders, err := g.leaders(ctx)
	if err != nil || len(leaders) == 0 {
		return time.Now().Add(fetchBackoff)
	}
	groups := map[int32][]*partition{}
	for _, p := range wanted {
		broker, ok := leaders[p.topicPartition]
		if !ok {
			// No leader now, or the topic is gone: look again when the
			// transport has.
			next = earlier(next, time.Now().Add(fetchBackoff))
			continue
		}
		if under[broker] < requestsPerBroker {
			groups[broker] = append(groups[broker], p)
		}
	}
	for broker, parts := range groups {
		under[broker]++
		req := g.fetchRequest(broker, parts, len(leaders))
		go func() {
			g.fetch(ctx, req, parts)
			ended <- broker
		}()
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// wanted returns the partitions to read now, and when the next one's backoff
// ends.
func (g *generation) wanted() (parts []*partition, next time.Time) {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	for _, p := range g.parts {
		switch {
		case p.phase != reading || p.fetching || p.paused != BoundNone:
		case p.notBefore.After(now):
			next = earlier(next, p.notBefore)
		default:
			parts = append(parts, p)
		}
	}
	return parts, next
}

// leaders gives each partition's leader, from the transport's cache.
func (g *generation) leaders(ctx context.Context) (map[topicPartition]int32, error) {
	e := g.engine
	res, err := e.client.Metadata(ctx, &kafka.MetadataRequest{Topics: g.topics})
	if err != nil {
		return nil, err
	}
	leaders := map[topicPartition]int32{}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if p.Leader.Host != "" {
				leaders[topicPartition{t.Name, int32(p.ID)}] = int32(p.Leader.ID)
			}
		}
	}
	return leaders, nil
}

// fetchRequest reserves the partitions and asks for as much as their bounds and
// the part of memory for answers allow.
func (g *generation) fetchRequest(broker int32, parts []*partition, partitions int) *fetch.Request {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	brokers := max(1, min(e.brokers, partitions))
	answer := clamp(e.answerBytes()/int64(brokers*requestsPerBroker), 16<<10, 1<<20)
	req := &fetch.Request{
		Broker: broker, ClientID: e.cfg.ClientID, MaxWait: fetchWait, MinBytes: 1, MaxBytes: int32(answer),
	}
	for _, p := range parts {
		p.fetching = true
		req.Partitions = append(req.Partitions, fetch.Partition{
			Topic: p.topic, Partition: p.partition, Offset: p.position,
			MaxBytes: int32(clamp(e.share()/2, 16<<10, answer)),
		})
	}
	return req
}

func clamp(n, low, high int64) int64 { return max(low, min(n, high)) }

// fetch reads once and takes in what was read.
func (g *generation) fetch(ctx context.Context, req *fetch.Request, parts []*partition) {
	e := g.engine
	ctx, cancel := context.WithTimeout(ctx, fetchWait+requestTimeout)
	defer cancel()
	res, err := fetch.Do(ctx, e.cfg.Transport, e.client.Addr, req)
	if err != nil && ctx.Err() == nil {
		e.log.Warn("fetch failed; it is tried again", "broker", req.Broker, "error", err.Error())
	}
	from := map[topicPartition]int64{}
	for _, p := range req.Partitions {
		from[topicPartition{p.Topic, p.Partition}] = p.Offset
	}
	heard := map[topicPartition]bool{}
	if err == nil {
		for i := range res.Partitions {
			a := &res.Partitions[i]
			tp := topicPartition{a.Topic, a.Partition}
			if p := g.parts[tp]; p != nil && !heard[tp] {
				heard[tp] = true
				g.takeIn(p, from[tp], a)
			}
		}
	}
	// What a full answer leaves out is asked for again. Requests name partitions
	// in no order, so none is left out for ever.
	for _, p := range parts {
		if !heard[p.topicPartition] {
			g.release(p, err != nil)
		}
	}
}

// takeIn handles one partition's part of an answer.
func (g *generation) takeIn(p *partition, from int64, a *fetch.Answer) {
	if a.Err != nil {
		g.fetchRefused(p, a.Err)
		return
	}
	e := g.engine
	e.mu.Lock()
	p.logEnd = a.HighWatermark
	p.outOfRange = time.Time{}
	short := p.phase == reading && p.inheritedEnd > max(p.position, a.HighWatermark)
	if short {
		p.phase = lost // the commit tells of records that the log does not have
	}
	e.mu.Unlock()
	if short {
		poke(g.looks)
		g.release(p, false)
		return
	}

	rd := a.Records(from, fetch.Limits{MaxRecordBytes: max(hardRecordLimit, 4*e.cfg.MaxRecordBytes)})
	defer rd.Close()
	err := g.read(p, rd)
	if err != nil {
		e.log.Error("the log cannot be read here: this partition stops until it can, the others go on; "+
			"see the broker's log for a damaged disk, and README.md for passing over the record",
			"topic", p.topic, "partition", p.partition, "offset", rd.Position(), "error", err.Error())
	}
	// An answer that held nothing although there is something must not be
	// asked for again without a pause.
	stuck := rd.Position() == from && from < a.LastStableOffset && a.Len() > 0 && p.pausedNow() == BoundNone
	g.release(p, err != nil || stuck)
}

// hardRecordLimit is the most one record may unpack to: a small batch can claim
// any size. Kafka's own default bound is 1 MiB.
const hardRecordLimit = 32 << 20

func (p *partition) pausedNow() Bound {
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	return p.paused
}

// read takes the reader's records in, as many as the partition has room for.
func (g *generation) read(p *partition, rd *fetch.Reader) error {
	e := g.engine
	var batch []*Delivery
	var sessions []string
	for {
		e.mu.Lock()
		if p.phase != reading || g.draining {
			e.mu.Unlock()
			return nil
		}
		records, bytes, bound := p.room()
		if bound != BoundNone {
			p.paused = bound
			e.mu.Unlock()
			return nil
		}
		empty := p.count == 0
		mayAlone := !e.oversized
		e.mu.Unlock()

		batch, sessions = batch[:0], sessions[:0]
		var last error
		var full Bound
		var wants *Delivery // what did not fit
		now := time.Now()
		for len(batch) < min(records, takeInAtOnce) {
			var rec fetch.Record
			if rec, last = rd.Next(); last != nil {
				break
			}
			d := newDelivery(p, rec, now)
			d.oversized = payload(&rec) > e.cfg.MaxRecordBytes
			first := empty && len(batch) == 0
			if d.oversized && !mayAlone || !d.oversized && !first && d.cost > bytes {
				full, wants = BoundBytes, d
				break
			}
			bytes -= d.cost
			batch = append(batch, d)
			sessions = append(sessions, e.cfg.Session(rec.Value))
			if d.oversized {
				full = BoundBytes
				break
			}
		}
		if g.add(p, batch, sessions, full, wants, last, rd.Position()) {
			return nil
		}
		if last != nil {
			return onlyEnd(last)
		}
	}
}

// takeInAtOnce is how many records are decoded before they are handed on.
const takeInAtOnce = 256

func onlyEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func newDelivery(p *partition, rec fetch.Record, now time.Time) *Delivery {
	d := &Delivery{Record: Record{Topic: p.topic, Partition: p.partition, Record: rec}, part: p, cost: cost(&rec), Read: now}
	d.Record.Time = now
	if t := time.UnixMilli(rec.Timestamp); rec.Timestamp >= 0 && !t.Before(year2000) && !t.After(now) {
		d.Record.Time = t
	}
	return d
}

var year2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// add queues a batch and tells whether reading this answer must stop.
func (g *generation) add(p *partition, batch []*Delivery, sessions []string, full Bound, wants *Delivery, last error, position int64) (stop bool) {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.phase != reading || g.draining {
		return true
	}
	readied := 0
	for i, d := range batch {
		if p.finishedBefore(d.Record.Offset) {
			p.pass(d.Record.Offset)
			continue
		}
		if d.oversized {
			e.oversized = true
			e.log.Warn("a record above KAFKA_MAX_RECORD_BYTES is processed, no other such beside it",
				"topic", p.topic, "partition", p.partition, "offset", d.Record.Offset, "bytes", d.cost-recordOverhead)
		}
		if p.join(d, sessions[i]) {
			readied++
		}
	}
	if full == BoundNone && (last == nil || errors.Is(last, io.EOF)) {
		p.advance(position)
	}
	g.dirty = true
	p.paused, p.wants, p.waitsAlone = full, 0, false
	if wants != nil {
		p.waitsAlone = wants.oversized
		if !wants.oversized {
			p.wants = wants.cost
		}
	}
	if readied > 0 {
		e.arm(p)
	}
	return full != BoundNone
}

// release lets a partition be read again, after a pause where a request failed.
func (g *generation) release(p *partition, failed bool) {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	p.fetching = false
	if failed {
		p.failures++
		p.notBefore = time.Now().Add(min(fetchBackoff<<min(p.failures-1, 8), maxFetchBackoff))
	} else {
		p.failures = 0
	}
	// What made room may have come while the answer was taken in.
	if p.paused != BoundNone && p.resume() {
		p.paused = BoundNone
	}
}

const (
	// fetchBackoff doubles with each failure in a row up to maxFetchBackoff.
	fetchBackoff    = 200 * time.Millisecond
	maxFetchBackoff = 2 * time.Second
)

// fetchRefused draws the conclusions from a partition's error.
func (g *generation) fetchRefused(p *partition, err error) {
	e := g.engine
	switch {
	case errors.Is(err, kafka.OffsetOutOfRange):
		e.mu.Lock()
		if p.phase == reading {
			p.phase = lost
		}
		e.mu.Unlock()
		poke(g.looks)
	case errors.Is(err, kafka.NotLeaderForPartition), errors.Is(err, kafka.LeaderNotAvailable), errors.Is(err, kafka.ReplicaNotAvailable),
		errors.Is(err, fetch.ErrOtherReplica):
		// The leader moved: the transport learns of it by itself.
	default:
		e.log.Warn("the broker refused to let a partition be read; it is tried again",
			"topic", p.topic, "partition", p.partition, "error", err.Error())
	}
	g.release(p, true)
}
