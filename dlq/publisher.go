package dlq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"release-forwarder/consumer/topic"
)

// Config configures a Publisher.
type Config struct {
	Wire topic.Wire
	// Timeout bounds one request; the broker has half of it to gather the acknowledgements.
	Timeout time.Duration
	Topic   string
	Group   string // the consumer group, for the header
}

// Publisher writes letters. Letters to one partition share requests, written by one
// goroutine. Another goroutine assigns new letters to partitions. Both end when there is
// nothing to do.
type Publisher struct {
	cfg     Config
	writers sync.WaitGroup
	// ctx is for the requests. A letter's own context does not cancel a request, because
	// the result would be unknown for all letters that share it.
	ctx  context.Context
	stop context.CancelFunc

	mu       sync.Mutex
	incoming []job         // not yet routed to a partition
	routing  bool          // its goroutine runs
	queues   map[int][]job // by partition; present while its writer runs
	// Guarded by mu too: since when every letter was refused; zero if the last one was
	// written or none was tried.
	refusing time.Time
}

type job struct {
	came   time.Time
	ctx    context.Context
	letter *Letter
	done   func(error)
}

// NewPublisher makes a publisher. It opens no connection.
func NewPublisher(cfg Config) *Publisher {
	p := &Publisher{cfg: cfg, queues: map[int][]job{}}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// Topic is the dead-letter topic.
func (p *Publisher) Topic() string { return p.cfg.Topic }

// Publish writes a letter and calls done exactly once, from another goroutine: with nil when
// all in-sync replicas have it. After an error it may have been written nevertheless. A
// letter whose context ends before its request is sent is not written. Do not change the
// letter before done is called.
func (p *Publisher) Publish(ctx context.Context, l *Letter, done func(error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.incoming = append(p.incoming, job{time.Now(), ctx, l, done})
	if !p.routing {
		p.routing = true
		p.writers.Go(p.route)
	}
}

// patience is how long a letter waits for its request behind others. If every request timed
// out, it would otherwise wait for one time-out after the other, and would look like a lost
// letter.
const patience = 30 * time.Second

// errBehind says that a letter was not sent.
var errBehind = errors.New("others before it could not be written in time; it was not sent yet")

// Limit is the longest time until done is called: waiting for earlier letters, finding the
// partition, and the letter's own request.
func (p *Publisher) Limit() time.Duration { return patience + 3*p.cfg.Timeout }

// route hands new letters to the writers of their partitions.
func (p *Publisher) route() {
	for {
		p.mu.Lock()
		jobs := p.incoming
		p.incoming = nil
		p.routing = len(jobs) > 0
		p.mu.Unlock()
		if len(jobs) == 0 {
			return
		}
		partitions, err := p.partitions(p.ctx)
		if err != nil {
			p.report(jobs, err)
			continue
		}
		for _, j := range jobs {
			p.enqueue(int(j.letter.Partition)%partitions, j)
		}
	}
}

// Close cancels open requests and waits until every letter was reported.
func (p *Publisher) Close() {
	p.stop()
	p.writers.Wait()
}

// RefusingSince returns since when no letter could be written although some were tried; zero
// if the last one was written.
func (p *Publisher) RefusingSince() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refusing
}

// Exists checks by the cluster's metadata that the topic exists.
func (p *Publisher) Exists(ctx context.Context) error {
	_, err := p.partitions(ctx)
	return err
}

// partitions counts the topic's partitions.
func (p *Publisher) partitions(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	t, err := topic.Describe(ctx, p.cfg.Wire, p.cfg.Topic)
	if err != nil {
		return 0, fmt.Errorf("dead-letter topic %s: %w", p.cfg.Topic, err)
	}
	return len(t.Partitions), nil
}

func (p *Publisher) enqueue(partition int, j job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue, running := p.queues[partition]
	p.queues[partition] = append(queue, j)
	if !running {
		p.writers.Go(func() { p.write(partition) })
	}
}

// write writes one partition's queue.
func (p *Publisher) write(partition int) {
	for {
		jobs := p.next(partition)
		if jobs == nil {
			return
		}
		p.produce(partition, jobs)
	}
}

const (
	// Bounds of one request, before compression. Letters are never cut, so one letter
	// may be larger.
	batchLetters = 500
	batchBytes   = 512 << 10
)

// next takes a batch from a queue; nil ends the writer.
func (p *Publisher) next(partition int) []job {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue := p.queues[partition]
	if len(queue) == 0 {
		delete(p.queues, partition)
		return nil
	}
	n, bytes := 0, 0
	for n < len(queue) && n < batchLetters && (n == 0 || bytes+queue[n].letter.size() <= batchBytes) {
		bytes += queue[n].letter.size()
		n++
	}
	p.queues[partition] = queue[n:]
	return queue[:n:n]
}

// produce writes a batch. If the broker refuses one of its letters for good, each is written
// alone, so that it does not block the others. Any other error is reported at once: the
// letters may be in the topic, and each retry would write them again.
func (p *Publisher) produce(partition int, jobs []job) {
	live := make([]job, 0, len(jobs))
	for _, j := range jobs {
		switch err := j.ctx.Err(); {
		case err != nil:
			j.done(err)
		case time.Since(j.came) > patience:
			j.done(errBehind)
		default:
			live = append(live, j)
		}
	}
	if len(live) == 0 {
		return
	}
	err := p.send(partition, live)
	if len(live) > 1 && topic.RecordRefused(err) {
		for i := range live {
			p.produce(partition, live[i:i+1])
		}
		return
	}
	p.report(live, err)
}

// report reports the result of a try, nil for written.
func (p *Publisher) report(jobs []job, err error) {
	p.note(err)
	for _, j := range jobs {
		j.done(err)
	}
}

func (p *Publisher) send(partition int, jobs []job) error {
	records := make([]kafka.Record, len(jobs))
	now := time.Now()
	for i, j := range jobs {
		records[i] = kafka.Record{
			Time: now, Headers: j.letter.headers(p.cfg.Group),
			Key: protocol.NewBytes(j.letter.Key), Value: protocol.NewBytes(j.letter.Value),
		}
	}
	if _, err := topic.Append(p.ctx, p.cfg.Wire, p.cfg.Timeout, p.cfg.Topic, int32(partition), records); err != nil {
		return fmt.Errorf("dead-letter topic %s, partition %d: %w", p.cfg.Topic, partition, err)
	}
	return nil
}

func (p *Publisher) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.refusing = time.Time{}
	case errors.Is(err, kafka.MessageSizeTooLarge):
		// This error is about the letter, not about the topic.
	case p.refusing.IsZero():
		p.refusing = time.Now()
	}
}
