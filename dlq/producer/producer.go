// Package producer writes messages to one topic of Kafka: each is reported as written when all in-sync
// replicas have it. It tries once, keeps nothing, and decides nothing about a retry. [dlq.Publisher] writes
// dead letters with it, and package receipt receipts.
package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/topic"
)

// Message is what a Producer writes.
type Message interface {
	// Partition chooses one of the topic's partitions, which are 0, 1, 2, …
	Partition(partitions []int) int
	// Record is the message as it is written.
	Record() kafka.Record
	// Size is about its memory in a request, before compression.
	Size() int
}

// Config configures a Producer.
type Config struct {
	Wire topic.Wire
	// Timeout bounds one request; the broker has half of it to gather the acknowledgements.
	Timeout time.Duration
	Topic   string
	What    string // the topic as its errors name it, for example "dead-letter topic"
	// Linger is how long a message waits for others, so that they share a request.
	Linger time.Duration
	Codec  kafka.Compression
	// Done is called from another goroutine with messages that share a result: nil when all in-sync replicas
	// have them. After an error they may have been written nevertheless.
	Done func(messages []Message, err error)
}

// Producer writes messages. Messages to one partition share requests, written by one
// goroutine. Another goroutine assigns new messages to partitions. Both end when there is
// nothing to do.
type Producer struct {
	cfg     Config
	writers sync.WaitGroup
	// ctx is for the requests. A message's own context does not cancel a request, because
	// the result would be unknown for all messages that share it.
	ctx  context.Context
	stop context.CancelFunc

	mu       sync.Mutex
	incoming []job         // not yet routed to a partition
	routing  bool          // its goroutine runs
	queues   map[int][]job // by partition; present while its writer runs
	// Guarded by mu too: since when every message was refused; zero if the last one was
	// written or none was tried.
	refusing time.Time
}

type job struct {
	came    time.Time
	ctx     context.Context
	message Message
}

// New makes a producer. It opens no connection.
func New(cfg Config) *Producer {
	p := &Producer{cfg: cfg, queues: map[int][]job{}}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// Topic is the topic.
func (p *Producer) Topic() string { return p.cfg.Topic }

// Publish writes messages; Config.Done is told of each exactly once. A message whose context ends before its
// request is sent is not written. Do not change a message before that.
func (p *Producer) Publish(ctx context.Context, messages ...Message) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range messages {
		p.incoming = append(p.incoming, job{now, ctx, m})
	}
	if !p.routing {
		p.routing = true
		p.writers.Go(p.route)
	}
}

// patience is how long a message waits for its request behind others. If every request timed
// out, it would otherwise wait for one time-out after the other, and would look like a lost
// one.
const patience = 30 * time.Second

// errBehind says that a message was not sent.
var errBehind = errors.New("others before it could not be written in time; it was not sent yet")

// Limit is the longest time until Config.Done is told: waiting for earlier messages, finding the
// partition, and the message's own request.
func (p *Producer) Limit() time.Duration { return patience + 3*p.cfg.Timeout }

// route hands new messages to the writers of their partitions.
func (p *Producer) route() {
	var all []int
	for {
		p.linger()
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
		for n := len(all); n < partitions; n++ {
			all = append(all, n)
		}
		p.enqueue(jobs, all[:partitions])
	}
}

// Close cancels open requests and waits until every message was reported.
func (p *Producer) Close() {
	p.stop()
	p.writers.Wait()
}

// RefusingSince returns since when no message could be written although some were tried; zero
// if the last one was written.
func (p *Producer) RefusingSince() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refusing
}

// Exists checks by the cluster's metadata that the topic exists.
func (p *Producer) Exists(ctx context.Context) error {
	_, err := p.partitions(ctx)
	return err
}

// partitions counts the topic's partitions.
func (p *Producer) partitions(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	t, err := topic.Describe(ctx, p.cfg.Wire, p.cfg.Topic)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", p.cfg.What, p.cfg.Topic, err)
	}
	return len(t.Partitions), nil
}

// linger waits for more messages, unless none waits.
func (p *Producer) linger() {
	p.mu.Lock()
	none := len(p.incoming) == 0
	p.mu.Unlock()
	if none || p.cfg.Linger == 0 {
		return
	}
	select {
	case <-time.After(p.cfg.Linger):
	case <-p.ctx.Done():
	}
}

func (p *Producer) enqueue(jobs []job, partitions []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, j := range jobs {
		partition := j.message.Partition(partitions)
		queue, running := p.queues[partition]
		p.queues[partition] = append(queue, j)
		if !running {
			p.writers.Go(func() { p.write(partition) })
		}
	}
}

// write writes one partition's queue.
func (p *Producer) write(partition int) {
	for {
		jobs := p.next(partition)
		if jobs == nil {
			return
		}
		p.produce(partition, jobs)
	}
}

const (
	// Bounds of one request, before compression. A message is never cut, so one
	// may be larger.
	batchMessages = 500
	batchBytes    = 512 << 10
)

// next takes a batch from a queue; nil ends the writer.
func (p *Producer) next(partition int) []job {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue := p.queues[partition]
	if len(queue) == 0 {
		delete(p.queues, partition)
		return nil
	}
	n, bytes := 0, 0
	for n < len(queue) && n < batchMessages && (n == 0 || bytes+queue[n].message.Size() <= batchBytes) {
		bytes += queue[n].message.Size()
		n++
	}
	p.queues[partition] = queue[n:]
	return queue[:n:n]
}

// produce writes a batch. If the broker refuses one of its messages for good, each is written
// alone, so that it does not block the others. Any other error is reported at once: the
// messages may be in the topic, and each retry would write them again.
func (p *Producer) produce(partition int, jobs []job) {
	live := make([]job, 0, len(jobs))
	for _, j := range jobs {
		switch err := j.ctx.Err(); {
		case err != nil:
			p.cfg.Done([]Message{j.message}, err)
		case time.Since(j.came) > patience:
			p.cfg.Done([]Message{j.message}, errBehind)
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
func (p *Producer) report(jobs []job, err error) {
	p.note(err)
	messages := make([]Message, len(jobs))
	for i, j := range jobs {
		messages[i] = j.message
	}
	p.cfg.Done(messages, err)
}

func (p *Producer) send(partition int, jobs []job) error {
	records := make([]kafka.Record, len(jobs))
	now := time.Now()
	for i, j := range jobs {
		records[i] = j.message.Record()
		records[i].Time = now
	}
	if _, err := topic.Append(p.ctx, p.cfg.Wire, p.cfg.Timeout, p.cfg.Topic, int32(partition), p.cfg.Codec, records); err != nil {
		return fmt.Errorf("%s %s, partition %d: %w", p.cfg.What, p.cfg.Topic, partition, err)
	}
	return nil
}

func (p *Producer) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.refusing = time.Time{}
	case errors.Is(err, kafka.MessageSizeTooLarge):
		// This error is about the message, not about the topic.
	case p.refusing.IsZero():
		p.refusing = time.Now()
	}
}
