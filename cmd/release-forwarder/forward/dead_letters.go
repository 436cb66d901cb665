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
	"release-forwarder/dlq/receipt"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
)

// upstreamDeadLetter makes a dead letter with the platform's last answer.
func upstreamDeadLetter(reason string, a upstream.Answer) dlq.Letter {
	l := dlq.Letter{
		Stage: dlq.StageUpstream, Reason: reason,
		Message: dlq.Text(a.Message), Hint: dlq.Text(a.Hint), Code: dlq.Text(a.Code), Seqno: dlq.Text(a.Seqno), HTTPStatus: a.HTTPStatus,
	}
	if l.Message == "" && a.Err != nil {
		l.Message = a.Err.Error()
	}
	return l
}

// unmappable makes a dead letter of a record that cannot be mapped or has too many headers.
func (f *Forwarder) unmappable(ctx context.Context, d *delivery, err error) {
	l := dlq.Letter{Stage: dlq.StageMapping, Message: err.Error()}
	if e, ok := errors.AsType[*mapping.Error](err); ok {
		l.Reason, l.Field = string(e.Reason), e.Field
	} else if e, ok := errors.AsType[*dlq.HeadersError](err); ok {
		l.Reason, l.Field = string(mapping.TooLong), "headers"
		l.Message = fmt.Sprintf("%v; the dead letter keeps the first %d", e, e.Kept)
	}
	d.source = partitionSource(d.Record.Topic, d.Record.Partition)
	told := Mapped(f.Mapper, &d.Record)
	if lot, _ := f.mapper.Load().Identify(&told); lot != "" {
		d.lot, d.source = lot, lotSource(lot)
	}
	f.giveUp(ctx, d, l)
}

// giveUp makes a record a dead letter; the record is finished when that is written. Dead letters
// of refused lots, and those by DLQ_HELD_BEFORE, neither count for a storm nor wait for one.
func (f *Forwarder) giveUp(ctx context.Context, d *delivery, l dlq.Letter) {
	l.Attempts, l.First, l.Last = d.attempts, d.first, d.last
	l.Traceparent = telemetry.Traceparent(ctx)
	d.deadLetter, d.deadLetterSpan = &l, trace.SpanContextFromContext(ctx)
	f.noteReceipt(ctx, d, receipt.DeadLetter, upstream.Answer{Code: l.Code, Seqno: l.Seqno}, l.Reason)
	switch {
	case l.Reason == dlq.ReasonLotRefused || l.Reason == dlq.ReasonByOperator:
		f.storms.leave(d.Delivery, d.source)
		d.source = ""
	case f.storms.count(d.source):
		eventStormBegan.LogContext(ctx, f.Log,
			slog.String("reason", l.Reason), slog.String("field", l.Field), slog.Int("letters", f.StormLimit))
	}
	f.deadLetter(ctx, d)
}

// deadLetter writes a record's dead letter, or makes it wait for its place in a storm.
func (f *Forwarder) deadLetter(ctx context.Context, d *delivery) {
	due := facts{deadLetter: true, evicted: d.Evicted}
	if d.source != "" {
		due.storm = f.storms.take(d.Delivery, d.source, true)
	}
	if o := decide(due); o.action != write {
		f.end(ctx, d, o, upstream.Answer{})
		return
	}
	f.write(ctx, d)
}

// whole is a record's dead letter in the form that is written.
func (h *history) whole(r *consumer.Record) *dlq.Letter {
	l := *h.deadLetter
	l.Topic, l.Partition, l.Offset, l.Timestamp = r.Topic, r.Partition, r.Offset, r.Timestamp
	l.Key, l.Value, l.Headers = r.Key, r.Value, r.Headers
	return &l
}

// write tries once to write a record's dead letter. If it fails, the dead letter stays with
// its record and is retried with backoff indefinitely: the record must not be skipped.
func (f *Forwarder) write(ctx context.Context, d *delivery) {
	span := f.Tracer.StartDeadLetter(ctx, f.DeadLetters.Topic())
	l := d.whole(&d.Record)
	f.DeadLetters.Publish(ctx, l, func(err error) {
		telemetry.EndKafka(span, kafkaFailure(err))
		f.storms.leave(d.Delivery, d.source)
		if err == nil {
			f.Written(string(l.Stage), l.Reason)
			eventDeadLetterWritten.LogContext(ctx, f.Log, f.about(d.Delivery,
				slog.String("stage", string(l.Stage)), slog.String("reason", l.Reason), slog.String("field", l.Field),
				slog.String("code", sanitized(l.Code)), slog.String("seqno", sanitized(l.Seqno)))...)
			f.finish(ctx, d)
			return
		}
		d.deadLetterTries++
		if ctx.Err() == nil {
			eventDeadLetterBlocked.LogContext(ctx, f.Log, f.about(d.Delivery,
				slog.String("reason", l.Reason), slog.Int("tries", d.deadLetterTries), slog.String("error", err.Error()))...)
		}
		d.AgainAt(time.Now().Add(f.backoff(d.deadLetterTries)), d.hold(HeldDeadLetter, outcome{firm: true}))
	})
}

// kafkaFailure names the error of a request to Kafka: the number of the protocol's error
// code, for example 3 for UNKNOWN_TOPIC_OR_PARTITION.
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

func sanitized(s string) string {
	if s == "" {
		return ""
	}
	return upstream.Sanitize(s)
}
