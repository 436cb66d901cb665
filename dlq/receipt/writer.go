package receipt

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/topic"
	"release-forwarder/dlq/producer"
)

const (
	// Linger is how long a receipt waits for others, so that they share a request: nobody waits for one but the commit.
	Linger = 100 * time.Millisecond
	// Late is after what time a receipt that is not written is missing.
	Late = 5 * time.Second
	// again is the time between the tries of a receipt.
	again = time.Second
)

// ErrLate says that a receipt could not be written in time, and no try has failed yet.
var ErrLate = errors.New("the receipt was not acknowledged in time")

// Config configures a Writer.
type Config[Owner any] struct {
	Wire    topic.Wire
	Timeout time.Duration // of one request
	Topic   string
	// Required: a receipt is tried until it is written or its context ends. Else until it is late.
	Required bool
	// Ended is called from another goroutine with the owners of receipts that share a result, each exactly once:
	// with nil when all in-sync replicas have them; with an error when their context has ended or, if receipts
	// are not required, when they are late.
	Ended func(owners []Owner, err error)
	// Began is called when receipts begin to be late or missing, with the last error; Over when one is written
	// and none was late for a while.
	Began func(err error)
	Over  func()
}

// Writer writes receipts. An owner is who is told of a receipt's end.
type Writer[Owner any] struct {
	cfg      Config[Owner]
	producer *producer.Producer

	mu sync.Mutex
	// Receipts that have not ended, the oldest first: those that are late, which only required ones can be, and
	// the others.
	late, waiting []*pending[Owner]
	timer         *time.Timer              // runs while any is waiting, at the latest until the first is late
	watched       map[<-chan struct{}]bool // the contexts whose end is watched: those of partitions, so they are few
	missing       int64                    // see Missing
	since, last   time.Time                // when the first and the last receipt of this trouble were late; zero: there is none
}

// pending is a receipt that has not ended. Guarded by the writer's mutex.
type pending[Owner any] struct {
	Message
	owner Owner
	done  <-chan struct{} // of its context
	came  time.Time
	err   error // of the last try; nil: it is written
	ended bool
}

// NewWriter makes a writer. It opens no connection.
func NewWriter[Owner any](cfg Config[Owner]) *Writer[Owner] {
	w := &Writer[Owner]{cfg: cfg, watched: map[<-chan struct{}]bool{}}
	w.producer = producer.New(producer.Config{
		Wire: cfg.Wire, Timeout: cfg.Timeout, Topic: cfg.Topic, What: "receipts topic", Linger: Linger, Codec: kafka.Snappy, Done: w.tried,
	})
	return w
}

// Topic is the topic of the receipts.
func (w *Writer[Owner]) Topic() string { return w.cfg.Topic }

// Write writes a receipt; Config.Ended is told of its end.
func (w *Writer[Owner]) Write(ctx context.Context, m Message, owner Owner) {
	p := &pending[Owner]{Message: m, owner: owner, done: ctx.Done(), err: ErrLate}
	w.mu.Lock()
	p.came = time.Now()
	w.waiting = append(w.waiting, p)
	if len(w.waiting) == 1 {
		w.schedule()
	}
	if p.done != nil && !w.watched[p.done] {
		w.watched[p.done] = true
		context.AfterFunc(ctx, func() { w.contextEnded(p.done, context.Cause(ctx)) })
	}
	w.mu.Unlock()
	// The request is not bound to the receipt's context: one that ends just now may still write it.
	w.producer.Publish(context.Background(), p)
}

// end ends the receipts for which it is asked to, and returns their owners. The mutex is held.
func (w *Writer[Owner]) end(which func(*pending[Owner]) bool) (owners []Owner) {
	ends := func(p *pending[Owner]) bool {
		if !which(p) {
			return false
		}
		p.ended = true
		owners = append(owners, p.owner)
		return true
	}
	w.late = slices.DeleteFunc(w.late, ends)
	w.waiting = slices.DeleteFunc(w.waiting, ends)
	return owners
}

// tell reports receipts that have ended.
func (w *Writer[Owner]) tell(owners []Owner, err error) {
	if len(owners) > 0 {
		w.cfg.Ended(owners, err)
	}
}

func (w *Writer[Owner]) contextEnded(done <-chan struct{}, why error) {
	w.mu.Lock()
	delete(w.watched, done) // one that comes now is watched anew
	owners := w.end(func(p *pending[Owner]) bool { return p.done == done })
	w.mu.Unlock()
	w.tell(owners, why)
}

// tried takes the result of one try of some receipts.
func (w *Writer[Owner]) tried(messages []producer.Message, err error) {
	w.mu.Lock()
	for _, m := range messages {
		m.(*pending[Owner]).err = err
	}
	if err != nil {
		w.mu.Unlock()
		time.AfterFunc(again, func() { w.tryAgain(messages) })
		return
	}
	owners := w.end(func(p *pending[Owner]) bool { return p.err == nil })
	over := !w.since.IsZero() && time.Since(w.last) > Late
	if over {
		w.since = time.Time{}
	}
	w.mu.Unlock()
	if over {
		w.cfg.Over()
	}
	w.tell(owners, nil)
}

func (w *Writer[Owner]) tryAgain(messages []producer.Message) {
	w.mu.Lock()
	messages = slices.DeleteFunc(messages, func(m producer.Message) bool { return m.(*pending[Owner]).ended })
	w.mu.Unlock()
	if len(messages) > 0 {
		w.producer.Publish(context.Background(), messages...)
	}
}

// schedule sets the timer for the first of the waiting receipts. The mutex is held.
func (w *Writer[Owner]) schedule() {
	if len(w.waiting) == 0 {
		return
	}
	wait := time.Until(w.waiting[0].came.Add(Late))
	if w.timer == nil {
		w.timer = time.AfterFunc(wait, w.look)
	} else {
		w.timer.Reset(wait)
	}
}

// look looks for receipts that are late. It ends them, unless they are required.
func (w *Writer[Owner]) look() {
	w.mu.Lock()
	n := 0
	for n < len(w.waiting) && time.Since(w.waiting[n].came) >= Late {
		n++
	}
	var owners []Owner
	var err error
	if n > 0 {
		late := w.waiting[:n]
		err = late[0].err
		if w.cfg.Required {
			w.late = append(w.late, late...)
		} else {
			for _, p := range late {
				p.ended, owners = true, append(owners, p.owner)
			}
		}
		w.waiting = slices.Delete(w.waiting, 0, n)
	}
	w.schedule()
	w.mu.Unlock()
	if n > 0 {
		w.trouble(err)
	}
	w.tell(owners, err)
}

// Missing notes that events were finished without their receipts.
func (w *Writer[Owner]) Missing(events int, err error) {
	w.mu.Lock()
	w.missing += int64(events)
	w.mu.Unlock()
	w.trouble(err)
}

// trouble notes that a receipt is late, or missing.
func (w *Writer[Owner]) trouble(err error) {
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

// State is the state of a writer.
type State struct {
	LateSince time.Time // since when receipts are late or missing; zero: none is
	Blocked   int       // late, and still tried
	Missing   int64     // since the start
}

// State returns the writer's present state.
func (w *Writer[Owner]) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return State{w.since, len(w.late), w.missing}
}

// Exists checks by the cluster's metadata that the topic exists.
func (w *Writer[Owner]) Exists(ctx context.Context) error { return w.producer.Exists(ctx) }

// Close ends all requests. All receipts must have been reported, or their contexts ended.
func (w *Writer[Owner]) Close() { w.producer.Close() }
