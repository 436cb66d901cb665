package app

import (
	"runtime/debug"

	"release-forwarder/cmd/release-forwarder/settings"
)

// The garbage collector's pace, where nobody sets GOGC or GOMEMLIMIT. Few records live
// at a time, so that Go's own pace would collect dozens of times a second, for a tenth
// of the CPU, to spare some MiB. The limit has the collector keep to the promised memory
// where more does live of what the settings bound.
const (
	gcPercent      = 200
	memoryOfItself = 16 << 20 // bytes: what lives whatever the settings are, and its garbage
	memoryInFlight = 64 << 10 // bytes of a request: its connection, its goroutines
)

// PaceCollector sets it for as many requests in flight and bytes of pending records as
// the settings allow.
func PaceCollector(getenv func(string) string, inFlight int, pending int64) {
	if _, given := settings.GCPercent(getenv("GOGC")); !given { // the runtime goes without a wrong one
		debug.SetGCPercent(gcPercent)
	}
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit(inFlight, pending))
	}
}

// memoryLimit allows what is pending twice, since garbage takes as much again.
func memoryLimit(inFlight int, pending int64) int64 {
	return memoryOfItself + int64(inFlight)*memoryInFlight + 2*pending
}
