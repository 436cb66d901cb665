package deployments

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// alertsPage is the page about the alerts in one language: what its tables say, and the heads of those that people write.
type alertsPage struct {
	file, suffix string // the runbooks' suffix
	night        string // the page that says in words when each fires
	head, rules  string // of the two tables that are generated
	woken, fixes string // of who is woken for what, and who can fix which
	paged        func(severity, team string) string
	loss         map[string]string
	hours, min   string
}

var alertsPages = []alertsPage{
	{
		file: "docs/reference/alerts.md", suffix: ".md", night: "docs/how-to/night.md",
		woken: "\n| if | alerts | woken |", fixes: "\n| who | alerts |",
		head:  "| alert | fires when | paged | threatens loss | runbook |",
		rules: "| alert | expression | threshold | for |",
		paged: func(severity, team string) string {
			also := map[string]string{"lane": "lane team", "platform": "platform's contact", "sre": "SRE"}[team]
			switch {
			case also == "" || severity != "critical" && severity != "warning":
				return ""
			case severity == "warning":
				return also + ", morning"
			case team == "sre":
				return "SRE, at once"
			}
			return "SRE, at once; " + also
		},
		loss: map[string]string{"true": "**yes**", "false": ""}, hours: " h", min: " min",
	},
	{
		file: "docs/reference/alerts.zh.md", suffix: ".zh.md", night: "docs/how-to/night.zh.md",
		woken: "\n| 情况 | 告警 | 通知谁 |", fixes: "\n| 谁 | 告警 |",
		head:  "| 告警 | 触发条件 | 通知谁 | 可能丢失 | 处理手册 |",
		rules: "| 告警 | 表达式 | 阈值 | 持续 |",
		paged: func(severity, team string) string {
			also := map[string]string{"lane": "车道系统团队", "platform": "平台方联系人", "sre": "SRE"}[team]
			switch {
			case also == "" || severity != "critical" && severity != "warning":
				return ""
			case severity == "warning":
				return also + "，次日处理"
			case team == "sre":
				return "SRE 值班，立即"
			}
			return "SRE 值班，立即；" + also
		},
		loss: map[string]string{"true": "**是**", "false": ""}, hours: " 小时", min: " 分钟",
	},
}

// TestTheAlertsPagesAreTheRules holds two tables of docs/reference/alerts.md, in each language, to the source of the alerts.
func TestTheAlertsPagesAreTheRules(t *testing.T) {
	for _, p := range alertsPages {
		repo.Generated(t, p.file, "<!-- alerts:begin -->\n", "<!-- alerts:end -->", p.table(t), *repo.Update)
		repo.Generated(t, p.file, "<!-- expressions:begin -->\n", "<!-- expressions:end -->", p.expressions(t), *repo.Update)
	}
}

// TestTheAlertsPagesSayWhoIsWoken: each critical alert stands in one row of the first table, and no other does before the last row.
func TestTheAlertsPagesSayWhoIsWoken(t *testing.T) {
	for _, p := range alertsPages {
		_, rest, found := strings.Cut(repo.Read(t, p.file), p.woken)
		text, _, _ := strings.Cut(rest, "\n\n")
		rows := strings.Split(text, "\n")
		if !found || len(rows) < 5 {
			t.Errorf("%s: the table is gone", p.file)
			continue
		}
		atOnce := strings.Join(rows[:len(rows)-1], "\n") // the last row is that of the morning
		for _, a := range alerts(t) {
			want := 0
			if a.Labels["severity"] == "critical" {
				want = 1
			}
			if n := strings.Count(atOnce, "`"+strings.TrimPrefix(a.Alert, "ReleaseForwarder")+"`"); n != want {
				t.Errorf("%s: %s (%s) stands in %d rows of those that wake somebody", p.file, a.Alert, a.Labels["severity"], n)
			}
		}
	}
}

// TestTheAlertsPagesSayWhoCanFixEach: an alert stands in one row of the table of who is asked.
func TestTheAlertsPagesSayWhoCanFixEach(t *testing.T) {
	for _, p := range alertsPages {
		_, rest, found := strings.Cut(repo.Read(t, p.file), p.fixes)
		rows, _, _ := strings.Cut(rest, "\n\n")
		if !found {
			t.Errorf("%s: the table is gone", p.file)
			continue
		}
		for _, a := range alerts(t) {
			if n := strings.Count(rows, "`"+strings.TrimPrefix(a.Alert, "ReleaseForwarder")+"`"); n != 1 {
				t.Errorf("%s: %s stands in %d rows", p.file, a.Alert, n)
			}
		}
		if named := strings.Count(rows, "`") / 2; named != len(alerts(t)) {
			t.Errorf("%s: %d names for %d alerts", p.file, named, len(alerts(t)))
		}
	}
}

