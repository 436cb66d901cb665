package replay

import (
	"context"
	"slices"
	"time"

	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
)

// Progress is a consumer group's progress at one moment.
type Progress interface {
	// Done reports whether a record is finished: it was accepted, or its dead letter is
	// acknowledged.
	Done(topic string, partition int32, offset int64) bool
}

// Tracker follows replayed events to their outcome. A finished record was accepted, unless
// there is a letter about it. Letters are acknowledged before their records are finished, so
// reading the letters after the group's progress misses none.
type Tracker struct {
	reader *dlq.Reader
	group  string
	// ends are the offsets up to which the dead letters' partitions were read.
	ends map[int32]int64
	sent map[dlq.ID]outcome // by the place of the event
}

// outcome is what is known about one event that was sent.
type outcome struct {
	done   bool // finished
	failed bool // it was dead-lettered again
}

// Outcome counts the results of replayed events so far.
type Outcome struct {
	Sent, Accepted, Failed, Waiting int
}

// Track begins to follow a group's progress with events that are sent. Call it before the
// first one is sent.
func Track(ctx context.Context, reader *dlq.Reader, group string) (*Tracker, error) {
	spans, err := reader.Spans(ctx)
	if err != nil {
		return nil, err
	}
	p := &Tracker{reader: reader, group: dlq.Text(group), ends: map[int32]int64{}, sent: map[dlq.ID]outcome{}}
	for _, s := range spans {
		p.ends[s.Partition] = s.End
	}
	return p, nil
}

// Add adds an event that was sent.
func (p *Tracker) Add(topic string, partition int32, offset int64) {
	p.sent[dlq.ID{Topic: topic, Partition: partition, Offset: offset}] = outcome{}
}

// Outcome returns the current counts.
func (p *Tracker) Outcome() Outcome {
	f := Outcome{Sent: len(p.sent)}
	for _, o := range p.sent {
		switch {
		case !o.done: // its letter may be read before its record is finished
			f.Waiting++
		case o.failed:
			f.Failed++
		default:
			f.Accepted++
		}
	}
	return f
}

// lookFailing is how long looks may fail with passing errors, for example during the restart
// of a broker, before Follow gives up.
const lookFailing = 2 * time.Minute

// Follow reads the group's progress until none of the events waits, and calls report after
// each look.
func (p *Tracker) Follow(ctx context.Context, look time.Duration, progress func(context.Context) (Progress, error), report func(Outcome)) error {
	last := time.Now() // of a successful look
	for {
		switch err := p.look(ctx, progress); {
		case err == nil:
			last = time.Now()
			f := p.Outcome()
			report(f)
			if f.Waiting == 0 {
				return nil
			}
		case ctx.Err() != nil:
			return ctx.Err()
		case !topic.Retriable(err) || time.Since(last) > lookFailing:
			return err
		}
		if err := topic.Pause(ctx, look); err != nil {
			return err
		}
	}
}

// look reads the group's progress, then the letters.
func (p *Tracker) look(ctx context.Context, progress func(context.Context) (Progress, error)) error {
	now, err := progress(ctx)
	if err != nil {
		return err
	}
	for at, o := range p.sent {
		if !o.done && now.Done(at.Topic, at.Partition, at.Offset) {
			p.sent[at] = outcome{done: true, failed: o.failed}
		}
	}
	return p.readLetters(ctx)
}

// readLetters reads the letters that were written since the last look.
func (p *Tracker) readLetters(ctx context.Context) error {
	spans, err := p.reader.Spans(ctx)
	if err != nil {
		return err
	}
	for i := range spans {
		if from, is := p.ends[spans[i].Partition]; is {
			spans[i].First = max(from, spans[i].First)
		}
	}
	spans = slices.DeleteFunc(spans, func(s topic.Span) bool { return s.First >= s.End })
	for s, err := range p.reader.Letters(ctx, spans, nil) {
		if err != nil {
			return err
		}
		if s.Group != p.group || len(s.Problems) > 0 {
			continue
		}
		at := dlq.ID{Topic: s.Topic, Partition: s.Partition, Offset: s.Offset}
		if o, sent := p.sent[at]; sent {
			p.sent[at] = outcome{done: o.done, failed: true}
		}
	}
	for _, s := range spans {
		p.ends[s.Partition] = s.End
	}
	return nil
}
