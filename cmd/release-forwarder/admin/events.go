package admin

import (
	"log/slog"

	"release-forwarder/consumer/logevent"
)

var events logevent.List

// Events lists the log events of this package.
func Events() logevent.List { return events }

var (
	eventAdminRequest = events.Add(logevent.Event{Name: "admin-request", Level: slog.LevelWarn,
		Message: "admin server"})
)
