package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Gauges are the values of all gauges at one moment. The zero value reads 0, and no partition.
type Gauges struct {
	// Pending is the number of records read and not yet finished.
	Pending int
	// Held counts records that wait, by reason. Those not in [HeldReasons] are shown as "other".
	Held map[string]int
	// DeadLettersBlocked is the number of dead letters being tried again.
	DeadLettersBlocked int
	// ReceiptsBlocked is the number of receipts for which commits wait.
	ReceiptsBlocked int
	// OldestUnfinished is the age of the oldest unfinished record, read or not; 0 without one.
	OldestUnfinished time.Duration
	// CircuitOpen: one attempt a second goes out.
	CircuitOpen bool
	// StormGuardActive: dead letters are held to one a second.
	StormGuardActive bool
	// RefusedLots is the number of lots in an outage of their own.
	RefusedLots int
	// InFlight and InFlightLimit are the deliveries open, and allowed.
	InFlight, InFlightLimit int
	// Unowned counts the partitions of each topic that no member of the group owns; nil where that is not known.
	Unowned map[string]int
	// Missing says of each topic of the settings whether it cannot be read, since it is not there.
	Missing map[string]bool
	// Partitions are those this replica holds. Suspended: its lease on them has ended, and others may hold them.
	Partitions []PartitionGauges
	Suspended  bool
}

// PartitionGauges are the values of one partition.
type PartitionGauges struct {
	Topic     string
	Partition int
	// Lag is the group's lag in offsets as Kafka's tools show it, [Unknown] where that is not known.
	// LagDone and LagHeld are the parts of it that are finished already, and that wait for another try.
	Lag, LagDone, LagHeld int64
	// RetentionLeft is how many seconds are left before Kafka deletes the oldest unfinished record, [Unknown]
	// where that is not known.
	RetentionLeft int64
	// Paused are the bounds that keep the partition from being read, in the order of [Bounds].
	Paused [3]bool
	// Blocked is the cause, one of [BlockedBy], that has kept the partition from being read for BlockedFor; "" while
	// it is read.
	Blocked    string
	BlockedFor time.Duration
}

// Unknown is a partition's value that is not known: it has no series.
const Unknown = -1

// observe notes one value of a gauge.
type observe = func(value int64, labels ...attribute.KeyValue)

// gaugeRows are the gauges of the table, with their values.
var gaugeRows = []struct {
	row  Instrument
	each func(Gauges, observe)
}{
	{pendingRecords, func(g Gauges, o observe) { o(int64(g.Pending)) }},
	{heldRecords, observeHeld},
	{lagRecords, ofPartitions(func(p PartitionGauges) int64 { return p.Lag })},
	{lagDone, ofPartitions(func(p PartitionGauges) int64 { return p.LagDone })},
	{lagHeld, ofPartitions(func(p PartitionGauges) int64 { return p.LagHeld })},
	{retentionLeft, ofPartitions(func(p PartitionGauges) int64 { return p.RetentionLeft })},
	{assigned, observeAssigned},
	{unowned, observeUnowned},
	{topicMissing, observeMissing},
	{circuitOpen, func(g Gauges, o observe) { o(oneIf(g.CircuitOpen)) }},
	{stormGuardActive, func(g Gauges, o observe) { o(oneIf(g.StormGuardActive)) }},
	{refusedLots, func(g Gauges, o observe) { o(int64(g.RefusedLots)) }},
	{inFlight, func(g Gauges, o observe) { o(int64(g.InFlight)) }},
	{inFlightLimit, func(g Gauges, o observe) { o(int64(g.InFlightLimit)) }},
	{readingPaused, observePaused},
	{readingBlocked, observeBlocked},
	{deadLettersBlocked, func(g Gauges, o observe) { o(int64(g.DeadLettersBlocked)) }},
	{receiptsBlocked, func(g Gauges, o observe) { o(int64(g.ReceiptsBlocked)) }},
}

func oneIf(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func observeAssigned(g Gauges, o observe) {
	if g.Suspended {
		o(0)
		return
	}
	o(int64(len(g.Partitions)))
}

func observeHeld(g Gauges, o observe) {
	counts := map[string]int{}
	for _, reason := range HeldReasons {
		counts[reason] = 0
	}
	for reason, n := range g.Held {
		counts[closed(HeldReasons, reason)] += n
	}
	for reason, n := range counts {
		o(int64(n), attribute.String("reason", reason))
	}
}

func ofPartitions(value func(PartitionGauges) int64) func(Gauges, observe) {
	return func(g Gauges, o observe) {
		for _, p := range g.Partitions {
			if n := value(p); n != Unknown {
				o(n, partitionLabels(p.Topic, p.Partition)...)
			}
		}
	}
}

func observeUnowned(g Gauges, o observe) {
	for topic, n := range g.Unowned {
		o(int64(n), attribute.String("topic", topic))
	}
}

func observeMissing(g Gauges, o observe) {
	for topic, missing := range g.Missing {
		o(oneIf(missing), attribute.String("topic", topic))
	}
}

func observePaused(g Gauges, o observe) {
	for _, p := range g.Partitions {
		for i, paused := range p.Paused {
			o(oneIf(paused), append(partitionLabels(p.Topic, p.Partition), attribute.String("bound", Bounds[i]))...)
		}
	}
}

func observeBlocked(g Gauges, o observe) {
	for _, p := range g.Partitions {
		if p.Blocked != "" {
			o(int64(p.BlockedFor.Seconds()), append(partitionLabels(p.Topic, p.Partition), attribute.String("cause", closed(BlockedBy, p.Blocked)))...)
		}
	}
}

// registerGauges has all gauges answered from one value of Gauges a collection, so that what they say fits together.
func (i *Instruments) registerGauges(meter metric.Meter) error {
	var all []metric.Observable
	gauges := make([]metric.Int64ObservableGauge, len(gaugeRows))
	for n, gauge := range gaugeRows {
		var err error
		gauges[n], err = meter.Int64ObservableGauge(gauge.row.otelName(),
			metric.WithDescription(gauge.row.Meaning), metric.WithUnit(gauge.row.Unit))
		if err != nil {
			return err
		}
		all = append(all, gauges[n])
	}
	oldest, err := meter.Float64ObservableGauge(oldestUnfinished.otelName(),
		metric.WithDescription(oldestUnfinished.Meaning), metric.WithUnit(oldestUnfinished.Unit))
	if err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		g := (*i.gauges.Load())()
		for n, gauge := range gaugeRows {
			gauge.each(g, func(value int64, labels ...attribute.KeyValue) {
				o.ObserveInt64(gauges[n], value, metric.WithAttributes(labels...))
			})
		}
		o.ObserveFloat64(oldest, max(g.OldestUnfinished.Seconds(), 0))
		return nil
	}, append(all, oldest)...)
	return err
}
