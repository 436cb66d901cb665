package deadletters

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/visible"
	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
	"release-forwarder/mapping"
)

// The platform ignores a repeated number (flow_no) of a lot, and answers as if it had taken it. An event that is sent
// with other content under a number that the platform has accepted is lost without an error. So before changed events
// are sent, a replay looks for others with their numbers that have no dead letter: those were accepted, or may be.

const (
	// lookBack is how long before the first of the changed events the search begins.
	lookBack = 24 * time.Hour
	// mostLooked bounds how many offsets of a topic are looked at.
	mostLooked = 1_000_000
)

// changedEvent is an event as it would be sent.
type changedEvent struct {
	id      dlq.ID // of the dead letter
	content map[string]string
}

// numbers are the changed events of a replay by their numbers.
type numbers struct {
	events map[session.Number]changedEvent
	since  time.Time // lookBack before the first of them
	shared []string  // what is wrong already: several of them have one number
}

// note adds a changed event.
func (n *numbers) note(s *dlq.Stored, m *mapping.Mapper, value []byte) {
	number, content := session.Content(m, session.Mapped(s, value))
	if content == nil {
		return
	}
	dated, believable := fetch.TimeOf(s.Timestamp)
	if !believable {
		dated = s.WrittenAt()
	}
	if from := dated.Add(-lookBack); len(n.events) == 0 || from.Before(n.since) {
		n.since = from
	}
	if other, is := n.events[number]; is {
		if differs := session.Differing(m.Endpoint(), other.content, content); len(differs) > 0 {
			n.shared = append(n.shared, sameNumber(m.Endpoint().Repeat, s.ID, "dead letter "+other.id.String(), differs))
		}
		return
	}
	if n.events == nil {
		n.events = map[session.Number]changedEvent{}
	}
	n.events[number] = changedEvent{s.ID, content}
}

func sameNumber(field string, id dlq.ID, as string, differs []string) string {
	return fmt.Sprintf("dead letter %s would have the %s of %s, with other content: %s", id, field, as, strings.Join(differs, ", "))
}

// warnOfNumbers says which changed events the platform may ignore. The replay goes on.
func (j *replayJob) warnOfNumbers(ctx context.Context) error {
	n := &j.numbers
	if len(n.events) == 0 {
		return nil
	}
	repeat, topics := j.Mapper.Endpoint().Repeat, j.Settings.Topics()
	if j.c.To != "" && !slices.Contains(topics, j.c.To) {
		topics = append(topics, j.c.To)
	}
	j.Say("looking for other events with the same %s in %s since %s …", repeat, strings.Join(topics, ", "), j.Time(n.since))
	at, looked := map[dlq.ID]string{}, int64(0)
	for _, name := range topics {
		read, err := j.look(ctx, name, at)
		looked += read
		if err := j.unlooked(ctx, err); err != nil {
			return err
		}
	}
	if err := j.unlooked(ctx, j.withoutDeadLetters(ctx, at)); err != nil {
		return err
	}
	warnings := slices.Concat(n.shared, slices.Sorted(maps.Values(at)))
	for i, text := range warnings {
		if i == differencesShown {
			j.Say("warning: and %s more", console.Number(len(warnings)-i))
			break
		}
		j.Say("warning: %s", visible.Line(text))
	}
	if len(warnings) > 0 {
		j.Say("the platform ignores a %s that it has accepted, and answers as if it took it: set %s too, or ask the platform to correct what it has", repeat, repeat)
	}
	j.Say("%s were looked at", console.Count(looked, "record"))
	return nil
}

// unlooked says what could not be looked at; the replay goes on, unless it was stopped.
func (j *replayJob) unlooked(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == nil {
		j.Say("warning: whether other events have the same %s is not known: %v", j.Mapper.Endpoint().Repeat, err)
		return nil
	}
	return err
}

// withoutDeadLetters takes away what has a dead letter.
func (j *replayJob) withoutDeadLetters(ctx context.Context, at map[dlq.ID]string) error {
	if len(at) == 0 {
		return nil
	}
	for s, err := range j.Reader.Letters(ctx, j.replay.Spans, &dlq.Filter{Since: j.numbers.since}) {
		if err != nil {
			return err
		}
		delete(at, dlq.ID{Topic: s.Topic, Partition: s.Partition, Offset: s.Offset})
	}
	return nil
}

// bound is where a span ends of which at most so many offsets are looked at.
func bound(span topic.Span, most int64) int64 { return min(span.End, span.First+most) }

// look looks through a topic for events with the numbers of changed ones and other content, and adds them by their places.
func (j *replayJob) look(ctx context.Context, name string, at map[dlq.ID]string) (looked int64, err error) {
	log := topic.NewLog(j.Wire, j.Settings.Kafka.ClientID, name)
	spans, err := log.Spans(ctx)
	if err == nil {
		spans, err = log.Since(ctx, spans, j.numbers.since)
	}
	if err != nil {
		return 0, err
	}
	for _, span := range spans {
		end := span.End
		if span.End = bound(span, mostLooked/int64(len(spans))); span.End < end {
			j.Say("warning: %s/%d: only offsets %d to %d are looked at", name, span.Partition, span.First, span.End-1)
		}
		for rec, err := range log.Read(ctx, span.Partition, span.First, span.End) {
			if err != nil {
				return looked, err
			}
			looked++
			number, content := session.Content(j.Mapper, session.RecordOf(name, &rec))
			changed, is := j.numbers.events[number]
			if !is || content == nil {
				continue
			}
			if differs := session.Differing(j.Mapper.Endpoint(), changed.content, content); len(differs) > 0 {
				place := dlq.ID{Topic: name, Partition: span.Partition, Offset: rec.Offset}
				at[place] = sameNumber(j.Mapper.Endpoint().Repeat, changed.id, place.String(), differs)
			}
		}
	}
	return looked, nil
}
