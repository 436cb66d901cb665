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
		Remedy:  "mend the OTEL_ variable that what names"})
	eventScrapeFailed = events.Add(logevent.Event{Name: "scrape-failed", Level: slog.LevelWarn,
		Message: "scrape of metrics failed"})
	eventLinesDropped = events.Add(logevent.Event{Name: "lines-dropped", Level: slog.LevelWarn,
		Message: "log lines were dropped: nobody reads standard error, or it cannot be written",
		Remedy:  "look at who reads this process's standard error, or at its disk; deliveries do not wait for it"})
	eventStrayAnswer = events.Add(logevent.Event{Name: "stray-answer", Level: slog.LevelError,
		Message: "a server sent an answer over HTTP/1.1 that no request asked for",
		Remedy:  "have the server mended, or the proxy before it, or reach it by HTTP/2: where such an answer comes late it may be taken for that of the next request, and an event for accepted"})
	eventLibrary = events.Add(logevent.Event{Name: "library", Level: slog.LevelWarn,
		Message: "a library says",
		Remedy:  "nothing, unless it comes often: then tell the developers"})
	eventSuppressed = events.Add(logevent.Event{Name: "suppressed", Level: slog.LevelInfo, State: true,
		Message: "log lines suppressed"})
)
