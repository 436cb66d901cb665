package main

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The page's table tells of the deliberate mistakes that there are, in their order.
func TestThePageListsEveryMistake(t *testing.T) {
	page, err := os.ReadFile("../../docs/simulation.md")
	if err != nil {
		t.Fatal(err)
	}
	var told, are []string
	for _, row := range regexp.MustCompile(`(?m)^\| (.+) \| (?:P\d|pace|liveness|stop) \| \d+ \|$`).FindAllSubmatch(page, -1) {
		told = append(told, string(row[1]))
	}
	for _, m := range mistakes() {
		are = append(are, m.name)
	}
	slices.Sort(told)
	slices.Sort(are)
	if d := cmp.Diff(are, told); d != "" {
		t.Errorf("docs/simulation.md is not what the code is (-code +page); TestSimulationFindsEveryMistake -simulate.starts 9 prints the table:\n%s", d)
	}
}
