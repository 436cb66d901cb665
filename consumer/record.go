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

	// Time is the record's timestamp, or the time it was first read where the record
	// has none (-1), one outside of 2000 to 2099, or one ahead of the clock then.
	Time time.Time
}

// Gate paces all deliveries together.
type Gate interface {
	// Acquire waits until a delivery may begin. A probe is a try on a platform
	// that is thought to be down: records never tried go first. The error is
	// the context's.
	Acquire(ctx context.Context) (probe bool, err error)
	// Release gives a slot back; used says whether anything was sent.
	Release(used bool)
}

// Handler delivers records.
type Handler interface {
	// Handle delivers the record once. It ends the delivery, before it returns
	// or later from any goroutine, by exactly one call of Done, AgainAt or
	// AgainInTurn. The context ends when the delivery must be cut: what is not
	// known to be accepted then is delivered again by the partition's next
	// owner.
	Handle(ctx context.Context, d *Delivery)
}

// Hold says why a record waits for its next delivery.
type Hold struct {
	// Reason is a word for metrics and the status page.
	Reason string
	// Firm holds are not shortened by Engine.Hasten.
	Firm bool
	// NoSlot says that the next try sends nothing: it needs no slot of the gate.
	NoSlot bool
	// Quota, where set, names those that all together keep to half of a
	// partition's bounds. Beyond that the longest waiting of them is evicted: delivered
	// at once, with Delivery.Evicted set.
	Quota string
	// Attempts is how often the record was sent, and Trace the trace ID of its
	// last try, for the status page; 0 and "" for one that was not sent yet.
	Attempts int
	Trace    string
}

// Delivery is a record on its way: it is handed to the handler once for each
// try. The fields the handler may read do not change while a try is open.
type Delivery struct {
	Record Record
	// Number counts the tries, from 1.
	Number int
	// OverHalf says that held records, and those behind them, take more than half of one
	// of the partition's bounds.
	OverHalf bool
	// Evicted is the quota of its last hold, where this try is to make room for others:
	// the records of that quota took more than half of a bound, and this one had waited
	// longest. "": it is not.
	Evicted string
	// Read is when the record was first read, and Note the handler's own, kept from try to
	// try: in memory only, and through generations as long as the partition stays with
	// this process and nobody else has committed. The note must not hold the record's
	// bytes, which are not kept, and nothing may touch it once the delivery has ended.
	Read time.Time
	Note any

	part *partition
	size int // bytes of its key, value and headers

	// The rest is guarded by the engine's mutex.
	progress progress.Item[*Delivery] // its place among the partition's unfinished records
	// queued is its place in the queues. What it costs is its size, unless it is large, its order
	// key's and recordOverhead.
	queued queue.Item[*Delivery]
	hold   Hold // why it waits; kept while it is open
	slot   bool // the open try holds a gate slot
	largeBytes
	timing
}

// largeBytes is of a record larger than Config.MaxRecordBytes: see large.go.
type largeBytes struct {
	oversized bool      // it is one
	beyond    time.Time // since when it has been above the log's end; its loader's
	loads     retry     // of the tries to read them
	failing   time.Time // since when all of them have failed
}

// timing is of an open delivery: its neighbours in the list of those, and by which tick it must end.
type timing struct {
	openBefore, openAfter *Delivery
	endsBy                int64
	listed                bool
}

// ReturnSlot gives the delivery's gate slot back unused: for a record that needs
// no request. Calls after the first do nothing.
func (d *Delivery) ReturnSlot() { d.part.engine.returnSlot(d, false) }

// Current tells whether the record still belongs to this replica and new
// requests for it may begin: false while the partition drains, after it was
// revoked, and when the replica has not heard of its group for so long that
// another may own the partition.
func (d *Delivery) Current() bool { return d.part.engine.current(d) }

// Done ends the delivery: the record is finished and may be committed over.
func (d *Delivery) Done() { d.part.engine.done(d) }

// AgainAt ends the delivery: the record is held and delivered again at t.
func (d *Delivery) AgainAt(t time.Time, hold Hold) { d.part.engine.againAt(d, t, hold) }

// Wake makes a held record due at once, and reports whether it was held. It may be called at
// any time, and may deliver the record before it returns.
func (d *Delivery) Wake() bool { return d.part.engine.wakeUp(d) }

// Held tells whether the record waits, for a time or for Wake, and Gone whether it is done or its
// partition was revoked.
func (d *Delivery) Held() bool { return d.part.engine.is(d, queue.Held) }

// Gone is explained with Held.
func (d *Delivery) Gone() bool { return d.part.engine.is(d, queue.Gone) }

// AgainInTurn ends the delivery: the record is ready again, behind all others.
// It is for a record that failed because nothing can succeed now: the gate alone
// paces its next try.
func (d *Delivery) AgainInTurn(hold Hold) { d.part.engine.againInTurn(d, hold) }
