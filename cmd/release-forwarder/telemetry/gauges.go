package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Gauges are the questions that /metrics asks the running parts at each scrape.
// Each must answer at once, from any goroutine, also after its part has ended.
// A nil one reads 0, or no partition: so it is with features that are not built.
type Gauges struct {
	// Pending is the number of records read and not yet finished.
	Pending func() int64
	// Held counts records that wait, by reason. Those not on [HeldReasons] are
	// shown as "other".
	Held func() map[string]int64
	// Lag has one value for each partition held now of which it is known.
	Lag func() []PartitionValue
	// LagDone and LagHeld are the parts of Lag that are finished already, and that
	// wait for another try.
	LagDone, LagHeld func() []PartitionValue
	// RetentionLeft has the seconds until the oldest unfinished record is deleted,
	// for the partitions of which that is known.
	RetentionLeft func() []PartitionValue
	// Assigned is the number of partitions held now.
	Assigned func() int64
	// Unowned counts the partitions of each topic that no member of the group owns; nil where that is not known.
	Unowned func() map[string]int64
	// OldestUnfinished is the age of the oldest unfinished record in seconds, read or
	// not; 0 without one.
	OldestUnfinished func() float64
	// CircuitOpen: one attempt a second goes out.
	CircuitOpen func() bool
	// StormGuardActive: dead letters are held to one a second.
	StormGuardActive func() bool
	// RefusedLots is the number of lots in an outage of their own.
	RefusedLots func() int64
	// InFlight and InFlightLimit are the deliveries open, and allowed, now.
	InFlight, InFlightLimit func() int64
	// ReadingPaused has one value for each partition held now, paused or not.
	ReadingPaused func() []PartitionPause
	// ReadingBlocked has one value for each partition held now that is not read.
	ReadingBlocked func() []PartitionBlock
	// DeadLettersBlocked is the number of dead letters being tried again.
	DeadLettersBlocked func() int64
}

// PartitionValue is a gauge's value for a partition.
type PartitionValue struct {
	Topic     string
	Partition int
	Value     int64
}

// PartitionPause says which bounds keep a partition from being read.
type PartitionPause struct {
	Topic     string
	Partition int
	Records   bool
	Bytes     bool
	Gaps      bool
}

// PartitionBlock says for how long what has kept a partition from being read.
type PartitionBlock struct {
	Topic     string
	Partition int
	Cause     string // one of BlockedBy
	Seconds   int64
}

// gaugeRows feeds each gauge of the table from the Gauges in force.
var gaugeRows = []struct {
	row     Instrument
	observe func(Gauges, metric.Int64Observer)
}{
	{pendingRecords, number(func(g Gauges) func() int64 { return g.Pending })},
	{heldRecords, observeHeld},
	{lagRecords, byParts(func(g Gauges) func() []PartitionValue { return g.Lag })},
	{lagDone, byParts(func(g Gauges) func() []PartitionValue { return g.LagDone })},
	{lagHeld, byParts(func(g Gauges) func() []PartitionValue { return g.LagHeld })},
	{retentionLeft, byParts(func(g Gauges) func() []PartitionValue { return g.RetentionLeft })},
	{assigned, number(func(g Gauges) func() int64 { return g.Assigned })},
	{unowned, observeUnowned},
	{circuitOpen, truth(func(g Gauges) func() bool { return g.CircuitOpen })},
	{stormGuardActive, truth(func(g Gauges) func() bool { return g.StormGuardActive })},
	{refusedLots, number(func(g Gauges) func() int64 { return g.RefusedLots })},
	{inFlight, number(func(g Gauges) func() int64 { return g.InFlight })},
	{inFlightLimit, number(func(g Gauges) func() int64 { return g.InFlightLimit })},
	{readingPaused, observePaused},
	{readingBlocked, observeBlocked},
	{deadLettersBlocked, number(func(g Gauges) func() int64 { return g.DeadLettersBlocked })},
}

func number(pick func(Gauges) func() int64) func(Gauges, metric.Int64Observer) {
	return func(g Gauges, o metric.Int64Observer) {
		var value int64
		if ask := pick(g); ask != nil {
			value = ask()
		}
		o.Observe(value)
	}
}

func truth(pick func(Gauges) func() bool) func(Gauges, metric.Int64Observer) {
	return func(g Gauges, o metric.Int64Observer) {
		ask := pick(g)
		o.Observe(oneIf(ask != nil && ask()))
	}
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func observeHeld(g Gauges, o metric.Int64Observer) {
	counts := map[string]int64{}
	for _, reason := range HeldReasons {
		counts[reason] = 0
	}
	if g.Held != nil {
		for reason, n := range g.Held() {
			counts[closed(HeldReasons, reason)] += n
		}
	}
	for reason, n := range counts {
		o.Observe(n, metric.WithAttributes(attribute.String("reason", reason)))
	}
}

func byParts(pick func(Gauges) func() []PartitionValue) func(Gauges, metric.Int64Observer) {
	return func(g Gauges, o metric.Int64Observer) {
		ask := pick(g)
		if ask == nil {
			return
		}
		for _, p := range ask() {
			o.Observe(p.Value, metric.WithAttributes(partitionLabels(p.Topic, p.Partition)...))
		}
	}
}

func observeUnowned(g Gauges, o metric.Int64Observer) {
	if g.Unowned == nil {
		return
	}
	for topic, n := range g.Unowned() {
		o.Observe(n, metric.WithAttributes(attribute.String("topic", topic)))
	}
}

func observePaused(g Gauges, o metric.Int64Observer) {
	if g.ReadingPaused == nil {
		return
	}
	for _, p := range g.ReadingPaused() {
		for i, paused := range []bool{p.Records, p.Bytes, p.Gaps} { // in the order of Bounds
			labels := append(partitionLabels(p.Topic, p.Partition), attribute.String("bound", Bounds[i]))
			o.Observe(oneIf(paused), metric.WithAttributes(labels...))
		}
	}
}

func observeBlocked(g Gauges, o metric.Int64Observer) {
	if g.ReadingBlocked == nil {
		return
	}
	for _, p := range g.ReadingBlocked() {
		labels := append(partitionLabels(p.Topic, p.Partition), attribute.String("cause", closed(BlockedBy, p.Cause)))
		o.Observe(p.Seconds, metric.WithAttributes(labels...))
	}
}

func (i *Instruments) registerGauges(meter metric.Meter) error {
	for _, gauge := range gaugeRows {
		_, err := meter.Int64ObservableGauge(gauge.row.otelName(),
			metric.WithDescription(gauge.row.Meaning), metric.WithUnit(gauge.row.Unit),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				gauge.observe(*i.gauges.Load(), o)
				return nil
			}))
		if err != nil {
			return err
		}
	}
	_, err := meter.Float64ObservableGauge(oldestUnfinished.otelName(),
		metric.WithDescription(oldestUnfinished.Meaning), metric.WithUnit(oldestUnfinished.Unit),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			var age float64
			if ask := i.gauges.Load().OldestUnfinished; ask != nil {
				age = max(ask(), 0)
			}
			o.Observe(age)
			return nil
		}))
	return err
}
