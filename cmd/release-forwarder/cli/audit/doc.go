// Package audit has the command audit: it answers from receipts what became of events, long after Kafka has deleted
// them. audit.go is the command, flow.go answers by flow number, count.go counts, verify.go holds receipts against a
// range of events.
package audit
