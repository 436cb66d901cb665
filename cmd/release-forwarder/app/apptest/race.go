//go:build race

package apptest

// Race says that the race detector runs, under which everything takes about ten times as long.
const Race = true
