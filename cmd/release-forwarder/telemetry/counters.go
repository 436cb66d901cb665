package telemetry

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// series is one counter series: a number and its prebuilt labels. Counters are
// plain atomics that the SDK reads when it collects, so counting costs an
// atomic add and no allocation, and a series is there, with 0, before anything
// happened.
type series struct {
	n      atomic.Int64
	labels []metric.ObserveOption
}

func newSeries(labels ...attribute.KeyValue) *series {
	s := &series{}
	if len(labels) > 0 {
		s.labels = []metric.ObserveOption{metric.WithAttributeSet(attribute.NewSet(labels...))}
	}
	return s
}

// counter is a counter with one closed label, or none: its series are fixed.
// The last one, other, takes words that are on no list and is not exposed
// before it has counted.
type counter struct {
	row    Instrument
	series map[string]*series
	other  *series
}

// newCounter returns a counter of a row with one closed label, or with none.
func newCounter(row Instrument) *counter {
	c := &counter{row: row, series: map[string]*series{}}
	if len(row.Labels) == 0 {
		c.other = newSeries()
		c.series[""] = c.other
		return c
	}
	key := attribute.Key(row.Labels[0].Name)
	for _, value := range row.Labels[0].Values {
		c.series[value] = newSeries(key.String(value))
	}
	c.other = newSeries(key.String(other))
	return c
}

// of is a row with one label whose values the configuration closes.
func (i Instrument) of(values []string) Instrument {
	i.Labels = []Label{{Name: i.Labels[0].Name, Values: values}}
	return i
}

func (c *counter) add(value string) { c.addMany(value, 1) }

func (c *counter) addMany(value string, n int) {
	if s, ok := c.series[value]; ok {
		s.n.Add(int64(n))
		return
	}
	c.other.n.Add(int64(n))
}

func (c *counter) observe(o metric.Int64Observer) {
	for _, s := range c.series {
		o.Observe(s.n.Load(), s.labels...)
	}
	if _, only := c.series[""]; !only && c.other.n.Load() > 0 {
		o.Observe(c.other.n.Load(), c.other.labels...)
	}
}

// deadLetterCounts counts dead letters: two labels of which only the pairs that can
// occur are series.
type deadLetterCounts struct{ stages map[string]*counter }

func newDeadLetterCounts() *deadLetterCounts {
	l := &deadLetterCounts{stages: map[string]*counter{}}
	for stage, reasons := range map[string][]string{"mapping": MappingReasons, "upstream": UpstreamReasons, other: nil} {
		c := &counter{series: map[string]*series{}}
		key := attribute.String("stage", stage)
		for _, reason := range reasons {
			c.series[reason] = newSeries(key, attribute.String("reason", reason))
		}
		c.other = newSeries(key, attribute.String("reason", other))
		l.stages[stage] = c
	}
	return l
}

func (l *deadLetterCounts) add(stage, reason string) {
	c, ok := l.stages[stage]
	if !ok {
		c = l.stages[other]
	}
	c.add(reason)
}

func (l *deadLetterCounts) observe(o metric.Int64Observer) {
	for _, c := range l.stages {
		c.observe(o)
	}
}

// byPartitionCounter is a counter with a series for each partition that was
// ever assigned to this replica. A series stays when the partition goes: what
// was counted must not be forgotten before it was scraped.
type byPartitionCounter struct {
	mu     sync.Mutex
	series map[partition]*series // guarded by mu
}

type partition struct {
	topic  string
	number int
}

func (c *byPartitionCounter) add(topic string, number int, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := partition{topic, number}
	s, ok := c.series[p]
	if !ok {
		s = newSeries(partitionLabels(topic, number)...)
		c.series[p] = s
	}
	s.n.Add(n)
}

func (c *byPartitionCounter) observe(o metric.Int64Observer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.series {
		o.Observe(s.n.Load(), s.labels...)
	}
}

func partitionLabels(topic string, number int) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("topic", topic), attribute.String("partition", strconv.Itoa(number))}
}

// register makes the row's instrument on the meter, fed by observe.
func registerCounter(meter metric.Meter, row Instrument, observe func(metric.Int64Observer)) error {
	_, err := meter.Int64ObservableCounter(row.otelName(), metric.WithDescription(row.Meaning), metric.WithUnit(row.Unit),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			observe(o)
			return nil
		}))
	return err
}

// closed returns value where it is on the list, and other where not.
func closed(list []string, value string) string {
	if slices.Contains(list, value) {
		return value
	}
	return other
}
