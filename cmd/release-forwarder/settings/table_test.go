package settings

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

const (
	tableBegins = "<!-- settings:begin -->\n"
	tableEnds   = "<!-- settings:end -->"
)

// TestThePageIsTheTable holds docs/reference/settings.md to the code; make generate writes it.
func TestThePageIsTheTable(t *testing.T) {
	repo.Generated(t, "docs/reference/settings.md", tableBegins, tableEnds, "\n"+Markdown()+"\n", *repo.Update)
}

// TestTags finds a setting whose tags are wrong before an operator does.
func TestTags(t *testing.T) {
	groups := []Group{GroupKafka, GroupDeadLetters, GroupCredential, GroupUpstream, GroupRetry, GroupConsumer, GroupEvent, GroupAdmin, GroupLog}
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

func TestPrintShowsEverySettingAndNoSecret(t *testing.T) {
	environment(t, with(
		"UPSTREAM_APP_SECRET", "s3cret",
		"UPSTREAM_URL", "https://user:s3cret@platform.example/update?token=s3cret#s3cret",
		"KAFKA_SASL_MECHANISM", "SCRAM-SHA-256", "KAFKA_SASL_USERNAME", "u", "KAFKA_SASL_PASSWORD", "s3cret",
		"RETRY_BUDGET", "7",
	))
	s, _, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	rows := printed(t, s)
	for _, setting := range Table() {
		if rows[setting.Name] == "" {
			t.Errorf("%s is not printed", setting.Name)
		}
	}
	for name, value := range map[string]string{
		"KAFKA_BROKERS":       "localhost:9092",
		"DLQ_TOPIC":           "releases.dlq",
		"UPSTREAM_APP_SECRET": "***",
		"KAFKA_SASL_PASSWORD": "***",
		"UPSTREAM_URL":        "https://***@platform.example/update?***",
		"RETRY_BUDGET":        "7",
		"UPSTREAM_TIMEOUT":    "10s",
		"UPSTREAM_APP_ID":     "-",
	} {
		if rows[name] != value {
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
	rows := printed(t, s)
	for name, value := range map[string]string{"RETRY_BUDGET": "***", "LOG_LEVEL": "debug", "UPSTREAM_APP_SECRET": "***", "UPSTREAM_URL": "***", "KAFKA_TOPIC": "-"} {
		if rows[name] != value {
			t.Errorf("%s is printed as %q, want %q", name, rows[name], value)
		}
	}
}

// printed returns the value printed for each setting.
func printed(t *testing.T, s *Settings) map[string]string {
	t.Helper()
	var out bytes.Buffer
	if err := s.Print(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "s3cret") {
		t.Errorf("a secret is printed:\n%s", out.String())
	}
	rows := make(map[string]string)
	for line := range strings.Lines(out.String()) {
		words := strings.Fields(line)
		rows[words[0]] = words[1]
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
