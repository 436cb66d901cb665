//go:build race

package acceptance

// raceFlag builds the forwarder under the race detector where the suite is.
var raceFlag = []string{"-race"}
