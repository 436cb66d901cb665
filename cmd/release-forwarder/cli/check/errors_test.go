package check

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/testkit/repo"
)

// refusedLines are command lines of check that are wrong. Each stands in the golden files.
var refusedLines = []string{
	"chekc", "what", "check --jsno", "check --foo", "check --s", "check --at", "check --at --json", "check --json=maybe", "check --lang=fr",
	"check --at soon event.json", "check missing.json", "check folder",
	"check --from-topic event.json", "check --from-topic --last 0", "check --last many", "check --against missing.yaml event.json",
}

const lotFile = "UPSTREAM_CREDENTIALS_FILE"

// refusedSettings are wrong ones. What is named a file holds the text.
var refusedSettings = []struct{ name, value string }{
	{"EVENT_TIMEZONE", "Asia/Shanghia"},
	{"EVENT_TIMEZONE", "Asia/\u200bShanghai"},
	{"EVENT_TIMEZONE", "\xff"},
	{"EVENT_TIMEZON", "Asia/Shanghai"},
	{"\ufeffEVENT_TIMEZONE", "Asia/Shanghai"},
	{"EVENT_REQUIRED_FIELDS", "park_uuid,flow_no,parking_serial,plate,lane"},
	{"EVENT_REQUIRED_FIELDS", "park_uuid,flow_no,plate"},
	{"UPSTREAM_APP_ID", "a\nb"},
	{"UPSTREAM_APP_SECRET_FILE", ""},
	{"UPSTREAM_APP_SECRET_FILE", " \n"},
	{"UPSTREAM_APP_SECRET_FILE", "a\nb\nc\n"},
	{"UPSTREAM_APP_SECRET_FILE", "\xff\xfea\x00"},
	{"UPSTREAM_APP_SECRET", "both"},
	{lotFile, strings.Repeat(" ", 16<<20+1)},
	{lotFile, "[]"},
	{lotFile, "{}"},
	{lotFile, `{" ":{}}`},
	{lotFile, `{"\u200b":{}}`},
	{lotFile, `{"p":{"app_secret":"s"}," p":{"app_secret":"s"}}`},
	{lotFile, `{"p":{"app_secret":"\u200b"}}`},
	{lotFile, `{"p":{}}`},
}

// saidOf gives what a command line ends with, as main prints it.
func saidOf(t *testing.T, args []string) string {
	t.Helper()
	var line checkLine
	command, err := kong.Must(&line, kong.Name("release-forwarder"), kong.Writers(io.Discard, io.Discard)).Parse(args)
	if err != nil {
		return strings.Join(Refusal(err, args), "\n") + "\n"
	}
	if err = command.Run(console.Stopper{Context: t.Context()}, console.NewOutput(io.Discard, os.Stderr)); err == nil {
		t.Fatalf("%q: no error", args)
	}
	return err.Error() + "\n"
}

