package telemetry

import (
	"log/slog"

	"release-forwarder/consumer/logevent"
)

var events logevent.List

// Events lists the log events of this package.
func Events() logevent.List { return events }

var (
	eventTelemetryExport = events.Add(logevent.Event{Name: "telemetry-export", Level: slog.LevelWarn,
		Message: "telemetry export failed",
		Remedy:  "look at the collector; deliveries do not wait for it"})
	eventTelemetrySetup = events.Add(logevent.Event{Name: "telemetry-setup", Level: slog.LevelWarn, State: true,
		Message: "telemetry set-up",
		Remedy:  "fix the OTEL_ variable that what names"})
	eventScrapeFailed = events.Add(logevent.Event{Name: "scrape-failed", Level: slog.LevelWarn,
		Message: "scrape of metrics failed"})
	eventLinesDropped = events.Add(logevent.Event{Name: "lines-dropped", Level: slog.LevelWarn,
		Message: "log lines were dropped: no one reads standard error, or it cannot be written",
		Remedy:  "look at what reads this process's standard error, or at its disk; deliveries do not wait for it"})
	eventStrayAnswer = events.Add(logevent.Event{Name: "stray-answer", Level: slog.LevelError,
		Message: "a server sent an answer over HTTP/1.1 that no request asked for",
		Remedy:  "have the server or the proxy in front of it fixed, or use HTTP/2: such an answer, if late, can count as the next request's, and an event as accepted"})
	eventLibrary = events.Add(logevent.Event{Name: "library", Level: slog.LevelWarn,
		Message: "a library says",
		Remedy:  "nothing; if it comes often, report it to the developers"})
	eventSuppressed = events.Add(logevent.Event{Name: "suppressed", Level: slog.LevelInfo, State: true,
		Message: "log lines suppressed"})
)
