package forward

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/consumer"
	"release-forwarder/dlq"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
)

func headers(r *consumer.Record) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, h := range r.Headers {
			if !yield(h.Key, h.Value) {
				return
			}
		}
	}
}

// upstreamLetter says what the platform said last.
func upstreamLetter(reason string, a upstream.Answer) dlq.Letter {
	l := dlq.Letter{
		Stage: dlq.StageUpstream, Reason: reason,
		Message: a.Message, Hint: a.Hint, Code: a.Code, Seqno: a.Seqno, HTTPStatus: a.HTTPStatus,
	}
	if l.Message == "" && a.Err != nil {
		l.Message = a.Err.Error()
	}
	return l
}

// unmappable gives up a record that is no event that can be sent.
func (f *Forwarder) unmappable(ctx context.Context, d *consumer.Delivery, h *history, err error) {
	l := dlq.Letter{Stage: dlq.StageMapping, Message: err.Error()}
	if e, ok := errors.AsType[*mapping.Error](err); ok {
		l.Reason, l.Field = string(e.Reason), e.Field
	}
	f.giveUp(ctx, d, h, l)
}

// giveUp writes the record's dead letter; the record is done when it is written.
func (f *Forwarder) giveUp(ctx context.Context, d *consumer.Delivery, h *history, l dlq.Letter) {
	r := &d.Record
	l.Topic, l.Partition, l.Offset, l.Timestamp = r.Topic, r.Partition, r.Offset, r.Timestamp
	l.Key, l.Value = r.Key, r.Value
	for _, header := range r.Headers {
		l.Headers = append(l.Headers, kafka.Header{Key: header.Key, Value: header.Value})
	}
	l.Attempts, l.First, l.Last = h.attempts, h.first, h.last
	l.Traceparent = telemetry.Traceparent(ctx)
	h.letter = &l
	f.write(ctx, d, h)
}

// write tries to write a record's letter once. A letter that cannot be written is
// kept with its record and tried again with backoff for ever: its record must not
// be passed over.
func (f *Forwarder) write(ctx context.Context, d *consumer.Delivery, h *history) {
	f.Letters.Publish(ctx, h.letter, func(err error) {
		l := h.letter
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
		d.AgainAt(time.Now().Add(f.backoff(h.letterTries)), consumer.Hold{Reason: HeldDeadLetter, Firm: true, Trace: telemetry.TraceID(ctx)})
	})
}

func tamed(s string) string {
	if s == "" {
		return ""
	}
	return upstream.Tame(s)
}
