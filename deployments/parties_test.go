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
	parties := strings.Split(section, "\n### ")[1:]
	for _, party := range parties {
		name, _, _ := strings.Cut(party, "\n")
		if _, shown, _ := strings.Cut(party, "\nShown by "); !named.MatchString(shown) {
			t.Errorf("%s: no test shows it", name)
		}
	}
	if len(parties) < 9 {
		t.Errorf("%d parties are understood", len(parties))
	}
}