// set sets a setting for a test. A file's is written.
func set(t *testing.T, name, value string) {
	t.Helper()
	if strings.HasSuffix(name, "_FILE") {
		file := filepath.Join(t.TempDir(), "file")
		if value != "" {
			if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		value = file
	}
	t.Setenv(name, value)
}

// Whatever check ends with is in golden files, in both languages.
func TestCheckSaysWhatItSaidOfErrors(t *testing.T) {
	for name, lang := range map[string]language{"errors.en.golden": english, "errors.zh.golden": chinese} {
		t.Run(name, func(t *testing.T) {
			path := repo.Path(t, "cmd/release-forwarder/cli/check")
			t.Chdir(t.TempDir())
			if err := os.Mkdir("folder", 0o700); err != nil {
				t.Fatal(err)
			}
			noLanguage(t)
			t.Setenv("LANG", string(lang))
			var all bytes.Buffer
			for _, line := range refusedLines {
				fmt.Fprintf(&all, "=== %s\n%s", line, saidOf(t, strings.Fields(line)))
			}
			for _, s := range refusedSettings {
				t.Run("", func(t *testing.T) {
					set(t, s.name, s.value)
					if s.value == "both" {
						set(t, s.name+"_FILE", "x")
					}
					fmt.Fprintf(&all, "=== %.60s\n%s", strconv.QuoteToASCII(s.name+"="+s.value), saidOf(t, []string{"check", "event.json"}))
				})
			}
			t.Chdir(path)
			golden(t, name, all.String())
		})
	}
}

// The golden file has all the Chinese there is for the command line and the settings, and no English sentence.
func TestEveryErrorOfCheckIsInTheGoldenFile(t *testing.T) {
	text := repo.Read(t, "cmd/release-forwarder/cli/check/testdata/errors.zh.golden")
	for _, w := range slices.Concat(kongWords, settingsWords) {
		for part := range strings.SplitSeq(w.zh, "%s") {
			if !strings.Contains(text, part) {
				t.Errorf("errors.zh.golden has not %q", part)
			}
		}
	}
	english := regexp.MustCompile(`(?m)^[^=\n].*\b(is|are|not|the|it|has|give|value|flag)\b.*$`)
	if found := english.FindAllString(text, -1); found != nil {
		t.Errorf("errors.zh.golden has English:\n%s", strings.Join(found, "\n"))
	}
}

// --lang goes before the environment, and what is said of another command is in English.
func TestARefusedLineIsToldInTheLanguageAskedFor(t *testing.T) {
	noLanguage(t)
	var line struct {
		checkLine `embed:""`
		Other     struct{} `cmd:""`
	}
	for _, c := range []struct {
		env, line string
		want      language
	}{
		{"", "check --foo", english},
		{"", "check --foo --lang zh", chinese},
		{"", "check --lang=zh --foo", chinese},
		{"", "chekc --lang zh", chinese},
		{"zh_CN.UTF-8", "check --foo", chinese},
		{"zh_CN.UTF-8", "check --foo --lang en", english},
		{"zh_CN.UTF-8", "check --lang", chinese},
		{"zh_CN.UTF-8", "chekc", chinese},
		{"zh_CN.UTF-8", "other --foo", english},
	} {
		t.Setenv("LANG", c.env)
		args := strings.Fields(c.line)
		_, err := kong.Must(&line, kong.Name("release-forwarder")).Parse(args)
		if said := strings.Join(Refusal(err, args), "\n"); strings.Contains(said, "列出全部选项") != (c.want == chinese) {
			t.Errorf("LANG=%s %s: not in %s: %s", c.env, c.line, c.want, said)
		}
	}
}

// What settings says of the settings of check has Chinese words, and no words are left over.
func TestCheckHasWordsForWhatSettingsSay(t *testing.T) {
	verbs := regexp.MustCompile(`%[a-zA-Z]`)
	said := map[string]bool{}
	for file, functions := range map[string][]string{
		"kinds.go":       {"parseText", "parseSecretText", "parseZone", "parseFields"},
		"judge.go":       {"judgeCredential", "file", "unreadable"},
		"unseen.go":      {"Text", "listText", "parts", "unmarked", "clean", "unseenAt"},
		"files.go":       {"ParseSecrets", "errBlank"},
		"credentials.go": {"ParseCredentials", "taken"},
		"names.go":       {"judgeNames"},
	} {
		for _, text := range literals(t, file, functions) {
			if text = verbs.ReplaceAllString(text, "%s"); strings.Contains(text, " ") && strings.Trim(text, "%s, ") != "" {
				said[text] = true
			}
		}
	}
	for _, other := range []string{
		"is required; set it, or %s, or %s", "unknown; ignored", // where requests are sent, and of all settings
		`{"<park_uuid>": {"app_id": "…", "app_secret": "…", "next_app_secret": "…"}, "*": {…}}`, // the same in Chinese
	} {
		if !said[other] {
			t.Errorf("settings do not say %q", other)
		}
		delete(said, other)
	}
	known := map[string]bool{}
	for _, w := range settingsWords {
		known[w.en] = true
	}
	if want, got := slices.Sorted(maps.Keys(said)), slices.Sorted(maps.Keys(known)); !slices.Equal(want, got) {
		t.Errorf("settings say\n%s\nand check knows\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
}

// literals are the strings in declarations of a file of package settings.
func literals(t *testing.T, file string, names []string) (texts []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), repo.Path(t, "cmd/release-forwarder/settings/"+file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		name := ""
		switch n := n.(type) {
		case *ast.FuncDecl:
			name = n.Name.Name
		case *ast.ValueSpec:
			name = n.Names[0].Name
		}
		if !slices.Contains(names, name) {
			return true
		}
		found[name] = true
		ast.Inspect(n, func(n ast.Node) bool {
			if literal, is := n.(*ast.BasicLit); is && literal.Kind == token.STRING {
				text, _ := strconv.Unquote(literal.Value)
				texts = append(texts, text)
			}
			return true
		})
		return false
	})
	if len(found) != len(names) {
		t.Errorf("%s has only %v", file, found)
	}
	return texts
}

// An error that was said in Chinese is still the one that it was.
func TestAToldErrorIsStillTheOne(t *testing.T) {
	if err := chinese.told(fmt.Errorf("standard input: %w", console.ErrStopped)); err.Error() != "标准输入：已按要求停止" || !errors.Is(err, console.ErrStopped) {
		t.Error(err)
	}
}
