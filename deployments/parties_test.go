package deployments

import (
	"regexp"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// TestASecurityClaimNamesATestThatIsThere: docs/explanation/security.md claims of each party what
// it can make happen at worst, and names the tests that show it.
func TestASecurityClaimNamesATestThatIsThere(t *testing.T) {
	page := string(fileOf(t, "../docs/explanation/security.md"))
	there := repo.Tests(t)
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	for _, m := range named.FindAllStringSubmatch(page, -1) {
		if !there[m[1]] {
			t.Errorf("docs/explanation/security.md names %s, which does not exist", m[1])
		}
	}
	_, rest, found := strings.Cut(page, "\n## Who can make happen what\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	if !found {
		t.Fatal("the section is gone")
	}
	rows := 0
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| who") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 4 || !named.MatchString(cells[3]) {
			t.Errorf("no test in the last of four columns: %s", line)
		}
	}
	if rows < 4 {
		t.Errorf("%d rows are understood", rows)
	}
}
