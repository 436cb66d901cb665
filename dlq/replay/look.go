package replay

import (
	"context"
	"time"

	"release-forwarder/dlq/ledger"
)

// If an answer does not prove that nothing was written, the run reads the partition to see
// whether the events are there. This needs Read on that topic. Without it, or if the result
// is unclear, the run ends.

// written is the result of a look.
type written int

const (
	unclear written = iota // it is not known
	present                // the events are in the partition
	absent                 // none of them is below the end that the leader knows
)

// endMark is where a partition ended before a batch was sent to it for the first time.
type endMark struct {
	offset int64
	at     time.Time
}

// before records where a partition ends, unless that was just read. No event of the batch
// lies below it. If the end is unknown now, look will not search.
func (p place) before(ctx context.Context) {
	if time.Since(p.to.ends[p.partition].at) < ledger.LeaseTime {
		return
	}
	delete(p.to.ends, p.partition)
	if end, err := p.to.log.EndOnce(ctx, p.partition, true); err == nil {
		p.to.ends[p.partition] = endMark{end, time.Now()}
	}
}

// look searches for the events of a batch. They are all there, one after the other, or none.
func (r *run) look(ctx context.Context, at place, items []item) (base int64, seen written) {
	mark, known := at.to.ends[at.partition]
	if !known {
		return 0, unclear
	}
	ctx, cancel := context.WithDeadline(ctx, r.lease.Until())
	defer cancel()
	// A new leader does not tell the end until it includes all records that it has of the
	// former leader (KIP-207).
	end, err := at.to.log.End(ctx, at.partition, false)
	if err != nil {
		return 0, unclear
	}
	n, some := 0, false
	for rec, err := range at.to.log.Read(ctx, at.partition, mark.offset, end) {
		if err != nil {
			return 0, unclear
		}
		if n > 0 && (rec.Offset != base+int64(n) || !items[n].record.Is(&rec)) {
			n = 0
		}
		if items[n].record.Is(&rec) {
			if some = true; n == 0 {
				base = rec.Offset
			}
			if n++; n == len(items) {
				return base, present
			}
		}
	}
	// Records after an open transaction cannot be read.
	if stable, err := at.to.log.End(ctx, at.partition, true); err != nil || some || stable < end {
		return 0, unclear
	}
	return 0, absent
}
