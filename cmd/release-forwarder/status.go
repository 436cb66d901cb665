package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/forward"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/consumer"
	"release-forwarder/upstream"
)

const (
	// turnLimit is how long the engine may not have turned before it is dead.
	turnLimit = 30 * time.Second
	// lettersLimit is how long the dead-letter topic may refuse all letters
	// while one waits before the replica is not ready.
	lettersLimit = 30 * time.Second
	// contactSlack is added to the rebalance time-out: so long the group's
	// coordinator may be silent while all is well.
	contactSlack = 10 * time.Second
	// shownHeld bounds the held records on the status page.
	shownHeld = 100
)

// live answers the liveness probe. No outage of Kafka or of the platform has a
// part in it: a restart would mend nothing.
func (v *service) live() (bool, string) {
	turned := v.engine.Status().Turned
	if !turned.IsZero() && time.Since(turned) > turnLimit {
		return false, "the engine has not turned for " + time.Since(turned).Round(time.Second).String()
	}
	return true, "alive"
}

// ready answers the readiness probe. The platform has no part in it: a rollout
// must be able to bring the cure.
func (v *service) ready() (bool, string) {
	s := v.engine.Status()
	v.mu.Lock()
	found := v.lettersFound
	v.mu.Unlock()
	switch silent := time.Since(s.Contact); {
	case v.stopping.Err() != nil:
		return false, "stopping"
	case !s.Joined:
		return false, "has not joined the group yet: waits for Kafka, the event topic or the group; the log says which"
	case silent > v.settings.Kafka.RebalanceTimeout+contactSlack:
		return false, fmt.Sprintf("the group's coordinator has not answered for %s", silent.Round(time.Second))
	case !found:
		return false, "the dead-letter topic " + v.settings.DeadLetters.Topic + " is not there"
	case v.lettersBlocked(s):
		return false, "the dead-letter topic refuses all letters since " + v.letters.RefusingSince().UTC().Format(time.RFC3339)
	}
	return true, "ready"
}

func (v *service) lettersBlocked(s consumer.Status) bool {
	since := v.letters.RefusingSince()
	return s.HeldBy[forward.HeldDeadLetter] > 0 && !since.IsZero() && time.Since(since) > lettersLimit
}

// gauges answers what /metrics asks of the running parts.
func (v *service) gauges() telemetry.Gauges {
	return telemetry.Gauges{
		Pending: func() int64 { return int64(v.engine.Status().Pending) },
		Held: func() map[string]int64 {
			held := map[string]int64{}
			for reason, n := range v.engine.Status().HeldBy {
				held[reason] = int64(n)
			}
			return held
		},
		Lag: func() (lag []telemetry.PartitionValue) {
			for _, p := range v.engine.Status().Partitions {
				lag = append(lag, telemetry.PartitionValue{Topic: p.Topic, Partition: int(p.Partition), Value: p.Lag()})
			}
			return lag
		},
		ReadingPaused: func() (paused []telemetry.PartitionPause) {
			for _, p := range v.engine.Status().Partitions {
				paused = append(paused, telemetry.PartitionPause{
					Topic: p.Topic, Partition: int(p.Partition),
					Records: p.Paused == consumer.BoundRecords, Bytes: p.Paused == consumer.BoundBytes, Gaps: p.Paused == consumer.BoundGaps,
				})
			}
			return paused
		},
		OldestUnfinished: func() float64 {
			oldest := time.Duration(0)
			for _, p := range v.engine.Status().Partitions {
				if !p.Oldest.IsZero() {
					oldest = max(oldest, time.Since(p.Oldest))
				}
			}
			return oldest.Seconds()
		},
		CircuitOpen:        v.gate.Open,
		StormGuardActive:   func() bool { return v.forwarder.Storms() > 0 },
		RefusedLots:        func() int64 { return int64(len(v.forwarder.RefusedLots())) },
		InFlight:           func() int64 { return int64(v.gate.State().InFlight) },
		InFlightLimit:      func() int64 { return int64(v.gate.State().Limit) },
		DeadLettersBlocked: func() int64 { return int64(v.engine.Status().HeldBy[forward.HeldDeadLetter]) },
	}
}

