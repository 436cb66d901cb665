package main

import (
	"slices"
	"testing"

	"github.com/alecthomas/kong"

	"release-forwarder/cmd/testkit/markdown"
)

// TestCommandLinesOfThePagesAreTaken: what any page tells to type, with go run or make bench, is taken.
func TestCommandLinesOfThePagesAreTaken(t *testing.T) {
	taken := 0
	for _, page := range markdown.Pages(t) {
		for _, c := range page.Commands() {
			args, is := c.Arguments("bench", "BENCH")
			if !is || len(args) == 0 || slices.Contains(args, "--help") {
				continue
			}
			taken++
			if _, err := kong.Must(&commands{}).Parse(args); err != nil {
				t.Errorf("%s:%d: %s: %v", c.Page, c.Line, c.Shown, err)
			}
		}
	}
	if taken < 10 {
		t.Errorf("only %d command lines were found: this looks at nothing", taken)
	}
	t.Logf("%d command lines", taken)
}
