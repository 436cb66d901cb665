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
	eventTokenFailed = events.Add(logevent.Event{Name: "token-failed", Level: slog.LevelWarn, State: true,
		Message: "the provider gives no token for the log-in to Kafka; it is asked again, connections go on until their sessions end",
		Remedy:  "the field remedy says what to look at",
		Runbook: "not-reading"})
	eventTokenMended = events.Add(logevent.Event{Name: "token-mended", Level: slog.LevelInfo, State: true,
		Message: "the provider gives tokens again"})
)
