package wire

import (
	"log/slog"

	"release-forwarder/consumer/logevent"
)

var events logevent.List

// Events lists the log events of this package.
func Events() logevent.List { return events }

var (
	eventAddressPassedOver = events.Add(logevent.Event{Name: "address-passed-over", Level: slog.LevelWarn,
		Message: "a broker's address is passed over for a while, the others are tried: it does not answer, or is another cluster's",
		Remedy:  "read error: bring the broker back, or take the address out of KAFKA_BROKERS"})
	eventClusterReplaced = events.Add(logevent.Event{Name: "cluster-replaced", Level: slog.LevelError, State: true,
		Message: "for a minute only another cluster has answered: it counts as ours from now on",
		Remedy:  "if the cluster was not replaced on purpose, KAFKA_BROKERS names a wrong one",
		Runbook: "not-reading"})
)
