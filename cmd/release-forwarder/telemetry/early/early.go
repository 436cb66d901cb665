// Package early keeps some OTEL_ variables from a library that reads them before main:
// go.opentelemetry.io/auto/sdk, which comes with the OpenTelemetry API and is never
// used here, writes a plain line with the value to standard error where one is no
// number. [Restore] puts them back for those who read them later.
//
// It promises to come first: by the specification, packages are initialized in the order
// of their import paths, each as soon as those it imports are. This one imports nothing
// but syscall, so that it comes before package time, which the other one needs. A second
// import may end that; the acceptance suite sees it ("telemetry variables").
// https://go.dev/ref/spec#Program_initialization
package early

import "syscall"

var names = []string{
	"OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
	"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
	"OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
	"OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
}

// hidden are the variables as they were given.
var hidden = hide()

func hide() map[string]string {
	taken := map[string]string{}
	for _, name := range names {
		if value, given := syscall.Getenv(name); given {
			taken[name] = value
			_ = syscall.Unsetenv(name)
		}
	}
	return taken
}

// Restore puts the variables back into the environment, once.
func Restore() {
	for name, value := range hidden {
		_ = syscall.Setenv(name, value)
	}
	hidden = nil
}
