package apptest

import "runtime/debug"

// A world allocates much and keeps little: with Go's default of 100 a fifth of the processor's time is
// garbage collection.
func init() { debug.SetGCPercent(800) }
