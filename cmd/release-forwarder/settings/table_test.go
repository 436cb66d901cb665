package settings

import (
	"bytes"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"release-forwarder/cmd/testkit/repo"
)

const (
	tableBegins = "<!-- settings:begin -->\n"
	tableEnds   = "<!-- settings:end -->"
)

// TestTheSettingsPageIsTheTable holds docs/reference/settings.md to the code; make generate writes it.
func TestTheSettingsPageIsTheTable(t *testing.T) {
	repo.Generated(t, "docs/reference/settings.md", tableBegins, tableEnds, "\n"+Markdown()+"\n", *repo.Update)
}

// TestTags finds a setting whose tags are wrong before an operator does.
func TestTags(t *testing.T) {
	groups := []Group{GroupKafka, GroupDeadLetters, GroupReceipts, GroupCredential, GroupUpstream, GroupRetry, GroupConsumer, GroupEvent, GroupAdmin, GroupLog}
	seen := make(map[string]bool)
	for _, f := range fields {
		if seen[f.Name] {
			t.Errorf("%s is there twice", f.Name)
		}
		seen[f.Name] = true
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(f.Name, p) }) {
			t.Errorf("%s has none of the program's prefixes", f.Name)
		}
		if injected.MatchString(f.Name) {
			t.Errorf("%s would not be looked at", f.Name)
		}
		if !slices.Contains(groups, f.Group) {
			t.Errorf("%s is in the group %q, which has no name", f.Name, f.Group)
		}
		if f.Meaning == "" || strings.ContainsAny(f.Meaning, "|\t\n") {
			t.Errorf("%s: meaning %q breaks a table", f.Name, f.Meaning)
		}
		k, is := kinds[f.Type]
		if !is {
			t.Errorf("%s has the unknown type %q", f.Name, f.Type)
			continue
		}
		if f.Required && f.deflt != "" {
			t.Errorf("%s is required and has a default", f.Name)
		}
		for _, text := range []string{f.deflt, f.min, f.max} {
			if _, err := k.parse(&f, text); text != "" && err != nil {
				t.Errorf("%s: default or bound %v", f.Name, err)
			}
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d settings found", len(seen))
	}
}

// A choice takes what its type lists, in any case, and nothing else.
func TestChoicesAreClosed(t *testing.T) {
	found := 0
	for _, f := range fields {
		if f.Type != kindChoice {
			continue
		}
		found++
		for _, choice := range f.choices {
			for _, text := range []string{choice, strings.ToUpper(choice), strings.ToLower(choice)} {
				if got, err := parseChoice(&f, text); err != nil || got != choice {
					t.Errorf("%s: %s is %v, %v", f.Name, text, got, err)
				}
			}
			if got, err := parseChoice(&f, choice+"x"); err == nil {
				t.Errorf("%s: %sx is taken for %v", f.Name, choice, got)
			}
		}
		if !slices.Contains(f.choices, f.deflt) || len(f.choices) < 2 {
			t.Errorf("%s: the default %q is one of %v", f.Name, f.deflt, f.choices)
		}
	}
	if found != 6 {
		t.Errorf("%d choices", found)
	}
}

func TestTableMarksSecrets(t *testing.T) {
	var secrets []string
	for _, s := range Table() {
		if s.Secret {
			secrets = append(secrets, s.Name)
		}
	}
	if want := []string{"KAFKA_SASL_PASSWORD", "UPSTREAM_APP_SECRET"}; !slices.Equal(secrets, want) {
		t.Errorf("secrets are %v, want %v", secrets, want)
	}
}

