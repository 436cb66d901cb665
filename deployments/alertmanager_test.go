package deployments

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// inhibition is a rule of Alertmanager's: while the source fires, the target is not sent.
type inhibition struct {
	Source []string `yaml:"source_matchers"`
	Target []string `yaml:"target_matchers"`
	Equal  []string
}

// labelsOf are the labels of an alert by its expression: those of its first grouping, else those of what is scraped.
func labelsOf(expr string) []string {
	if m := regexp.MustCompile(`^\s*\w+ by \(([^)]*)\)`).FindStringSubmatch(expr); m != nil {
		return strings.Split(m[1], ", ")
	}
	return []string{"namespace", "job", "instance", "pod"}
}

// TestWhatIsInhibitedIsAnAlert: each inhibition names alerts that exist, and compares labels that both have.
func TestWhatIsInhibitedIsAnAlert(t *testing.T) {
	var file struct {
		Inhibitions []inhibition `yaml:"inhibit_rules"`
	}
	if err := yaml.Unmarshal(fileOf(t, "alerts/alertmanager.yml"), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Inhibitions) < 5 {
		t.Fatalf("%d inhibitions", len(file.Inhibitions))
	}
	matcher := regexp.MustCompile(`^alertname =~? "?([^"]+)"?$`)
	for _, rule := range file.Inhibitions {
		for _, matchers := range [][]string{rule.Source, rule.Target} {
			m := matcher.FindStringSubmatch(strings.Join(matchers, ", "))
			if m == nil {
				t.Errorf("%v is not by the alert's name", matchers)
				continue
			}
			names, found := regexp.MustCompile(`^(?:`+m[1]+`)$`), 0
			for _, a := range alerts(t) {
				if !names.MatchString(a.Alert) {
					continue
				}
				found++
				for _, label := range rule.Equal {
					if !slices.Contains(labelsOf(a.Expr), label) {
						t.Errorf("%v: %s has no label %s", rule, a.Alert, label)
					}
				}
			}
			if want := strings.Count(m[1], "|") + 1; found != want {
				t.Errorf("%s matches %d alerts, not %d", m[1], found, want)
			}
		}
	}
}
