package consumer

import (
	"time"

	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/queue"
	"release-forwarder/consumer/wire"
)

// cachedProgress is what this process knows of a partition that it gave up: the facts of its
// commits and, if known is set, its whole progress, which may be more than the last commit says.
type cachedProgress struct {
	facts commitFacts

	known     bool
	knowledge progress.Knowledge
	logID     wire.ID
	cluster   string // the cluster's ID
	position  int64
	end       int64 // the largest known end of the log
	// parted is where the log parted; zero: nowhere.
	parted     parting
	toldParted bool
	// memories are of unfinished records; nil once a generation has passed without the
	// partition.
	memories memories
}

// memory is what is kept of an unfinished record from one ownership to the next.
type memory struct {
	offset int64
	epoch  int32 // a record with another epoch at this offset is another record
	read   time.Time
	note   any
}

// memories are of records beyond the position, by offset.
type memories []memory

// remember returns what to keep of the unfinished records, and of those not yet read again. It
// does not keep the note of an open delivery: the handler may still use it.
func (p *partition) remember() memories {
	kept := make(memories, 0, p.Len()+len(p.memories))
	for d := range p.All() {
		m := memory{offset: d.Record.Offset, epoch: d.Record.Epoch, read: d.Read}
		if d.queued.State() != queue.Open {
			m.note = d.Note
		}
		kept = append(kept, m)
	}
	return append(kept, p.memories...)
}

// recall restores what was kept of a record that is read again.
func (ms *memories) recall(d *Delivery) {
	for len(*ms) > 0 && (*ms)[0].offset <= d.Record.Offset {
		if m := (*ms)[0]; m.offset == d.Record.Offset && m.epoch == d.Record.Epoch {
			d.Note = m.note
			d.readAt(m.read)
		}
		(*ms)[0] = memory{}
		if *ms = (*ms)[1:]; len(*ms) == 0 {
			*ms = nil
		}
	}
}

// cut forgets the records from an offset on.
func (ms *memories) cut(offset int64) {
	kept := 0
	for kept < len(*ms) && (*ms)[kept].offset < offset {
		kept++
	}
	clear((*ms)[kept:]) // frees their notes
	if *ms = (*ms)[:kept]; kept == 0 {
		*ms = nil
	}
}
