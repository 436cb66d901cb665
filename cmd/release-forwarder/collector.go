package main

import (
	"runtime/debug"
)

// The garbage collector's pace, where nobody sets GOGC or GOMEMLIMIT. Few records live
// at a time, so that Go's own pace would collect dozens of times a second to spare some
// MiB, for a tenth of the CPU. The limit has the collector keep to the promised memory
// where more of what is bounded by the settings does live.
const (
	gcPercent   = 200
	memoryFloor = 40 << 20 // bytes: the program, its connections, what is under way
)

// paceCollector sets it for as many bytes of pending records as the settings allow.
func paceCollector(getenv func(string) string, pending int64) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit(pending))
	}
}

// memoryLimit allows what is pending twice, since garbage takes as much again.
func memoryLimit(pending int64) int64 { return memoryFloor + 2*pending }
