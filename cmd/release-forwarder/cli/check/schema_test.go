package check

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"release-forwarder/mapping"
)

// The schema in Chinese says all that people read in Chinese, and to programs what the English one says.
func TestTheSchemaSpeaksChinese(t *testing.T) {
	texts := func(of string) (found []string, rest any) {
		if err := json.Unmarshal([]byte(of), &rest); err != nil {
			t.Fatal(err)
		}
		takeTexts(rest, &found)
		return found, rest
	}
	en, rest := texts(mapping.Schema())
	zh, restZh := texts(schemaIn(chinese))
	if diff := cmp.Diff(rest, restZh); diff != "" {
		t.Error(diff)
	}
	used := map[string]bool{}
	for _, text := range en {
		if schemaWords[text] == "" {
			t.Errorf("has no Chinese: %s", text)
		}
		used[text] = true
	}
	for text := range schemaWords {
		if !used[text] {
			t.Errorf("is not in the schema: %s", text)
		}
	}
	for _, text := range zh {
		if !strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("is not Chinese: %s", text)
		}
	}
	if len(en) < 30 || len(zh) != len(en) {
		t.Errorf("%d texts, %d in Chinese", len(en), len(zh))
	}
}

// takeTexts moves the titles and descriptions out of a document.
func takeTexts(part any, found *[]string) {
	switch part := part.(type) {
	case map[string]any:
		for _, name := range []string{"title", "description"} {
			if text, is := part[name].(string); is {
				*found = append(*found, text)
				delete(part, name)
			}
		}
		for _, member := range part {
			takeTexts(member, found)
		}
	case []any:
		for _, element := range part {
			takeTexts(element, found)
		}
	}
}
