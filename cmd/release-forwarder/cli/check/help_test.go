package check

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// checkLine is a command line with check alone.
type checkLine struct {
	Check Command `cmd:"" help:"Show what would become of events, without sending anything."`
}

// helped gives what a command line with --help prints.
func helped(t *testing.T, args ...string) string {
	t.Helper()
	var line checkLine
	var out bytes.Buffer
	code := -1
	parser := kong.Must(&line, kong.Name("release-forwarder"), kong.Writers(&out, &out), kong.Exit(func(c int) {
		code = c
		panic("help was shown")
	}))
	func() {
		defer func() { _ = recover() }()
		_, err := parser.Parse(append([]string{"check"}, args...))
		t.Errorf("%q: no help, %v", args, err)
	}()
	if code != 0 {
		t.Errorf("%q: exit code %d", args, code)
	}
	return out.String()
}

func noLanguage(t *testing.T) {
	t.Helper()
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		t.Setenv(name, "")
	}
}

// The help of check is in golden files, in both languages.
func TestCheckSaysWhatItSaidOfItself(t *testing.T) {
	noLanguage(t)
	golden(t, "help.en.golden", helped(t, "--help"))
	golden(t, "help.zh.golden", helped(t, "--lang", "zh", "--help"))
}

// check --help speaks the language of --lang, or of the environment.
func TestTheHelpOfCheckIsInTheLanguageAskedFor(t *testing.T) {
	noLanguage(t)
	for _, c := range []struct {
		env  string
		args []string
		want language
	}{
		{"", []string{"--help"}, english},
		{"zh_CN.UTF-8", []string{"--help"}, chinese},
		{"zh_CN.UTF-8", []string{"--lang=en", "-h"}, english},
		{"", []string{"-h", "--lang=zh"}, chinese},
		{"", []string{"--json", "--lang", "zh", "event.json", "--help"}, chinese},
	} {
		t.Setenv("LANG", c.env)
		if text := helped(t, c.args...); strings.HasPrefix(text, "用法：") != (c.want == chinese) {
			t.Errorf("LANG=%s %q: not in %s:\n%s", c.env, c.args, c.want, text)
		}
	}
}

// What the English help names, the Chinese names too: flags, settings, examples, exit codes.
func TestTheChineseHelpNamesTheSame(t *testing.T) {
	noLanguage(t)
	names := regexp.MustCompile(`--[a-z]+|[A-Z]+_[A-Z_]+|RFC 3339|\\\\|"a\\nb"`)
	named := func(text string) []string {
		return slices.Compact(slices.Sorted(slices.Values(names.FindAllString(text, -1))))
	}
	text := helped(t, "--lang=zh", "--help")
	if want, got := named(helped(t, "--help")), named(text); !slices.Equal(want, got) {
		t.Errorf("English has %q, Chinese %q", want, got)
	}
	flags := regexp.MustCompile(`(?m)^ +(?:-h, +)?--[a-z]+\S*`)
	if want, got := flags.FindAllString(helped(t, "--help"), -1), flags.FindAllString(text, -1); !slices.Equal(want, got) {
		t.Errorf("the flags in English are %q, in Chinese %q", want, got)
	}
	for line := range strings.Lines(text) {
		if columns := columns(strings.TrimSuffix(line, "\n")); columns > 80 && !strings.Contains(line, "echo") {
			t.Errorf("%d columns: %s", columns, line)
		}
	}
}
