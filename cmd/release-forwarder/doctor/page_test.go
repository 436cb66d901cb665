package doctor

import (
	"os"
	"strings"
	"testing"
)

// What docs/reference/commands.md shows is what is printed: each line in its order; … stands for lines left out.
func TestThePageShowsWhatIsPrinted(t *testing.T) {
	page, err := os.ReadFile("../../../docs/reference/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	printed, err := os.ReadFile("testdata/ill.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, begins := strings.Cut(string(page), "$ release-forwarder doctor\n")
	shown, _, ends := strings.Cut(shown, "```")
	if !begins || !ends {
		t.Fatal("the page shows no output of the command")
	}
	rest := string(printed)
	for part := range strings.SplitSeq(shown, "…\n") {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Errorf("the page shows what is not printed, or not there:\n%s", part)
		}
		rest = after
	}
}
