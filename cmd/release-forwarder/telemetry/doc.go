// Package telemetry is what the service reports about itself: log lines, metrics
// and traces. It sets them up from the configuration, owns their names, and
// ends them within a deadline.
//
// # What it promises
//
//   - Every metric of the service stands in one table (see [Table]); the
//     instruments, the scrape and the reference page are made from it. Counters
//     are there with 0 for every value of their closed labels from the start.
//   - A log line of an event ([release-forwarder/consumer/logevent]) has its name,
//     remedy and runbook; repeats are limited, but for changes of state.
//   - A label value comes from a closed list or is a partition: no metric can
//     grow with the traffic, and none holds a record's contents.
//   - Every delivery has a trace ID, also when no trace is exported, so that log
//     lines and dead letters can be joined.
//   - Nothing of an event's trace context reaches the platform. Of the event only
//     its traceparent is read, and it becomes a link, not a parent: whoever
//     produced the event does not decide what is sampled here, and a record
//     delivered again after an hour does not stretch the producer's trace.
//   - A collector that is down costs nothing but its data: no call waits for it,
//     and what goes wrong is one rate-limited log line.
//
// # The environment
//
// The OTEL_ variables mean what the OpenTelemetry specification says, with these
// differences: an exporter that is not named is otlp where an endpoint is set
// and none otherwise; service.name is release-forwarder unless set; and the
// metrics are always to be had from [Telemetry.MetricsHandler], so "prometheus"
// in OTEL_METRICS_EXPORTER opens no second port. What cannot be used never reaches
// the SDK: see package otelenv.
//
// # What it leaves to others
//
// It does not know Kafka, HTTP or the platform: callers report what happened, by
// words. The admin server serves /metrics.
package telemetry
