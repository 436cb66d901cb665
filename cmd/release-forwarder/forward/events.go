package forward

import (
	"log/slog"

	"release-forwarder/consumer/logevent"
)

var events logevent.List

// Events lists the log events of this package.
func Events() logevent.List { return events }

var (
	eventDeliveryFailed = events.Add(logevent.Event{Name: "delivery-failed", Level: slog.LevelWarn,
		Message: "delivery failed, tried again"})
	eventAcceptedLate = events.Add(logevent.Event{Name: "accepted-late", Level: slog.LevelInfo,
		Message: "accepted after it had been held"})
	eventLotRefused = events.Add(logevent.Event{Name: "lot-refused", Level: slog.LevelError, State: true,
		Message: "lot refused: the platform refuses this lot alone (its secret, app_id or contract); its records wait, the others flow",
		Remedy:  "fix the lot's secret, app_id or contract with the platform before LOT_HOLD_MAX is over; then its records become dead letters and must be replayed",
		Runbook: "lot-refused"})
	eventLotAccepted = events.Add(logevent.Event{Name: "lot-accepted", Level: slog.LevelInfo, State: true,
		Message: "lot accepted again: its records go on"})
	eventLotUnlisted = events.Add(logevent.Event{Name: "lot-unlisted", Level: slog.LevelError, State: true,
		Message: "lot not listed: the lookup file does not have the code of this lot; its records wait, the others flow",
		Remedy:  "add the code to the lookup file before LOT_HOLD_MAX is over; then its records become dead letters and must be replayed",
		Runbook: "lot-refused"})
	eventLotsListed = events.Add(logevent.Event{Name: "lots-listed", Level: slog.LevelInfo, State: true,
		Message: "the lookup file has these lots now: their records go on"})
	eventStormBegan = events.Add(logevent.Event{Name: "storm-began", Level: slog.LevelError, State: true,
		Message: "dead-letter storm: so many dead letters in a row with nothing accepted between; written at one a second from now on, look at the producer and at the platform's contract",
		Remedy:  "reason and field say what has changed; stopping the replicas keeps the records in the topic",
		Runbook: "dead-letter-storm"})
	eventStormOver = events.Add(logevent.Event{Name: "storm-over", Level: slog.LevelInfo, State: true,
		Message: "dead-letter storm over: something of it was accepted"})
	eventDeadLetterWritten = events.Add(logevent.Event{Name: "letter-written", Level: slog.LevelWarn,
		Message: "dead letter written"})
	eventDeadLetterBlocked = events.Add(logevent.Event{Name: "letter-blocked", Level: slog.LevelError,
		Message: "a dead letter cannot be written: its partition's commit waits for it, tried again",
		Remedy:  "read error: create the topic, grant Write, restore in-sync replicas, or raise its max.message.bytes",
		Runbook: "dead-letters-blocked"})
	eventReceiptsLate = events.Add(logevent.Event{Name: "receipts-late", Level: slog.LevelError, State: true,
		Message: "receipts cannot be written: where they are not required they are missing, else the commits wait for them",
		Remedy:  "read error: create RECEIPTS_TOPIC, grant Write, or restore in-sync replicas",
		Runbook: "receipts-missing"})
	eventReceiptsAgain = events.Add(logevent.Event{Name: "receipts-again", Level: slog.LevelInfo, State: true,
		Message: "receipts are written again"})
)
