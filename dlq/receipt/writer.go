package receipt

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/topic"
	"release-forwarder/dlq/producer"
)

const (
	// Linger is how long a request waits for more receipts: nobody waits for a receipt but the commit.
	Linger = 20 * time.Millisecond
	// Late is after what time a receipt that is not written is missing.
	Late = 5 * time.Second
	// again is the time between the tries of a receipt.
	again = time.Second
)

// ErrLate says that a receipt could not be written in time, and no try has failed yet.
var ErrLate = errors.New("the receipt was not acknowledged in time")

// Config configures a Writer.
type Config struct {
	Wire    topic.Wire
	Timeout time.Duration // of one request
	Topic   string
	// Required: a receipt is tried until it is written or its context ends. Else until it is late.
	Required bool
	// Began is called when receipts begin to be late or missing, with the last error; Over when one is written
	// and none was late for a while.
	Began func(err error)
	Over  func()
}

// Writer writes receipts.
type Writer struct {
	cfg      Config
	producer *producer.Producer

	mu          sync.Mutex
	late        int       // receipts that are late and not reported
	missing     int64     // see Missing
	since, last time.Time // when the first and the last receipt of this trouble were late; zero: there is none
}

// pending is a receipt that is not written. Guarded by the writer's mutex.
type pending struct {
	receipt *Receipt
	report  func(error) // nil once it was called
	err     error       // of the last try
	isLate  bool
	timer   *time.Timer
	unwatch func() bool // ends the watch over its context
}

// NewWriter makes a writer. It opens no connection.
func NewWriter(cfg Config) *Writer {
	return &Writer{cfg: cfg, producer: producer.New(producer.Config{
		Wire: cfg.Wire, Timeout: cfg.Timeout, Topic: cfg.Topic, What: "receipts topic", Linger: Linger, Codec: kafka.Snappy,
	})}
}

// Topic is the topic of the receipts.
func (w *Writer) Topic() string { return w.cfg.Topic }

// Write writes a receipt and calls report exactly once, from another goroutine: with nil when all in-sync
// replicas have it; with an error when its context has ended or, if receipts are not required, when it is late.
// Do not change the receipt afterwards.
func (w *Writer) Write(ctx context.Context, r *Receipt, report func(error)) {
	p := &pending{receipt: r, report: report, err: ErrLate}
	w.mu.Lock()
	p.timer = time.AfterFunc(Late, func() { w.isLate(p) })
	p.unwatch = context.AfterFunc(ctx, func() { w.end(p, context.Cause(ctx)) })
	w.mu.Unlock()
	w.try(p)
}

// try tries to write a receipt once. The request is not bound to the receipt's context: one that ends just now
// may still write it.
func (w *Writer) try(p *pending) {
	w.producer.Publish(context.Background(), p.receipt, func(err error) {
		if err == nil {
			w.written()
			w.end(p, nil)
			return
		}
		w.mu.Lock()
		p.err = err
		ended := p.report == nil
		w.mu.Unlock()
		if !ended {
			time.AfterFunc(again, func() { w.tryAgain(p) })
		}
	})
}

func (w *Writer) tryAgain(p *pending) {
	w.mu.Lock()
	ended := p.report == nil
	w.mu.Unlock()
	if !ended {
		w.try(p)
	}
}

// isLate ends a receipt that is late, unless it is required.
func (w *Writer) isLate(p *pending) {
	w.mu.Lock()
	ended, err := p.report == nil, p.err
	if !ended {
		p.isLate = true
		w.late++
	}
	w.mu.Unlock()
	if ended {
		return
	}
	w.trouble(err)
	if !w.cfg.Required {
		w.end(p, err)
	}
}

// Missing notes that an event was finished without its receipt.
func (w *Writer) Missing(err error) {
	w.mu.Lock()
	w.missing++
	w.mu.Unlock()
	w.trouble(err)
}

// trouble notes that a receipt is late, or missing.
func (w *Writer) trouble(err error) {
	w.mu.Lock()
	w.last = time.Now()
	begins := w.since.IsZero()
	if begins {
		w.since = w.last
	}
	w.mu.Unlock()
	if begins {
		w.cfg.Began(err)
	}
}

// written notes that the topic takes receipts.
func (w *Writer) written() {
	w.mu.Lock()
	ends := !w.since.IsZero() && time.Since(w.last) > Late
	if ends {
		w.since = time.Time{}
	}
	w.mu.Unlock()
	if ends {
		w.cfg.Over()
	}
}

// State is the state of a writer.
type State struct {
	LateSince time.Time // since when receipts are late or missing; zero: none is
	Blocked   int       // late, and still tried
	Missing   int64     // since the start
}

// State returns the writer's present state.
func (w *Writer) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return State{w.since, w.late, w.missing}
}

// end reports a receipt, once.
func (w *Writer) end(p *pending, err error) {
	w.mu.Lock()
	report := p.report
	p.report = nil
	if report != nil {
		if p.isLate {
			w.late--
		}
		p.timer.Stop()
		p.unwatch()
	}
	w.mu.Unlock()
	if report != nil {
		report(err)
	}
}

// Exists checks by the cluster's metadata that the topic exists.
func (w *Writer) Exists(ctx context.Context) error { return w.producer.Exists(ctx) }

// Close ends all requests. All receipts must have been reported, or their contexts ended.
func (w *Writer) Close() { w.producer.Close() }
