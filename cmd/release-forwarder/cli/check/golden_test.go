package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"release-forwarder/cmd/release-forwarder/cli/check/examine"
	"release-forwarder/cmd/testkit/repo"
	"release-forwarder/mapping"
	"release-forwarder/upstream/credential"
)

const (
	ids  = `"park_uuid":"p1","flow_no":"f1","parking_serial":"s1"`
	four = ids + `,"plate":"粤B12345"`
)

// checkInputs are what lanes send, right and wrong. Each stands in the golden files.
var checkInputs = []struct{ name, input string }{
	{"an event", `{` + four + `,"leave_time":"2021-09-02 18:36:46"}`},
	{"two events, the second without a plate", `{` + four + "}\n\n{" + ids + "}\n"},
	{"keys in the spelling of another language", `{"parkUuid":"p1","flow_no":"f1","parking_serial":"s1","plateNo":"粤B12345","leaveTime":1630575406020,"app_id":"x","lane":3}`},
	{"several faults", `{"park_uuid":"p1","flow_no":17,"parking_serial":"s1","enter_time":"2021-09-02 17:36","leave_time":1630575406,"operator":null,"reason":["x"]}`},
	{"times in other forms", `{` + four + `,"enter_time":"2021/9/2 17:36:46","leave_time":"2021-09-02","operate_time":1.63057540602e12}`},
	{"a time that does not exist", `{` + four + `,"leave_time":"2021-09-31 17:36:46"}`},
	{"times in fractions of a second", `{` + four + `,"leave_time":1630575406020123,"operate_time":1630575406020123456}`},
	{"a time that nobody can read", `{` + four + `,"leave_time":"five past twelve"}`},
	{"times that are strange", `{` + four + `,"enter_time":"2026-01-02 12:00:00","leave_time":"2026-01-02 11:14:06","operate_time":"2026-01-02 11:14:05","plate_color":"pink","car_type":7}`},
	{"a byte order mark", "\ufeff{" + ids + "}"},
	{"GBK", "{" + ids + ",\"plate\":\"\xd4\xc1B12345\",\"operator\":\"\xd5\xc5\xc8\xfd\"}"},
	{"UTF-16", inUTF16("\ufeff{" + four + ",\"operator\":3}\r\n")},
	{"an object over several lines", "\n{\n  \"park_uuid\": \"p1\",\n  \"flow_no\": \"f1\",\n  \"parking_serial\": \"s1\",\n  \"plate\": \"粤B12345\"\n}\n"},
	{"an object over several lines with a comma too many", "{\r\n  \"park_uuid\": \"p1\",\r\n  \"plate\": \"粤B12345\",\r\n}\r\n"},
	{"an event that is cut off before the next", `{"park_uuid":"p1",` + "\n{" + four + "}\n"},
	{"two events that are cut off", "{\"park_uuid\":\"p1\"\n{\"flow_no\":\"f1\"\n"},
	{"objects over several lines, one after the other", "{\n  \"park_uuid\": \"p1\",\n}\n{\n  \"park_uuid\": \"p2\"\n}\n"},
	{"a list of objects over several lines", "[\n  {\n    \"park_uuid\": \"p1\"\n  },\n  {\n    \"park_uuid\": \"p2\"\n  }\n]\n"},
	{"a list in a line", `[{` + four + `}]`},
	{"quotes of a Chinese input method", `{“park_uuid”：“p1”}`},
	{"a colon of a Chinese input method", `{"park_uuid"："p1"}`},
	{"a comma of a Chinese input method", `{` + ids + `，"plate":"粤B12345"}`},
	{"a closing quote of a Chinese input method", `{"plate":"粤B12345”,` + ids + `}`},
	{"single quotes", `{'park_uuid':'p1'}`},
	{"numbers for texts", `{"park_uuid":1007,"flow_no":-1.5e3,"parking_serial":true,"plate":"粤B12345","plate_color":[1]}`},
	{"no JSON", "park_uuid=p1&flow_no=f1"},
	{"keys that are there twice", `{` + four + `,"plate":"粤B12346","x":1,"x":2}`},
	{"an empty input", " \n\n"},
	{"what nobody sees", `{` + four + `,"reason":"a\nb","rea\u202eson":"x"}`},
}

func inUTF16(text string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = append(b, byte(unit), byte(unit>>8))
	}
	return string(b)
}

