package deployments

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

const alertsPage = "docs/reference/alerts.md"

// TestTheAlertsPageIsTheRules holds the table of docs/reference/alerts.md to components/alerts.
func TestTheAlertsPageIsTheRules(t *testing.T) {
	repo.Generated(t, alertsPage, "<!-- alerts:begin -->\n", "<!-- alerts:end -->", alertsTable(t), *repo.Update)
}

// TestTheAlertsPageSaysWhoCanFixEach: an alert stands in one row of the table of who is asked.
func TestTheAlertsPageSaysWhoCanFixEach(t *testing.T) {
	_, rest, found := strings.Cut(repo.Read(t, alertsPage), "\n| who | alerts |")
	rows, _, _ := strings.Cut(rest, "\n\n")
	if !found {
		t.Fatal("the table is gone")
	}
	for _, a := range alerts(t) {
		if n := strings.Count(rows, "`"+strings.TrimPrefix(a.Alert, "ReleaseForwarder")+"`"); n != 1 {
			t.Errorf("%s stands in %d rows", a.Alert, n)
		}
	}
	if named := strings.Count(rows, "`") / 2; named != len(alerts(t)) {
		t.Errorf("%d names for %d alerts", named, len(alerts(t)))
	}
}

// paged says who is called by a severity.
var paged = map[string]string{"critical": "on call, at once", "warning": "team, in the morning"}

func alertsTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| alert | fires when | for | severity | paged | runbook |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, a := range alerts(t) {
		severity, runbook := a.Labels["severity"], a.Annotations["runbook"]
		if paged[severity] == "" {
			t.Errorf("%s: nobody is paged by %q", a.Alert, severity)
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | [%s](../../%s) |\n", a.Alert, condition(a.Expr), cmp.Or(a.For, "0m"), severity, paged[severity],
			strings.TrimSuffix(filepath.Base(runbook), ".md"), runbook)
	}
	return b.String()
}

var (
	grouping = regexp.MustCompile(` (?:by|on) \([^)]*\)`)
	prefix   = regexp.MustCompile(`release_forwarder_([a-z])`)
)

// condition is an expression on one line, without its groupings and the prefix of the metrics.
func condition(expr string) string {
	expr = strings.Join(strings.Fields(expr), " ")
	return prefix.ReplaceAllString(grouping.ReplaceAllString(expr, ""), "$1")
}

func TestConditionKeepsMetricsAndThresholds(t *testing.T) {
	got := condition("max by (a, b) (release_forwarder_x{c=\"d\"}) > 4 * 3600\n  and on (a) count ({__name__=~\"release_forwarder_.+\"}) == 0")
	if want := `max (x{c="d"}) > 4 * 3600 and count ({__name__=~"release_forwarder_.+"}) == 0`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
