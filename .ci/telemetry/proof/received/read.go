package received

import (
	"maps"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Link is a link of a span.
type Link struct{ Trace, Span string }

// Span is a span with its place.
type Span struct {
	Name, Kind         string
	Trace, ID, Parent  string
	Attributes         map[string]any
	Links              []Link
	Status             string // Unset, Ok, Error
	Events             int
	Schema, TraceState string
	Resource           map[string]any
	Start, End         pcommon.Timestamp
	Dropped            uint32 // attributes, events and links that did not fit
}

// Spans lists the spans that came, by their start.
func (s *Sink) Spans() (all []Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, traces := range s.traces {
		for _, rs := range traces.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, span := range ss.Spans().All() {
					one := spanOf(span)
					one.Schema, one.Resource = ss.SchemaUrl(), rs.Resource().Attributes().AsRaw()
					all = append(all, one)
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Span) int { return int(a.Start) - int(b.Start) })
	return all
}

func spanOf(s ptrace.Span) Span {
	one := Span{
		Name: s.Name(), Kind: s.Kind().String(), Trace: s.TraceID().String(), ID: s.SpanID().String(), Parent: s.ParentSpanID().String(),
		Attributes: s.Attributes().AsRaw(), Status: s.Status().Code().String(),
		Events: s.Events().Len(), TraceState: s.TraceState().AsRaw(), Start: s.StartTimestamp(), End: s.EndTimestamp(),
		Dropped: s.DroppedAttributesCount() + s.DroppedEventsCount() + s.DroppedLinksCount(),
	}
	for _, link := range s.Links().All() {
		one.Links = append(one.Links, Link{link.TraceID().String(), link.SpanID().String()})
	}
	return one
}

// Traces returns the spans of the traces named, as the collector got them and in the order of their starts, as one OTLP
// JSON document.
func (s *Sink) Traces(ids ...string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := ptrace.NewTraces()
	into := map[string]ptrace.ScopeSpans{}
	var resource ptrace.ResourceSpans
	for _, traces := range s.traces {
		for _, rs := range traces.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, span := range ss.Spans().All() {
					if !slices.Contains(ids, span.TraceID().String()) {
						continue
					}
					if out.ResourceSpans().Len() == 0 {
						resource = out.ResourceSpans().AppendEmpty()
						rs.Resource().CopyTo(resource.Resource())
						resource.SetSchemaUrl(rs.SchemaUrl())
					}
					scope, known := into[ss.Scope().Name()]
					if !known {
						scope = resource.ScopeSpans().AppendEmpty()
						ss.Scope().CopyTo(scope.Scope())
						scope.SetSchemaUrl(ss.SchemaUrl())
						into[ss.Scope().Name()] = scope
					}
					span.CopyTo(scope.Spans().AppendEmpty())
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(into)) {
		into[name].Spans().Sort(func(a, b ptrace.Span) bool { return a.StartTimestamp() < b.StartTimestamp() })
	}
	return (&ptrace.JSONMarshaler{}).MarshalTraces(out)
}

// Metric is a metric as it last came.
type Metric struct {
	Name, Unit, Meaning string
	Type                string // Sum, Gauge, Histogram
	Monotonic           bool
	Points              []map[string]any // the attributes of each point
}

// Metrics returns the metrics that came, by name.
func (s *Sink) Metrics() map[string]Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]Metric{}
	for _, metrics := range s.metrics {
		for _, rm := range metrics.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					all[m.Name()] = metricOf(m)
				}
			}
		}
	}
	return all
}

func metricOf(m pmetric.Metric) Metric {
	one := Metric{Name: m.Name(), Unit: m.Unit(), Meaning: m.Description(), Type: m.Type().String()}
	switch m.Type() {
	case pmetric.MetricTypeSum:
		one.Monotonic = m.Sum().IsMonotonic()
		for _, p := range m.Sum().DataPoints().All() {
			one.Points = append(one.Points, p.Attributes().AsRaw())
		}
	case pmetric.MetricTypeGauge:
		for _, p := range m.Gauge().DataPoints().All() {
			one.Points = append(one.Points, p.Attributes().AsRaw())
		}
	case pmetric.MetricTypeHistogram:
		for _, p := range m.Histogram().DataPoints().All() {
			one.Points = append(one.Points, p.Attributes().AsRaw())
		}
	}
	return one
}

// Line is a log line.
type Line struct {
	Body, Severity string
	Trace, Span    string
	Attributes     map[string]any
}

// Lines lists the log lines that came, in their order.
func (s *Sink) Lines() (all []Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, logs := range s.logs {
		for _, rl := range logs.ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, r := range sl.LogRecords().All() {
					all = append(all, Line{
						Body: r.Body().AsString(), Severity: r.SeverityText(), Trace: r.TraceID().String(), Span: r.SpanID().String(),
						Attributes: r.Attributes().AsRaw(),
					})
				}
			}
		}
	}
	return all
}
