package docs

import (
	"regexp"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/markdown"
	"release-forwarder/cmd/testkit/repo"
)

// TestTargetsOfMakeThatDocumentsNameAreThere, and the variables given to them are those of the Makefile.
func TestTargetsOfMakeThatDocumentsNameAreThere(t *testing.T) {
	makefile := repo.Read(t, "Makefile")
	there := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):|^([A-Z_]+) \?=`).FindAllStringSubmatch(makefile, -1) {
		there[m[1]+m[2]] = true
	}
	for line := range strings.Lines(makefile) {
		if names, is := strings.CutPrefix(line, "export "); is {
			for name := range strings.FieldsSeq(names) {
				there[name] = true
			}
		}
	}
	named := 0
	for _, page := range markdown.Pages(t) {
		for _, c := range page.Commands() {
			if c.Words[0] != "make" {
				continue
			}
			for _, word := range c.Words[1:] {
				named++
				name, _, _ := strings.Cut(word, "=")
				if !there[name] && !strings.HasPrefix(word, "-") {
					t.Errorf("%s:%d: %s: the Makefile has no %s", page.Name, c.Line, c.Shown, name)
				}
			}
		}
	}
	atLeast(t, named, 80, "targets and variables of make")
}
