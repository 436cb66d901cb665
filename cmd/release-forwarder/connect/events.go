package connect

import (
	"log/slog"

	"release-forwarder/consumer/logevent"
)

var events logevent.List

// Events lists the log events of this package.
func Events() logevent.List { return events }

var (
	eventFileTakenUp = events.Add(logevent.Event{Name: "file-taken-up", Level: slog.LevelInfo, State: true,
		Message: "file changed and reloaded"})
	eventFileRefused = events.Add(logevent.Event{Name: "file-refused", Level: slog.LevelWarn, State: true,
		Message: "file cannot be reloaded, what it held before stays in force",
		Remedy:  "fix the file: error says what is wrong with it",
		Runbook: "secret-refused"})
	eventFileMended = events.Add(logevent.Event{Name: "file-mended", Level: slog.LevelInfo, State: true,
		Message: "file holds the contents in force again"})
)
