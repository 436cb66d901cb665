package simulation

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"release-forwarder/cmd/testkit/repo"
)

// The page's table tells of the deliberate mistakes that there are, in their order.
func TestThePageListsEveryMistake(t *testing.T) {
	page := repo.Read(t, "docs/development/simulation.md")
	var told, are []string
	for _, row := range regexp.MustCompile(`(?m)^\| (.+) \| (?:P\d|pace|liveness|receipts|stop) \| \d+ \|$`).FindAllStringSubmatch(page, -1) {
		told = append(told, row[1])
	}
	for _, m := range mistakes() {
		are = append(are, m.name)
	}
	slices.Sort(told)
	slices.Sort(are)
	if d := cmp.Diff(are, told); d != "" {
		t.Errorf("docs/development/simulation.md is not what the code is (-code +page); TestSimulationFindsEveryMistake -simulate.starts 9 prints the table:\n%s", d)
	}
}
