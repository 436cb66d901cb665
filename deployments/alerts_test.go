package deployments

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/events"
)

// alert is a rule, of the plain file or of a PrometheusRule.
type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

type ruleGroups []struct {
	Name  string
	Rules []alert
}

type prometheusRule struct{ Spec struct{ Groups ruleGroups } }

func (g ruleGroups) alerts() (all []alert) {
	for _, group := range g {
		all = append(all, group.Rules...)
	}
	return all
}

// alertRules is the one source of the alerts: a file that Prometheus reads.
const alertRules = "alerts/rules.yaml"

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct{ Groups ruleGroups }
	if err := yaml.Unmarshal(fileOf(t, alertRules), &file); err != nil {
		t.Fatal(err)
	}
	all := file.Groups.alerts()
	if len(all) < 20 {
		t.Fatalf("%d alerts", len(all))
	}
	return all
}

// runbook is the page of an alert, as deployments/runbooks names it.
func (a alert) runbook() string { return path.Base(a.Annotations["runbook_url"]) }

func fileOf(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Words of PromQL that are no metrics: operators and functions that are used here.
var promWords = []string{"by", "on", "and", "or", "unless", "offset", "min", "max", "sum", "count", "increase", "rate", "absent", "histogram_quantile",
	"vector", "count_over_time", "max_over_time", "label_replace", "ignoring", "group_left", "clamp_min", "changes", "time"}

var (
	// What is no name: label matchers, groupings, ranges and texts.
	promNoise = regexp.MustCompile(`\{[^}]*\}|\b(?:by|on|ignoring|group_left)\s*\([^)]*\)|\[[^\]]*\]|"[^"]*"|\$[a-z_]+`)
	promName  = regexp.MustCompile(`[a-zA-Z_][a-zA-Z0-9_:]*`)
)

// strangers are the names of an expression that are no metrics of docs/reference/metrics.md.
func strangers(t *testing.T, expr string) []string {
	t.Helper()
	page := string(fileOf(t, "../docs/reference/metrics.md"))
	var found []string
	for _, name := range promName.FindAllString(promNoise.ReplaceAllString(expr, " "), -1) {
		if slices.Contains(promWords, name) || regexp.MustCompile(`^\d*[smhd]$`).MatchString(name) {
			continue
		}
		known := slices.ContainsFunc([]string{"", "_bucket", "_count", "_sum"}, func(suffix string) bool {
			base, is := strings.CutSuffix(name, suffix)
			return is && strings.Contains(page, "`"+base+"`")
		})
		if !known {
			found = append(found, name)
		}
	}
	return found
}

func TestAlertsUseMetricsThatExistAndNameARunbook(t *testing.T) {
	if got := strangers(t, `sum by (a) (rate(release_forwarder_made_up_total{b="c"}[5m])) / up > 0`); len(got) != 1 {
		t.Fatalf("a metric that does not exist is not seen: %v", got)
	}
	for _, a := range alerts(t) {
		if names := strangers(t, a.Expr); len(names) > 0 {
			t.Errorf("%s uses %v, which docs/reference/metrics.md does not have", a.Alert, names)
		}
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", a.Alert, s)
		}
		page := a.runbook()
		for _, text := range []string{page, strings.TrimSuffix(page, ".md") + ".zh.md"} {
			if !strings.Contains(string(fileOf(t, "runbooks/"+text)), "`"+a.Alert+"`") {
				t.Errorf("%s: its runbook %s does not name it", a.Alert, text)
			}
		}
		row := regexp.MustCompile(`(?m)^\| .*\(` + regexp.QuoteMeta(page) + `\) .*$`).FindString(string(fileOf(t, "runbooks/README.md")))
		if !slices.Contains(strings.FieldsFunc(row, func(r rune) bool { return r == ' ' || r == ',' }), a.Alert) {
			t.Errorf("%s: the row of runbooks/README.md does not name it: %s", a.Alert, row)
		}
	}
}

// What a runbook says before its chapters, in each language: what it means, whether anything is or will be lost, who acts, what to do first.
var opening = map[string][]string{
	".md":    {"\nAlerts: ", "\n| What does it mean? | ", "\n| Is anything lost, or will it be? | ", "\n| Who acts? | ", "\n**First"},
	".zh.md": {"\n告警：", "\n| 是什么问题？ | ", "\n| 丢失了吗，会丢失吗？ | ", "\n| 由谁处理？ | ", "\n**先做："},
}

// The chapters of a runbook in each language.
var chapters = map[string][]string{
	".md":    {"\n## Check\n", "\n## Fix\n", "\n## How one sees that it is over\n"},
	".zh.md": {"\n## 检查\n", "\n## 处理\n", "\n## 如何确认已恢复\n"},
}

func TestRunbooksAreWholeAndInBothLanguages(t *testing.T) {
	wanted := map[string]bool{}
	for _, a := range alerts(t) {
		wanted[strings.TrimSuffix(a.runbook(), ".md")] = true
	}
	for _, kind := range admin.Conditions() {
		if name := (admin.Condition{Kind: kind}).Runbook(); name != "" {
			wanted[name] = true
		}
	}
	names := map[string]bool{}
	for _, e := range events.All() {
		names[e.Name] = true
		if e.Runbook != "" {
			wanted[e.Runbook] = true
		}
	}
	for name := range wanted {
		for suffix, heads := range chapters {
			text := string(fileOf(t, "runbooks/"+name+suffix))
			from := 0
			for _, part := range slices.Concat(opening[suffix], heads) {
				at := strings.Index(text[from:], part)
				if at < 0 {
					t.Errorf("%s%s lacks %q, or has it out of order", name, suffix, part)
					break
				}
				from += at
			}
			if names := unknownMetrics(t, text); len(names) > 0 {
				t.Errorf("%s%s speaks of %v, which docs/reference/metrics.md does not have", name, suffix, names)
			}
		}
		if !strings.Contains(string(fileOf(t, "runbooks/README.md")), "("+name+".md)") {
			t.Errorf("runbooks/README.md does not list %s", name)
		}
	}
	pages, err := filepath.Glob("runbooks/*.zh.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := strings.TrimSuffix(filepath.Base(page), ".zh.md"); !wanted[name] {
			t.Errorf("%s: no alert, condition or log line leads to it", page)
		}
		text := string(fileOf(t, filepath.ToSlash(page)))
		for _, event := range regexp.MustCompile("日志(?:事件)? `([a-z-]+)`").FindAllStringSubmatch(text, -1) {
			if !names[event[1]] {
				t.Errorf("%s: no log line is called %s", page, event[1])
			}
		}
	}
}

func unknownMetrics(t *testing.T, text string) []string {
	t.Helper()
	var found []string
	for _, name := range regexp.MustCompile(`release_forwarder_[a-z_]+[a-z]`).FindAllString(text, -1) {
		found = append(found, strangers(t, name)...)
	}
	return found
}
