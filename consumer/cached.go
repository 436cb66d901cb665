package consumer

import (
	"time"

	"release-forwarder/consumer/progress"
	"release-forwarder/consumer/queue"
	"release-forwarder/consumer/wire"
)

// mark is a group's commit for a partition, as Kafka keeps it.
type mark struct {
	offset   int64 // −1: there is none
	epoch    int32 // the leader's, of the last record below; −1: whoever committed told none
	metadata string
}

// cachedProgress is what the process knows of a partition that it gave up: of its commits, and,
// where that is known, more than its last commit tells, where that was not taken.
type cachedProgress struct {
	facts commitFacts

	known     bool
	knowledge progress.Knowledge
	logID     wire.ID
	cluster   string // the cluster's ID
	position  int64
	end       int64 // up to which the log was known to reach
	// parted is where the log had parted from another one, which was told; zero: nowhere.
	parted     parting
	toldParted bool
	// Of the unfinished records that were read; none where a generation has passed
	// without the partition.
	memories memories
}

// memory is what is kept of an unfinished record from one generation to the next.
type memory struct {
	offset int64
	epoch  int32 // a record of another one at its place is another record
	read   time.Time
	note   any
}

// memories are of records behind the last that was read, by offset.
type memories []memory

// remember tells what is to be kept of the unfinished records, and of those that were to
// be read again. What an open delivery notes is its handler's.
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

// recall gives a record that is read again what was kept of it.
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

// cut forgets those from an offset on.
func (ms *memories) cut(offset int64) {
	kept := 0
	for kept < len(*ms) && (*ms)[kept].offset < offset {
		kept++
	}
	clear((*ms)[kept:]) // their notes
	if *ms = (*ms)[:kept]; kept == 0 {
		*ms = nil
	}
}
