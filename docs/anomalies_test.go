package docs

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// jepsenClasses are the errors that jepsen.tests.kafka can report, and what it
// reports beside them (its functions analysis and checker).
var jepsenClasses = []string{
	"duplicate", "int-poll-skip", "int-nonmonotonic-poll", "int-nonmonotonic-send", "int-send-skip", "inconsistent-offsets", "precommitted-read", "G1a",
	"lost-write", "nonmonotonic-poll", "nonmonotonic-send", "poll-skip", "unseen", "G0", "G0-process", "G0-realtime", "G1c", "G1c-process", "G1c-realtime",
	"PL-1-cycle-exists", "PL-2-cycle-exists", "worst-realtime-lag", "consume-counts", "info-txn-causes",
}

// TestTheAnomaliesPageNamesWhatIsThere holds docs/development/anomalies.md to Jepsen's classes
// and to the checks of this repository.
func TestTheAnomaliesPageNamesWhatIsThere(t *testing.T) {
	page := repo.Read(t, "docs/development/anomalies.md")
	named := map[string]bool{}
	for _, span := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(page, -1) {
		named[span[1]] = true
	}
	for _, class := range jepsenClasses {
		if !named[class] {
			t.Errorf("the page does not name the class %s", class)
		}
	}
	kinds := map[string]int{}
	for _, name := range checksThatExist(t, page, checks(t)) {
		kinds[checkName.FindStringSubmatch(name)[1]]++
	}
	for _, kind := range []string{"simulation ", "chaos: ", "acceptance: ", "Test"} {
		if kinds[kind] < 5 {
			t.Errorf("only %d checks of the kind %q were found on the page: this looks at nothing", kinds[kind], kind)
		}
	}
}

// TestTheGuaranteesPageNamesWhatIsThere holds docs/explanation/guarantees.md to the checks of
// this repository: each guarantee names at least three, and all of them exist.
func TestTheGuaranteesPageNamesWhatIsThere(t *testing.T) {
	page := repo.Read(t, "docs/explanation/guarantees.md")
	there, numbers := checks(t), map[string]bool{}
	for _, section := range strings.Split(page, "\n## ")[1:] {
		title, _, _ := strings.Cut(section, "\n")
		number, _, _ := strings.Cut(title, " ")
		numbers[number] = true
		_, held, _ := strings.Cut(section, "\nHeld by: ")
		if names := checksThatExist(t, held, there); len(names) < 3 {
			t.Errorf("%s names %d checks after \"Held by: \": %v", number, len(names), names)
		}
		anchor := "(#" + strings.ToLower(strings.ReplaceAll(title, " ", "-")) + ")"
		if !strings.Contains(page, "["+number+"]"+anchor) {
			t.Errorf("no link at the top leads to %q", title)
		}
	}
	all := strings.Fields("P1 P2 P3 P4 P5 P6 P7 P8 P9")
	if len(numbers) != len(all) {
		t.Errorf("%d sections: guarantees keep their numbers, code and reports cite them", len(numbers))
	}
	inChinese := repo.Read(t, "docs/explanation/guarantees.zh.md")
	for _, number := range all {
		if !numbers[number] || !strings.Contains(inChinese, "\n## "+number+" ") {
			t.Errorf("no section %s in English and in Chinese", number)
		}
	}
}

// checkName is the form of a check's name on a page.
var checkName = regexp.MustCompile(`^(simulation |chaos: |acceptance: |Test)[^…]`)

// checksThatExist gives the checks that a text names, each once, and fails for
// those that are not there.
func checksThatExist(t *testing.T, text string, there map[string]bool) (names []string) {
	t.Helper()
	for _, span := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(text, -1) {
		name := span[1]
		if !checkName.MatchString(name) || slices.Contains(names, name) {
			continue
		}
		names = append(names, name)
		if !there[name] {
			t.Errorf("the page names a check that does not exist: %s", name)
		}
	}
	return names
}

// checks are the names of all checks, as the page writes them.
func checks(t *testing.T) map[string]bool {
	t.Helper()
	names := repo.Tests(t)
	add := func(prefix, pattern, text string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			names[prefix+m[1]] = true
		}
	}
	for _, file := range repo.Files(t, ".go") {
		test := strings.HasSuffix(file, "_test.go")
		text := repo.Read(t, file)
		switch dir := filepath.Base(filepath.Dir(file)); {
		case test && dir == "acceptance":
			add("acceptance: ", `name: "([^"]+)"`, text)
		case !test && dir == "chaos":
			add("chaos: ", `(?s)\{(?:a\.|max\()[^"]*?, "([^"]+)"\}`, text)
		case test && dir == "simulation":
			add("simulation ", `breach\("([^"]+)"`, text)
		}
	}
	return names
}
