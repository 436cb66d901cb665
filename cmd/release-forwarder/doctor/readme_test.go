package doctor

import (
	"os"
	"strings"
	"testing"
)

// What README shows is what is printed: each line in its order; … stands for lines left out.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	printed, err := os.ReadFile("testdata/ill.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, begins := strings.Cut(string(readme), "$ release-forwarder doctor\n")
	shown, _, ends := strings.Cut(shown, "```")
	if !begins || !ends {
		t.Fatal("README shows no output of the command")
	}
	rest := string(printed)
	for part := range strings.SplitSeq(shown, "…\n") {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Errorf("README shows what is not printed, or not there:\n%s", part)
		}
		rest = after
	}
}
