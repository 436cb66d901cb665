//go:build !race

package apptest

// Race says that the race detector runs.
const Race = false
