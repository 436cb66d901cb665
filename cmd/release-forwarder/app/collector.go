package app

import (
	"runtime/debug"

	"release-forwarder/cmd/release-forwarder/settings"
)

// The garbage collector's pace, unless GOGC or GOMEMLIMIT is set. Few records are in
// memory at a time: at its default pace Go would collect dozens of times a second, for a
// tenth of the CPU, to save some MiB. The memory limit keeps the process within the
// promised memory when the bounds that the settings allow are used in full.
const (
	gcPercent      = 200
	memoryOfItself = 16 << 20 // bytes: what is used whatever the settings are, and its garbage
	memoryInFlight = 64 << 10 // bytes of a request: its connection, its goroutines
)

// PaceCollector sets the garbage collector's pace and memory limit for as many requests in flight and bytes of
// pending records as the settings allow. It leaves alone what GOGC or GOMEMLIMIT sets.
func PaceCollector(getenv func(string) string, inFlight int, pending int64) {
	if _, given := settings.GCPercent(getenv("GOGC")); !given { // the runtime goes without a wrong one
		debug.SetGCPercent(gcPercent)
	}
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit(inFlight, pending))
	}
}

// memoryLimit counts what is pending twice: garbage takes as much again.
func memoryLimit(inFlight int, pending int64) int64 {
	return memoryOfItself + int64(inFlight)*memoryInFlight + 2*pending
}
