package check

import (
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// The contract for lanes: what its steps print, and the words that it explains.
func TestCheckPrintsWhatTheEventPageShows(t *testing.T) {
	for document, lang := range map[string]language{"docs/event.md": english, "docs/event.zh.md": chinese} {
		page := repo.Read(t, document)
		_, event, _ := strings.Cut(page, "$ echo '")
		event, command, _ := strings.Cut(event, "' | ")
		flag := "check --lang " + string(lang)
		if !strings.HasPrefix(command, "release-forwarder "+flag+"\n") {
			t.Errorf("%s: the event is not checked by %s", document, flag)
		}
		printed, failed := checkedBy(t, Command{Lang: lang}, event)
		if !strings.Contains(page, printed) || failed != 1 {
			t.Errorf("%s: %d failed, and the page has not\n%s", document, failed, printed)
		}
		t.Chdir(repo.Path(t, "docs/producers"))
		printed, failed = checkedBy(t, Command{Lang: lang, Files: []string{"event.json"}}, "")
		if !strings.Contains(page, printed) || failed != 0 || !strings.Contains(page, flag+" event.json\n") {
			t.Errorf("%s: %d failed, and the page has not\n%s", document, failed, printed)
		}
		for _, p := range []phrase{wordSent, wordDeadLetter, wordAlso, wordHint, wordThere, wordTimesLabel, wordIgnored, wordSuspicious, wordTakes} {
			if !strings.Contains(page, "\n| "+p.in(lang)+" | ") {
				t.Errorf("%s does not explain %q", document, p.in(lang))
			}
		}
		for _, p := range encodingWords {
			if hint, _, _ := strings.Cut(p.in(lang), strings.TrimSpace(wordColon.in(lang))); !strings.Contains(page, "\n| "+hint+" | ") {
				t.Errorf("%s does not explain %q", document, hint)
			}
		}
	}
}
