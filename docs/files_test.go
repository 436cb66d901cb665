package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// TestFilesThatDocumentsNameAreThere: a path in backticks that ends as a file of this repository is one, from its
// root or from the document's folder.
func TestFilesThatDocumentsNameAreThere(t *testing.T) {
	file := regexp.MustCompile("`([a-z0-9.][a-zA-Z0-9_.*-]*/[a-zA-Z0-9_./*-]+\\.(?:go|sh|md|yaml|json|py))`")
	named := 0
	for _, document := range repo.Files(t, ".md") {
		if path.Base(document) == "CHANGELOG.md" { // it tells of files that were
			continue
		}
		for _, m := range file.FindAllStringSubmatch(repo.Read(t, document), -1) {
			named++
			found := false
			for _, from := range []string{"", path.Dir(document), "cmd/release-forwarder", "deployments"} {
				matches, err := filepath.Glob(repo.Path(t, path.Join(from, m[1])))
				found = found || err == nil && len(matches) > 0
			}
			if !found && !strings.HasPrefix(m[1], "bin/") {
				t.Errorf("%s names %s, which is not there", document, m[1])
			}
		}
	}
	if _, err := os.Stat(repo.Path(t, "README.md")); err != nil || named < 30 {
		t.Errorf("only %d files are named: this looks at nothing", named)
	}
}

// TestTestsThatDocumentsNameAreThere: a name of a test in backticks is one of this repository.
func TestTestsThatDocumentsNameAreThere(t *testing.T) {
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)[`/]")
	there, named := repo.Tests(t), 0
	for _, document := range repo.Files(t, ".md") {
		if path.Base(document) == "CHANGELOG.md" {
			continue
		}
		for _, m := range name.FindAllStringSubmatch(repo.Read(t, document), -1) {
			if named++; !there[m[1]] {
				t.Errorf("%s names %s, which is not there", document, m[1])
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d tests are named: this looks at nothing", named)
	}
}