// golden compares what is printed with a file, or writes it with -update.
func golden(t *testing.T, name, printed string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *repo.Update {
		if err := os.WriteFile(path, []byte(printed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), printed); diff != "" {
		t.Errorf("%s is not what is printed; go test -update writes it:\n%s", path, diff)
	}
}

// What check prints for what lanes send is in golden files, in both languages and as JSON.
func TestCheckSaysWhatItSaid(t *testing.T) {
	t.Setenv("UPSTREAM_APP_SECRET", "XXX")
	t.Setenv("UPSTREAM_APP_ID", "app1")
	for name, c := range map[string]Command{"en.golden": {Lang: english}, "zh.golden": {Lang: chinese}, "json.golden": {Lang: english, JSON: true}} {
		t.Run(name, func(t *testing.T) {
			var all strings.Builder
			for i, in := range checkInputs {
				printed, failed := checkedBy(t, c, in.input)
				fmt.Fprintf(&all, "%.*s=== %s: %d failed\n%s", min(i, 1), "\n", in.name, failed, printed)
			}
			golden(t, name, all.String())
		})
	}
}

// The golden files have every hint: a text that no input shows may be wrong unseen.
func TestEveryHintIsInTheGoldenFiles(t *testing.T) {
	for file, lang := range map[string]language{"en.golden": english, "zh.golden": chinese} {
		text := repo.Read(t, "cmd/release-forwarder/cli/check/testdata/"+file)
		hints := slices.Collect(maps.Values(looksWords))
		hints = slices.AppendSeq(hints, maps.Values(encodingWords))
		hints = append(slices.AppendSeq(hints, maps.Values(suspicionWords)), wordQuoted, wordMark, wordList, wordSpread)
		for _, p := range hints {
			for _, part := range strings.Split(p.in(lang), "%s") {
				if !strings.Contains(text, part) {
					t.Errorf("%s has not %q", file, part)
				}
			}
		}
	}
}

// Every word of package mapping has one here, in both languages.
func TestCheckHasAWordForEverything(t *testing.T) {
	keys := func(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
	if want := slices.Sorted(slices.Values(mapping.Details())); !slices.Equal(keys(detailWords), want) {
		t.Errorf("the phrases are %q, want %q", keys(detailWords), want)
	}
	tables := map[string]phrase{}
	take(t, tables, suspicionWords, mapping.Suspicions())
	take(t, tables, looksWords, examine.AllLooks())
	take(t, tables, encodingWords, examine.Encodings())
	take(t, tables, credentialWords, []credential.Source{credential.NoSource, credential.OwnEntry, credential.AnyEntry, credential.Fallback})
	for of, p := range tables {
		han := strings.ContainsFunc(p.zh, func(r rune) bool { return unicode.Is(unicode.Han, r) })
		if p.en == "" || !han || strings.ContainsFunc(p.en, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			t.Errorf("%s: %q and %q", of, p.en, p.zh)
		}
	}
}

func take[K comparable](t *testing.T, all map[string]phrase, table map[K]phrase, want []K) {
	t.Helper()
	if len(table) != len(want) {
		t.Errorf("%d words, want those of %v", len(table), want)
	}
	for _, k := range want {
		all[fmt.Sprintf("%T %v", k, k)] = table[k]
	}
}

// What JSON says is what people are told, and its first fault is the reason.
func TestCheckSaysTheSameAsJSON(t *testing.T) {
	for _, in := range checkInputs {
		text, failed := checkedBy(t, Command{Lang: english}, in.input)
		printed, failedToo := checkedBy(t, Command{Lang: english, JSON: true}, in.input)
		if failed != failedToo {
			t.Errorf("%s: %d and %d failed", in.name, failed, failedToo)
		}
		for line := range strings.Lines(printed) {
			var r report
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text, r.Place+": ") {
				t.Errorf("%s: the text has not %s:\n%s", in.name, r.Place, text)
			}
			for i, f := range r.Faults {
				if !strings.Contains(text, f.Text) || !strings.HasPrefix(f.Text, string(f.Reason)) || i == 0 && f.Reason != r.Reason {
					t.Errorf("%s: %+v is not in\n%s", in.name, f, text)
				}
			}
			if (r.Verdict == deadLetter) != (len(r.Faults) > 0) || (r.Verdict == willBeSent) != (r.ToSign != "") {
				t.Errorf("%s: %s", in.name, line)
			}
		}
	}
}
