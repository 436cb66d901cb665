package membership

import (
	"log/slog"

	"release-forwarder/consumer/logevent"
)

var events logevent.List

// Events lists the log events of this package.
func Events() logevent.List { return events }

var (
	eventLeaveSlow = events.Add(logevent.Event{Name: "leave-slow", Level: slog.LevelWarn,
		Message: "leaving the group failed; the group notices by the session time-out"})
	eventPartitionsChanged = events.Add(logevent.Event{Name: "partitions-changed", Level: slog.LevelInfo, State: true,
		Message: "the topics' partitions changed; the group reassigns them"})
	// EventRequestRefused is also for requests that other packages send to the coordinator.
	EventRequestRefused = events.Add(logevent.Event{Name: "request-refused", Level: slog.LevelWarn,
		Message: "the group's coordinator did not take a request; it is sent again"})
)
