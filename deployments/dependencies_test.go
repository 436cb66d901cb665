package deployments

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryDependencyHasItsReason holds docs/development/dependencies.md to go.mod: a module
// that is imported directly has its row, and no row outlives its module.
func TestEveryDependencyHasItsReason(t *testing.T) {
	required := map[string]bool{} // directly or not
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+( // indirect)?$`).FindAllStringSubmatch(string(fileOf(t, "../go.mod")), -1) {
		required[m[1]] = m[2] == ""
	}
	page, _, found := strings.Cut(string(fileOf(t, "../docs/development/dependencies.md")), "## Tools, each in a module of its own")
	if !found || len(required) < 20 {
		t.Fatalf("%d modules are required; the page's tools are found: %v", len(required), found)
	}
	var explained []string
	for line := range strings.Lines(page) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "/") {
			continue
		}
		if strings.TrimSpace(cells[2]) == "" {
			t.Errorf("%s is for nothing", cells[1])
		}
		for name := range strings.SplitSeq(cells[1], ",") {
			explained = append(explained, strings.TrimSpace(name))
		}
	}
	for module, direct := range required {
		if direct && !slices.Contains(explained, module) {
			t.Errorf("%s has no row in docs/development/dependencies.md", module)
		}
	}
	for _, module := range explained {
		if _, is := required[module]; !is {
			t.Errorf("docs/development/dependencies.md explains %s, which go.mod does not require", module)
		}
	}
}
