package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/trace"

	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/consumer"
	"release-forwarder/dlq"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
)

// upstreamLetter says what the platform said last.
func upstreamLetter(reason string, a upstream.Answer) dlq.Letter {
	l := dlq.Letter{
		Stage: dlq.StageUpstream, Reason: reason,
		Message: dlq.Text(a.Message), Hint: dlq.Text(a.Hint), Code: dlq.Text(a.Code), Seqno: dlq.Text(a.Seqno), HTTPStatus: a.HTTPStatus,
	}
	if l.Message == "" && a.Err != nil {
		l.Message = a.Err.Error()
	}
	return l
}

// unmappable gives up a record that is no event that can be sent, or has too many headers
// to be one.
func (f *Forwarder) unmappable(ctx context.Context, d *consumer.Delivery, h *history, err error) {
	l := dlq.Letter{Stage: dlq.StageMapping, Message: err.Error()}
	if e, ok := errors.AsType[*mapping.Error](err); ok {
		l.Reason, l.Field = string(e.Reason), e.Field
	} else if e, ok := errors.AsType[*dlq.HeadersError](err); ok {
		l.Reason, l.Field = string(mapping.TooLong), "headers"
		l.Message = fmt.Sprintf("%v; the letter keeps the first %d", e, e.Kept)
	}
	source := partitionSource(d.Record.Topic, d.Record.Partition)
	if lot, _ := mapping.Identify(d.Record.Value); lot != "" {
		source = lotSource(lot)
	}
	f.giveUp(ctx, d, h, source, l)
}

// giveUp writes the record's dead letter; the record is done when it is written.
// In a storm of its source, or of all, the letter waits for its turn; one without
// a source neither counts for a storm nor waits for it.
func (f *Forwarder) giveUp(ctx context.Context, d *consumer.Delivery, h *history, source string, l dlq.Letter) {
	l.Attempts, l.First, l.Last = h.attempts, h.first, h.last
	l.Traceparent = telemetry.Traceparent(ctx)
	h.letter, h.source, h.gaveUp = &l, source, trace.SpanContextFromContext(ctx)
	if source == "" {
		f.write(ctx, d, h)
		return
	}
	if f.storms.letter(source) {
		f.Log.LogAttrs(telemetry.StateChange(ctx), slog.LevelError,
			"dead-letter storm: so many letters in a row with nothing accepted between; written at one a second from now on, look at the producer and at the platform's contract",
			slog.String("reason", l.Reason), slog.String("field", l.Field), slog.Int("letters", f.StormLimit))
	}
	f.writeInTurn(ctx, d, h)
}

// whole is a record's letter as it is written.
func (h *history) whole(r *consumer.Record) *dlq.Letter {
	l := *h.letter
	l.Topic, l.Partition, l.Offset, l.Timestamp = r.Topic, r.Partition, r.Offset, r.Timestamp
	l.Key, l.Value, l.Headers = r.Key, r.Value, r.Headers
	return &l
}

// writeInTurn writes a letter when its turn in a storm has come, when the storm is
// over, or to make room.
func (f *Forwarder) writeInTurn(ctx context.Context, d *consumer.Delivery, h *history) {
	if h.source == "" {
		f.write(ctx, d, h)
		return
	}
	now := time.Now()
	at := f.storms.await(&h.turns, h.source, true, now)
	_, all := f.storms.storming(h.source)
	switch {
	case !at.After(now):
		f.write(ctx, d, h)
	case h.makesRoom(d, quotaStorms) && !all:
		f.storms.giveBack(&h.turns, h.source)
		f.write(ctx, d, h)
	default:
		f.holdForTurn(d, h, h.source, at, all)
	}
}

// write tries to write a record's letter once. A letter that cannot be written is
// kept with its record and tried again with backoff for ever: its record must not
// be passed over.
func (f *Forwarder) write(ctx context.Context, d *consumer.Delivery, h *history) {
	span := f.Tracer.StartLetter(ctx, f.Letters.Topic())
	l := h.whole(&d.Record)
	f.Letters.Publish(ctx, l, func(err error) {
		telemetry.EndKafka(span, kafkaFailure(err))
		if err == nil {
			f.Written(string(l.Stage), l.Reason)
			f.Log.LogAttrs(ctx, slog.LevelWarn, "dead letter written", f.about(d,
				slog.String("stage", string(l.Stage)), slog.String("reason", l.Reason), slog.String("field", l.Field),
				slog.String("code", tamed(l.Code)), slog.String("seqno", tamed(l.Seqno)))...)
			d.Done()
			return
		}
		h.letterTries++
		if ctx.Err() == nil {
			f.Log.LogAttrs(ctx, slog.LevelError, "a dead letter cannot be written: its partition's commit waits for it, tried again", f.about(d,
				slog.String("reason", l.Reason), slog.Int("tries", h.letterTries), slog.String("error", err.Error()))...)
		}
		hold := h.hold(HeldDeadLetter)
		hold.Firm = true
		d.AgainAt(time.Now().Add(f.backoff(h.letterTries)), hold)
	})
}

// kafkaFailure is the word for what went wrong with a request to Kafka: the
// protocol's error code by its number, as UNKNOWN_TOPIC_OR_PARTITION is 3.
func kafkaFailure(err error) string {
	if err == nil {
		return ""
	}
	if code, ok := errors.AsType[kafka.Error](err); ok {
		return "kafka_" + strconv.Itoa(int(code))
	}
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "_OTHER"
}

func tamed(s string) string {
	if s == "" {
		return ""
	}
	return upstream.Tame(s)
}
