package app

import (
	"context"
	"log/slog"
	"time"

	"release-forwarder/cmd/release-forwarder/doctor"
	"release-forwarder/cmd/release-forwarder/events"
)

// startChecks bounds the checks at the start; what was not seen by then is
// unknown.
const startChecks = time.Minute

// warnAtStart runs doctor's checks once, when Kafka answers, and logs what is
// wrong or a warning. What this user may not see is one line and no warning: the
// service needs none of those rights.
func (v *Service) warnAtStart(ctx context.Context) {
	for v.kafka.Reach(ctx) != nil { // explainConnection says why
		select {
		case <-time.After(5 * lookInterval):
		case <-ctx.Done():
			return
		}
	}
	limited, cancel := context.WithTimeout(ctx, startChecks)
	defer cancel()
	report := doctor.Kafka(limited, v.settings, v.dial)
	if ctx.Err() != nil {
		return // stopped: half a report says nothing
	}
	attrs := func(f doctor.Finding) []slog.Attr {
		return []slog.Attr{
			slog.String("verdict", string(f.Verdict)), slog.String("area", string(f.Area)), slog.String("subject", f.Subject),
			slog.String("check", f.Check), slog.String("found", f.Text), slog.String("remedy", f.Remedy),
		}
	}
	for _, f := range report {
		if f.Check == doctor.Exists && f.Verdict == doctor.Warning {
			continue // the replay topic: the engine warns of it, whenever it is missing
		}
		if f.Verdict == doctor.Warning || f.Verdict == doctor.Wrong {
			events.StartCheck.LogContext(ctx, v.Log, attrs(f)...)
		}
	}
	if n := report.Count(doctor.Unknown); n > 0 {
		events.StartCheckUnknown.LogContext(ctx, v.Log, slog.Int("unknown", n))
	}
}