// status takes the picture that the status page shows.
func (v *service) status() admin.Status {
	s, g, now := v.engine.Status(), v.gate.State(), time.Now()
	st := admin.Status{
		Version: buildInfo().Version, Group: v.settings.Kafka.GroupID, Now: now, Started: v.started,
		Platform: admin.Platform{
			Circuit: g.Phase.String(), Since: g.Since, InFlight: int64(g.InFlight), InFlightLimit: int64(g.Limit), PausedUntil: g.PausedUntil,
		},
		DeadLettersWaiting: int64(s.HeldBy[forward.HeldDeadLetter]),
	}
	for _, n := range s.HeldBy {
		st.HeldTotal += int64(n)
	}
	for _, p := range s.Partitions {
		row := admin.Partition{
			Topic: p.Topic, Partition: int(p.Partition), Committed: p.Committed, Position: p.Position, End: p.LogEnd,
			Lag: admin.Unknown, Pending: int64(p.Pending), Held: int64(p.Held), Paused: string(p.Paused),
		}
		if p.LogEnd >= 0 {
			row.Lag = p.Lag()
		}
		if p.Phase != "reading" {
			row.Paused = p.Phase
		}
		st.Partitions = append(st.Partitions, row)
	}
	for _, h := range v.engine.Held(shownHeld) {
		st.Held = append(st.Held, admin.Held{
			Topic: h.Topic, Partition: int(h.Partition), Offset: h.Offset, Attempts: h.Tries, Next: h.Next, Reason: h.Reason, TraceID: h.Trace,
		})
	}
	for _, row := range v.settings.InForce() {
		st.Settings = append(st.Settings, admin.Setting{Name: row.Name, Value: row.Value})
	}
	v.mu.Lock()
	st.Platform.LastRefusal = v.refusal
	for l, n := range v.written {
		l.Count = n
		st.DeadLetters = append(st.DeadLetters, l)
	}
	v.mu.Unlock()
	slices.SortFunc(st.DeadLetters, func(a, b admin.DeadLetters) int {
		return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Reason, b.Reason))
	})
	st.Level, st.State = v.sentence(s, g)
	return st
}

// sentence says in one sentence whether all is well, and otherwise what is wrong.
func (v *service) sentence(s consumer.Status, g upstream.GateState) (admin.Level, string) {
	parked := slices.ContainsFunc(s.Partitions, func(p consumer.PartitionStatus) bool { return p.Phase == "parked" })
	paused := slices.ContainsFunc(s.Partitions, func(p consumer.PartitionStatus) bool { return p.Paused != consumer.BoundNone })
	held := s.HeldBy[forward.HeldDeadLetter]
	switch ok, why := v.ready(); {
	case v.stopping.Err() != nil:
		return admin.LevelWaiting, "Stopping: open requests are being finished."
	case !ok:
		return admin.LevelTrouble, "Not ready: " + why + "."
	case parked:
		return admin.LevelTrouble, "A partition waits for a person: Kafka dropped records that were not read."
	case held > 0:
		return admin.LevelTrouble, fmt.Sprintf("%d dead letters cannot be written; their partitions' commits wait, nothing is lost.", held)
	case v.gate.Open():
		return admin.LevelTrouble, fmt.Sprintf("The platform accepts nothing since %s; it is tried once a second, nothing is lost.", g.Since.UTC().Format(time.RFC3339))
	case len(v.forwarder.RefusedLots()) > 0:
		return admin.LevelTrouble, fmt.Sprintf("The platform refuses lot %s alone; its records wait, the others flow.", upstream.Tame(v.forwarder.RefusedLots()[0].Lot))
	case v.forwarder.Storms() > 0:
		return admin.LevelTrouble, "Dead letters in a row with nothing accepted between: they are written at one a second until a person has looked."
	case paused:
		return admin.LevelWaiting, "Reading is paused where a partition's unfinished records reach a bound."
	case len(s.Partitions) == 0:
		return admin.LevelOK, "All is well: a standby without a partition."
	}
	return admin.LevelOK, "All is well."
}

// circuitOpened and circuitClosed are the circuit's changes of state.
func (v *service) circuitOpened() {
	v.log.LogAttrs(telemetry.StateChange(context.Background()), slog.LevelError,
		"circuit opened: the platform accepts nothing; one attempt a second until it does, no dead letters, no commit past what was accepted",
		slog.Any("last", v.lastRefusal()))
}

func (v *service) circuitClosed(lasted time.Duration) {
	v.log.LogAttrs(telemetry.StateChange(context.Background()), slog.LevelInfo,
		"circuit closed: the platform accepts again", slog.String("lasted", lasted.Round(time.Millisecond).String()))
	v.forwarder.TryLots(nil)
}

func (v *service) lastRefusal() slog.Value {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.refusal == nil {
		return slog.Value{}
	}
	return slog.GroupValue(slog.String("verdict", v.refusal.Verdict), slog.String("code", v.refusal.Code), slog.String("seqno", v.refusal.Seqno))
}

// attempted counts each HTTP attempt.
func (v *service) attempted(verdict upstream.Verdict) {
	if verdict != upstream.Cut {
		v.telemetry.Instruments.Attempt(verdict.String())
	}
}

// answered notes what an attempt's answer meant, within its span.
func (v *service) answered(ctx context.Context, a upstream.Attempt) {
	telemetry.AnnotateAttempt(ctx, a.Number-1, a.Code, a.Seqno, a.Verdict.String())
	if a.Verdict == upstream.Accepted || a.Verdict == upstream.Cut {
		return
	}
	v.mu.Lock()
	v.refusal = &admin.Refusal{At: time.Now(), Verdict: a.Verdict.String(), Code: a.Code, Seqno: a.Seqno, TraceID: telemetry.TraceID(ctx)}
	v.mu.Unlock()
}

func (v *service) letterWritten(stage, reason string) {
	v.telemetry.Instruments.DeadLetter(stage, reason)
	v.mu.Lock()
	v.written[admin.DeadLetters{Stage: stage, Reason: reason}]++
	v.mu.Unlock()
}