// inOrder has what threatens a loss first, and the critical before the others.
func inOrder(t *testing.T) []alert {
	t.Helper()
	sorted := alerts(t)
	slices.SortStableFunc(sorted, func(a, b alert) int {
		return cmp.Or(cmp.Compare(b.Labels["threatens_loss"], a.Labels["threatens_loss"]), cmp.Compare(a.Labels["severity"], b.Labels["severity"]))
	})
	return sorted
}

func header(head string) string {
	return head + "\n|" + strings.Repeat(" --- |", strings.Count(head, "|")-1) + "\n"
}

// table says in words, those of the night's page, when each fires, and who is paged.
func (p *alertsPage) table(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(header(p.head))
	night := repo.Read(t, p.night)
	for _, a := range inOrder(t) {
		severity := a.Labels["severity"]
		paged, name := p.paged(severity, a.Labels["team"]), strings.TrimSuffix(a.runbook(), ".md")
		loss, known := p.loss[a.Labels["threatens_loss"]]
		if paged == "" || !known {
			t.Errorf("%s: no word for the labels %v", a.Alert, a.Labels)
		}
		words := regexp.MustCompile(`(?m)^\| ` + a.Alert + ` \| (.*) \| \[`).FindStringSubmatch(night)
		if words == nil {
			t.Fatalf("%s does not say when %s fires", p.night, a.Alert)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | [%s](../../deployments/runbooks/%s%s) |\n", strings.TrimPrefix(a.Alert, "ReleaseForwarder"),
			words[1], paged, loss, name, name, p.suffix)
	}
	return b.String()
}

// expressions has the rules as Prometheus evaluates them.
func (p *alertsPage) expressions(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(header(p.rules))
	for _, a := range inOrder(t) {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", a.Alert, condition(a.Expr), p.thresholds(a.Expr), cmp.Or(a.For, "0m"))
	}
	return b.String()
}

var (
	grouping = regexp.MustCompile(` (?:by|on) \([^)]*\)`)
	prefix   = regexp.MustCompile(`release_forwarder_([a-z])`)
	compared = regexp.MustCompile(`(_seconds(?:\{[^}]*\})?\)*)? (==|>=|<=|>|<) ([0-9]+)( \* 3600)?`)
)

// condition is an expression on one line, without its groupings and the prefix of the metrics.
func condition(expr string) string {
	expr = strings.Join(strings.Fields(expr), " ")
	return prefix.ReplaceAllString(grouping.ReplaceAllString(expr, ""), "$1")
}

// thresholds are the numbers that an expression compares with, times in hours or minutes.
func (p *alertsPage) thresholds(expr string) string {
	var all []string
	for _, c := range compared.FindAllStringSubmatch(expr, -1) {
		number := c[3]
		switch n, _ := strconv.Atoi(number); {
		case c[4] != "":
			number += p.hours
		case c[1] != "":
			number = strconv.Itoa(n/60) + p.min
		}
		if text := "`" + c[2] + "` " + number; !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return strings.Join(all, ", ")
}

func TestConditionKeepsMetricsAndThresholds(t *testing.T) {
	got := condition("max by (a, b) (release_forwarder_x{c=\"d\"}) > 4 * 3600\n  and on (a) count ({__name__=~\"release_forwarder_.+\"}) == 0")
	if want := `max (x{c="d"}) > 4 * 3600 and count ({__name__=~"release_forwarder_.+"}) == 0`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestThresholdsHaveTheirUnits(t *testing.T) {
	p := alertsPages[0]
	for expr, want := range map[string]string{
		`min by (a) (x_left_seconds) < 12 * 3600`:               "`<` 12 h",
		`max by (a) (x_seconds{c!="d"}) > 300`:                  "`>` 5 min",
		`max by (a) (changes(x_time_seconds{c="d"}[30m])) >= 3`: "`>=` 3",
		`sum (x) > 5 and sum (y) == 0 or z > 5`:                 "`>` 5, `==` 0",
	} {
		if got := p.thresholds(expr); got != want {
			t.Errorf("%s: %s, want %s", expr, got, want)
		}
	}
}
