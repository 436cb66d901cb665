// Package app is the running service: it makes the parts, wires them, runs them, and drains at the end.
//
// A record's way through it:
//
//	Kafka ─▶ engine ─▶ forwarder ─▶ mapper, platform ─▶ the platform's API
//	           │  ▲        └──────▶ dead letters ─▶ Kafka
//	         gate └─ outcome
//
// service.go wires and runs. snapshot.go takes the state of all parts at one moment; condition.go judges it (liveness,
// readiness, the one sentence at the top of the status page), and status.go shows it to the page and to /metrics.
// hooks.go is what parts report while they work. Four parts watch from the side, each with a loop of its own: retention
// (when Kafka deletes what is not finished), unread (what is in the log and not read yet), owners (partitions without
// an owner) and the checks at the start (doctor_start.go). None of them is on a record's way: if one fails, records
// still flow.
//
// The rules of delivery, order and commits are not here: they are in forward, consumer and upstream.
package app
