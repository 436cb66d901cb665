package consumer

import (
	"context"
	"time"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/queue"
)

// Record is one record of a topic as Kafka holds it.
type Record struct {
	Topic     string
	Partition int32
	fetch.Record

	// Time is the record's timestamp. If the record has none (-1), one outside of 2000 to
	// 2099, or one ahead of the clock, Time is when the record was first read.
	Time time.Time
}

// Gate gives a slot for each delivery. It paces all deliveries of the process.
type Gate interface {
	// Acquire waits for a slot. A probe is the one attempt a second of an open circuit: the
	// engine gives it a record that was never tried, if there is one. The error is the
	// context's.
	Acquire(ctx context.Context) (probe bool, err error)
	// Release gives a slot back; used says whether a request was sent.
	Release(used bool)
}

// Handler delivers records.
type Handler interface {
	// Handle delivers the record once. It ends the delivery by exactly one call of Done,
	// AgainAt or AgainInTurn, before it returns or later from any goroutine; or by Delivered,
	// and then exactly one call of Done or Leave. When the
	// context ends, the delivery must end at once; a record that is not known to be accepted
	// then is delivered again by the partition's next owner.
	Handle(ctx context.Context, d *Delivery)
}

// Hold says why a record waits for its next delivery.
type Hold struct {
	// Reason is a word for metrics and the status page.
	Reason string
	// Firm: Engine.Hasten does not shorten the hold.
	Firm bool
	// NoSlot: the next delivery sends nothing, so that it needs no slot of the gate.
	NoSlot bool
	// Quota, if not "", names the records that share half of each of the partition's bounds.
	// Beyond that the longest waiting of them is evicted: delivered at once, with
	// Delivery.Evicted set.
	Quota string
	// Attempts is how often the record was sent, and Trace is the trace ID of its last
	// delivery, for the status page; 0 and "" if it was not sent yet.
	Attempts int
	Trace    string
}

// Delivery is an unfinished record. The handler gets it once for each delivery. The exported
// fields do not change while a delivery is open, except Note, which is the handler's.
type Delivery struct {
	Record Record
	// Number counts the deliveries, from 1.
	Number int
	// OverHalf: held records, and those behind them, take more than half of one of the
	// partition's bounds.
	OverHalf bool
	// Evicted is the quota of its last hold if this delivery makes room for others: the records
	// of that quota took more than half of a bound, and this one had waited longest. Else "".
	Evicted string
	// Read is when the record was first read. Note belongs to the handler. Both are kept in
	// memory from delivery to delivery, and through generations as long as this process keeps
	// the partition and no one else has committed. The note must not hold the record's bytes.
	// Do not touch it after the delivery has ended.
	Read time.Time
	Note any

	part *partition
	size int // bytes of its key, value and headers

	// The rest is guarded by the engine's mutex.
	progress progress.Item[*Delivery] // its place among the partition's unfinished records
	// queued is its place in the queues. Its cost is recordOverhead, the bytes of its order key,
	// and its size unless it is large.
	queued queue.Item[*Delivery]
	hold   Hold // why it waits; kept while it is open
	slot   bool // the open delivery has a slot of the gate
	// settling: it was delivered and is not finished yet; see settle.go.
	settling bool
	largeBytes
	timing
}

// largeBytes concerns a record larger than Config.MaxRecordBytes; see large.go.
type largeBytes struct {
	oversized bool      // the record is larger
	beyond    time.Time // since when it lies above the log's end; only its loader uses it
	loads     retry     // spaces the tries to load its bytes
	failing   time.Time // since when each of them has failed
}

// timing is an open delivery's place in openList, and the tick by which it must end.
type timing struct {
	openBefore, openAfter *Delivery
	endsBy                int64
	listed                bool
}

// ReturnSlot gives the delivery's slot back unused, for a record that needs no request. Calls
// after the first do nothing.
func (d *Delivery) ReturnSlot() { d.part.engine.returnSlot(d, false) }

// Current reports whether a new request for the record may begin. It is false while the
// partition drains, after it was revoked, and after the lease has ended, since another member
// may own the partition then.
func (d *Delivery) Current() bool { return d.part.engine.current(d) }

// Done ends the delivery: the record is finished.
func (d *Delivery) Done() { d.part.engine.done(d) }

// AgainAt ends the delivery: the record is held and delivered again at t.
func (d *Delivery) AgainAt(t time.Time, hold Hold) { d.part.engine.againAt(d, t, hold) }

// Wake makes a held record due at once, and reports whether it was held. Call it at any time.
// It may deliver the record before it returns.
func (d *Delivery) Wake() bool { return d.part.engine.wakeUp(d) }

// Held reports whether the record waits for a time or for Wake.
func (d *Delivery) Held() bool { return d.part.engine.is(d, queue.Held) }

// Gone reports whether the record is finished, or its partition was revoked.
func (d *Delivery) Gone() bool { return d.part.engine.is(d, queue.Gone) }

// AgainInTurn ends the delivery: the record is ready again, behind all others. It is for a
// record that failed because no request can succeed now. Only the gate delays its next delivery.
func (d *Delivery) AgainInTurn(hold Hold) { d.part.engine.againInTurn(d, hold) }