func TestPrintShowsWhatDiffersAndNoSecret(t *testing.T) {
	environment(t, with(
		"UPSTREAM_APP_SECRET", "s3cret",
		"UPSTREAM_URL", "https://user:s3cret@platform.example/update?token=s3cret#s3cret",
		"KAFKA_SASL_MECHANISM", "SCRAM-SHA-256", "KAFKA_SASL_USERNAME", "u", "KAFKA_SASL_PASSWORD", "s3cret",
		"RETRY_BUDGET", "7",
		"RETRY_BACKOFF_MAX", "30s", // the default
	))
	s, _, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	differing := map[string]string{
		"KAFKA_BROKERS":        "localhost:9092",
		"KAFKA_TOPIC":          "releases",
		"KAFKA_GROUP_ID":       "forwarder",
		"UPSTREAM_APP_SECRET":  "***",
		"KAFKA_SASL_MECHANISM": "SCRAM-SHA-256 (default: none)",
		"KAFKA_SASL_USERNAME":  "u",
		"KAFKA_SASL_PASSWORD":  "***",
		"UPSTREAM_URL":         "https://***@platform.example/update?***",
		"RETRY_BUDGET":         "7 (default: 20)",
	}
	rows := printed(t, s.Print)
	others := strings.Fields(rows["By"] + " " + rows["Not"])
	for _, f := range fields {
		if inShort := f.Name + "=" + s.shown[f.Name]; differing[f.Name] == "" && !slices.Contains(others, inShort) && !slices.Contains(others, f.Name) {
			t.Errorf("neither %s nor that %s is not set is printed", inShort, f.Name)
		}
	}
	delete(rows, "By")
	delete(rows, "Not")
	if !maps.Equal(rows, differing) {
		t.Errorf("printed:\n%v\nwant:\n%v", rows, differing)
	}
	rows = printed(t, s.PrintAll)
	for _, f := range fields {
		row, found := rows[f.Name]
		for _, part := range []string{f.Type, f.Default, f.Bounds, f.Meaning} {
			if !found || !strings.Contains(row, part) {
				t.Errorf("%s is printed as %q, without %q", f.Name, row, part)
			}
		}
	}
	for name, value := range map[string]string{"DLQ_TOPIC": "releases.dlq", "UPSTREAM_TIMEOUT": "10s", "UPSTREAM_APP_ID": "-", "RETRY_BUDGET": "7", "HTTPS_PROXY": "-"} {
		if !strings.HasPrefix(rows[name], value+" ") {
			t.Errorf("%s is printed as %q, want %q", name, rows[name], value)
		}
	}
}

func TestPrintOfAWrongConfiguration(t *testing.T) {
	environment(t, map[string]string{"RETRY_BUDGET": "many", "UPSTREAM_APP_SECRET": "s3cret\ns3cret", "UPSTREAM_URL": "https://%zz/?s3cret", "LOG_LEVEL": "debug"})
	s, _, err := Load()
	if err == nil {
		t.Fatal("the configuration is wrong")
	}
	for _, print := range []func(io.Writer) error{s.Print, s.PrintAll} {
		rows := printed(t, print)
		for name, value := range map[string]string{"RETRY_BUDGET": "***", "LOG_LEVEL": "debug", "UPSTREAM_APP_SECRET": "***", "UPSTREAM_URL": "***", "KAFKA_TOPIC": "-"} {
			if got, _, _ := strings.Cut(rows[name], " "); got != value {
				t.Errorf("%s is printed as %q, want %q", name, got, value)
			}
		}
	}
}

func TestWhatIsPrintedFitsAScreen(t *testing.T) {
	environment(t, with(
		"KAFKA_BROKERS", strings.Repeat("kafka-bootstrap.example.com:9092,", 9),
		"UPSTREAM_URL", "https://platform.example/"+strings.Repeat("long/", 60),
	))
	s, _, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, print := range []func(io.Writer) error{s.Print, s.PrintAll} {
		rows := printed(t, print)
		for name, value := range map[string]string{"KAFKA_BROKERS": strings.Join(s.Kafka.Brokers, ","), "UPSTREAM_URL": s.Upstream.URL.String()} {
			if got := strings.ReplaceAll(rows[name], " ", ""); !strings.HasPrefix(got, value) {
				t.Errorf("%s is printed as %q, want %q", name, got, value)
			}
		}
	}
}

// printed returns what is printed of each setting, its lines joined by blanks.
func printed(t *testing.T, print func(io.Writer) error) map[string]string {
	t.Helper()
	var out bytes.Buffer
	if err := print(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "s3cret") {
		t.Errorf("a secret is printed:\n%s", out.String())
	}
	rows := make(map[string]string)
	name := ""
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(line, "\n")
		if utf8.RuneCountInString(line) > 100 {
			t.Errorf("a line of %d characters: %s", utf8.RuneCountInString(line), line)
		}
		text := strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, " ") {
			name, text, _ = strings.Cut(line, " ")
		}
		rows[name] = strings.TrimSpace(rows[name] + " " + strings.TrimSpace(text))
	}
	return rows
}

func TestMarkdownHasARowForEachSetting(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(Markdown()), "\n")
	if len(lines) != len(fields)+2 {
		t.Fatalf("%d lines for %d settings", len(lines), len(fields))
	}
	for i, f := range fields {
		if line := lines[i+2]; !strings.HasPrefix(line, "| `"+f.Name+"` | ") || strings.Count(line, " | ") != 4 {
			t.Errorf("row of %s is %q", f.Name, line)
		}
	}
}
