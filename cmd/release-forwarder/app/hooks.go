package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/events"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/upstream"
)

// circuitOpened and circuitClosed are the circuit's changes of state.
func (v *Service) circuitOpened() {
	events.CircuitOpened.Log(v.Log, slog.Any("last", v.lastRefusal()))
}

func (v *Service) circuitClosed(lasted time.Duration) {
	events.CircuitClosed.Log(v.Log, slog.String("lasted", lasted.Round(time.Millisecond).String()))
	v.forwarder.TryLots(nil)
}

func (v *Service) lastRefusal() slog.Value {
	r := v.facts.lastRefusal()
	if r == nil {
		return slog.Value{}
	}
	return slog.GroupValue(slog.String("verdict", r.Verdict), slog.String("code", r.Code), slog.String("seqno", r.Seqno))
}

// attempted counts each HTTP attempt.
func (v *Service) attempted(verdict upstream.Verdict) {
	if verdict != upstream.Cut {
		v.telemetry.Instruments.Attempt(verdict.String())
	}
}

// answered notes what an attempt's answer meant, within its span.
func (v *Service) answered(ctx context.Context, a upstream.Attempt) {
	telemetry.AnnotateAttempt(ctx, a.Number-1, a.Code, a.Seqno, a.Verdict.String())
	if a.Verdict == upstream.Accepted {
		v.facts.acceptance(time.Now())
		return
	}
	if a.Verdict == upstream.Cut {
		return
	}
	v.facts.refused(admin.Refusal{At: time.Now(), Verdict: a.Verdict.String(), Error: unanswered(a.Err), Code: a.Code, Seqno: a.Seqno, TraceID: telemetry.TraceID(ctx)})
}

// unanswered is why an attempt brought no code, without the verdict; "" where it did.
func unanswered(err error) string {
	why, is := errors.AsType[*upstream.Error](err)
	if !is {
		return ""
	}
	return strings.TrimPrefix(why.Error(), why.Verdict.String()+": ")
}

func (v *Service) deadLetterWritten(stage, reason string) {
	v.telemetry.Instruments.DeadLetter(stage, reason)
	v.facts.deadLetter(stage, reason, time.Now())
}

// committing is the span of an offset commit.
func (v *Service) committing(topic string, partitions int) (ended func(string)) {
	span := v.telemetry.Tracer.StartCommit(topic, partitions)
	return func(result string) {
		if result == "ok" {
			result = ""
		}
		telemetry.EndKafka(span, result)
	}
}

// dropped notes records that Kafka dropped before they could be read.
func (v *Service) dropped(topic string, partition int32, n int64) {
	v.telemetry.Instruments.DroppedByKafka(topic, int(partition), n)
	v.facts.drop(n, time.Now())
}
