package telemetry

import (
	"context"
	"math"
	"runtime"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Instruments counts what happens. All methods may be called from any
// goroutine; those on a record's way allocate nothing. Words that are not on
// their closed list are counted as "other".
type Instruments struct {
	accepted, attempts, commits, rebalances *counter
	ignored                                 *counter
	suspicious, metadataIgnored, budget     *counter
	reloads, reloadFailures                 *counter
	receipts, receiptsMissing               *counter
	deadLetters                             *deadLetterCounts
	dropped                                 *byPartitionCounter
	delivery, drain                         metric.Float64Histogram

	gauges atomic.Pointer[func() Gauges] // never nil
}

// Build is what build_info says.
type Build struct{ Version, Revision string }

func newInstruments(meter metric.Meter, cfg Config) (*Instruments, error) {
	i := &Instruments{
		accepted: newCounter(recordsAccepted), attempts: newCounter(attempts), commits: newCounter(commits),
		rebalances: newCounter(rebalances), suspicious: newCounter(suspicious),
		metadataIgnored: newCounter(metadataIgnored), budget: newCounter(budgetSpent),
		reloads: newCounter(reloads), reloadFailures: newCounter(reloadFailures),
		receipts: newCounter(receiptsWritten), receiptsMissing: newCounter(receiptsMissing),
		ignored:     newCounter(recordsIgnored.of(cfg.Ignoring)),
		deadLetters: newDeadLetterCounts(), dropped: &byPartitionCounter{series: map[partition]*series{}},
	}
	i.Observe(func() Gauges { return Gauges{} })
	linesDropped := newCounter(logLinesDropped)
	if q, ok := cfg.Writer.(*Queue); ok {
		linesDropped = q.dropped
	}
	for _, c := range []*counter{i.accepted, i.ignored, i.attempts, i.commits, i.rebalances, i.suspicious, i.metadataIgnored, i.budget, i.reloads, i.reloadFailures, i.receipts, i.receiptsMissing, linesDropped} {
		if err := registerCounter(meter, c.row, c.observe); err != nil {
			return nil, err
		}
	}
	if err := registerCounter(meter, deadLetters, i.deadLetters.observe); err != nil {
		return nil, err
	}
	if err := registerCounter(meter, recordsDropped, i.dropped.observe); err != nil {
		return nil, err
	}
	if err := i.registerGauges(meter); err != nil {
		return nil, err
	}
	if err := registerFact(meter, buildInfo, attribute.String("version", cfg.Build.Version),
		attribute.String("revision", cfg.Build.Revision), attribute.String("goversion", runtime.Version())); err != nil {
		return nil, err
	}
	if err := registerFact(meter, settingsInfo, attribute.String("hash", cfg.SettingsHash)); err != nil {
		return nil, err
	}
	var err error
	if i.delivery, err = histogram(meter, deliverySeconds, deliveryBuckets); err != nil {
		return nil, err
	}
	i.drain, err = histogram(meter, drainSeconds, drainBuckets)
	return i, err
}

func histogram(meter metric.Meter, row Instrument, buckets []float64) (metric.Float64Histogram, error) {
	return meter.Float64Histogram(row.otelName(), metric.WithDescription(row.Meaning), metric.WithUnit(row.Unit),
		metric.WithExplicitBucketBoundaries(buckets...))
}

// registerFact registers a gauge that is always 1; what it tells is in the labels.
func registerFact(meter metric.Meter, row Instrument, labels ...attribute.KeyValue) error {
	set := metric.WithAttributeSet(attribute.NewSet(labels...))
	_, err := meter.Int64ObservableGauge(row.otelName(), metric.WithDescription(row.Meaning),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(1, set)
			return nil
		}))
	return err
}

// Observe sets what is asked for the gauges' values, once for each scrape or export. It must answer at once, from any
// goroutine, also after the parts have ended. Before the first call the gauges read 0.
func (i *Instruments) Observe(take func() Gauges) { i.gauges.Store(&take) }

// Accepted counts a record the platform accepted.
func (i *Instruments) Accepted() { i.accepted.add("") }

// Ignored counts a record that a profile of the mapping file says to ignore.
func (i *Instruments) Ignored(profile string) { i.ignored.add(profile) }

// Delivered records the seconds from a record's timestamp to its acceptance.
// Less than 0 (a clock that is behind) counts as 0. The context's span, where
// sampled, becomes the exemplar.
func (i *Instruments) Delivered(ctx context.Context, seconds float64) {
	if math.IsNaN(seconds) || math.IsInf(seconds, 0) {
		return // one of them would spoil the sum for good
	}
	i.delivery.Record(ctx, max(seconds, 0))
}

// Drained records how many seconds it took to give up the partitions.
func (i *Instruments) Drained(seconds float64) { i.drain.Record(context.Background(), max(seconds, 0)) }

// BudgetSpent counts a failure that counted against its record's budget.
func (i *Instruments) BudgetSpent() { i.budget.add("") }

// DeadLetter counts a dead letter that the dead-letter topic acknowledged.
func (i *Instruments) DeadLetter(stage, reason string) { i.deadLetters.add(stage, reason) }

// ReceiptsWritten counts receipts that their topic acknowledged.
func (i *Instruments) ReceiptsWritten(n int) { i.receipts.addMany("", n) }

// ReceiptsMissing counts records that were finished without an acknowledged receipt.
func (i *Instruments) ReceiptsMissing(n int) { i.receiptsMissing.addMany("", n) }

// Attempt counts one HTTP request by its verdict. One that a drain cut off has
// none and is not counted.
func (i *Instruments) Attempt(verdict string) {
	if verdict != cut {
		i.attempts.add(verdict)
	}
}

// cut is the word for an attempt that was given up with its partition.
const cut = "cut"

// Commit counts an offset commit by its result, one of [CommitResults].
func (i *Instruments) Commit(result string) { i.commits.add(result) }

// Rebalance counts a generation that was joined.
func (i *Instruments) Rebalance() { i.rebalances.add("") }

// Suspicious counts an event by its kind, one of [Suspicions].
func (i *Instruments) Suspicious(kind string) { i.suspicious.add(kind) }

// MetadataIgnored counts a commit's metadata that was ignored.
func (i *Instruments) MetadataIgnored() { i.metadataIgnored.add("") }

// ReloadFailure counts a changed file that could not be reloaded, by the name
// of its setting, one of [ReloadedFiles].
func (i *Instruments) ReloadFailure(setting string) { i.reloadFailures.add(setting) }

// Reloaded counts a changed file that was reloaded, by the name of its setting,
// one of [ReloadedFiles].
func (i *Instruments) Reloaded(setting string) { i.reloads.add(setting) }

// AssignPartition begins the counters of a partition, with 0. They stay when it goes,
// since what was counted last may not have been scraped.
func (i *Instruments) AssignPartition(topic string, partition int) {
	i.dropped.add(topic, partition, 0)
}

// DroppedByKafka counts n records of a partition that Kafka dropped unread.
func (i *Instruments) DroppedByKafka(topic string, partition int, n int64) {
	if n > 0 { // a counter never falls
		i.dropped.add(topic, partition, n)
	}
}
