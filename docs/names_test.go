package docs

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/cmd/testkit/markdown"
	"release-forwarder/cmd/testkit/repo"
	"release-forwarder/dlq"
	"release-forwarder/mapping"
)

// Names of others: a variable of make, one that Kubernetes sets, and a placeholder of pages with commands; metrics of OpenTelemetry's conventions, of
// Prometheus's client and of kube-state-metrics.
var (
	othersVariables = []string{"KAFKA_VERSION", "KAFKA_SERVICE_HOST", "KAFKA_NS"}
	othersMetrics   = []string{"http_client_request_duration_seconds", "process_cpu_seconds_total", "process_start_time_seconds", "kube_pod_container_status_restarts_total"}
)

// TestSettingsThatDocumentsNameAreThere: each word that looks like a setting is one; one that ends in _ or _* stands for
// those that begin so.
func TestSettingsThatDocumentsNameAreThere(t *testing.T) {
	word := regexp.MustCompile(`\b(?:KAFKA|UPSTREAM|DLQ|CONSUMER|EVENT|ADMIN|LOG|RETRY|LOT)_[A-Z0-9_]*`)
	there := map[string]bool{}
	for _, row := range settings.Table() {
		there[row.Name] = true
	}
	named := 0
	for _, page := range markdown.Pages(t) {
		for _, name := range word.FindAllString(repo.Read(t, page.Name), -1) {
			named++
			known := there[name] || slices.Contains(othersVariables, name)
			for setting := range there {
				known = known || strings.HasSuffix(name, "_") && strings.HasPrefix(setting, name)
			}
			if !known {
				t.Errorf("%s: there is no setting %s", page.Name, name)
			}
		}
	}
	atLeast(t, named, 300, "settings")
}

func atLeast(t *testing.T, found, least int, what string) {
	t.Helper()
	if found < least {
		t.Errorf("only %d %s are named: this looks at nothing", found, what)
	}
	t.Logf("%d %s", found, what)
}

// TestMetricsThatDocumentsNameAreThere, with their labels and the labels' values: by their whole names anywhere, and
// without the prefix between backticks, where a unit tells a metric.
func TestMetricsThatDocumentsNameAreThere(t *testing.T) {
	whole := regexp.MustCompile(`\brelease_forwarder_([a-z0-9_]+)(\{[^}]*\})?`)
	short := regexp.MustCompile(`^([a-z0-9_]+_(?:total|seconds|records))(\{[^}]*\})?$`)
	table := map[string]telemetry.Instrument{}
	for _, row := range telemetry.Table() {
		table[row.Name] = row
	}
	named := 0
	look := func(page, name, labels string) {
		named++
		row, there := table[name]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if of, is := table[strings.TrimSuffix(name, suffix)]; is && of.Kind == telemetry.Histogram {
				row, there = of, true
			}
		}
		if !there {
			t.Errorf("%s: there is no metric %s", page, name)
			return
		}
		for _, m := range regexp.MustCompile(`(\w+)(?:=~?"([^"]*)")?`).FindAllStringSubmatch(labels, -1) {
			if !hasLabel(row, m[1], m[2]) {
				t.Errorf("%s: %s has no label %s", page, name, m[0])
			}
		}
	}
	for _, page := range markdown.Pages(t) {
		for _, m := range whole.FindAllStringSubmatch(repo.Read(t, page.Name), -1) {
			look(page.Name, m[1], m[2])
		}
		for _, code := range page.Codes() {
			if m := short.FindStringSubmatch(code.Text); m != nil && !slices.Contains(othersMetrics, m[1]) {
				look(page.Name, strings.TrimPrefix(m[1], "release_forwarder_"), m[2])
			}
		}
	}
	atLeast(t, named, 60, "metrics")
}

func hasLabel(row telemetry.Instrument, name, value string) bool {
	for _, label := range row.Labels {
		if label.Name == name {
			return value == "" || label.Values == nil || slices.ContainsFunc(strings.Split(value, "|"), func(v string) bool { return slices.Contains(label.Values, v) })
		}
	}
	return name == "le"
}

// TestReasonsThatDocumentsNameAreThere: what stands between backticks below a heading "reason" of a table, behind the
// word "reason", or behind --reason, is a reason of a dead letter, or one for which a record is held.
func TestReasonsThatDocumentsNameAreThere(t *testing.T) {
	known := slices.Concat(dlq.Reasons(), telemetry.HeldReasons)
	for _, reason := range mapping.Reasons() {
		known = append(known, string(reason))
	}
	named := 0
	look := func(page, reason string) {
		named++
		if !slices.Contains(known, reason) {
			t.Errorf("%s: there is no reason %s", page, reason)
		}
	}
	said := regexp.MustCompile("(?:[Rr]easons?|原因)[ 为：=\"]*`([a-z-]+)`|--reason[ =]([a-z-]+)|\\breason=\"?([a-z-]+)")
	first := regexp.MustCompile("^`[a-z-]+`(?:(?:, |、)`[a-z-]+`)*") // not what a reason comes with
	for _, page := range markdown.Pages(t) {
		for _, m := range said.FindAllStringSubmatch(repo.Read(t, page.Name), -1) {
			look(page.Name, m[1]+m[2]+m[3])
		}
		for _, table := range page.Tables {
			column := slices.IndexFunc(table.Rows[0], func(cell string) bool { return cell == "reason" || cell == "原因" })
			for _, row := range table.Rows[1:] {
				if column < 0 || column >= len(row) {
					continue
				}
				for _, reason := range regexp.MustCompile(`[a-z-]+`).FindAllString(first.FindString(row[column]), -1) {
					look(page.Name, reason)
				}
			}
		}
	}
	atLeast(t, named, 30, "reasons")
}

// TestExitCodesThatDocumentsNameAreThere: in prose, and below a heading "exit code" of a table.
func TestExitCodesThatDocumentsNameAreThere(t *testing.T) {
	said := regexp.MustCompile("(?:exit codes?|exits with|退出码为?) *`?([0-9]+)")
	inCell := regexp.MustCompile(`(?:^|[;；] *)([0-9]+)`)
	known := []string{strconv.Itoa(console.ExitAsked), strconv.Itoa(console.ExitFailed), strconv.Itoa(console.ExitWrong)}
	named := 0
	look := func(page string, found [][]string) {
		for _, m := range found {
			named++
			if !slices.Contains(known, m[1]) {
				t.Errorf("%s: no command has the exit code %s", page, m[1])
			}
		}
	}
	for _, page := range markdown.Pages(t) {
		look(page.Name, said.FindAllStringSubmatch(repo.Read(t, page.Name), -1))
		for _, table := range page.Tables {
			column := slices.IndexFunc(table.Rows[0], func(cell string) bool { return cell == "exit code" || cell == "退出码" })
			for _, row := range table.Rows[1:] {
				if column >= 0 && column < len(row) {
					look(page.Name, inCell.FindAllStringSubmatch(row[column], -1))
				}
			}
		}
	}
	atLeast(t, named, 15, "exit codes")
}

// TestRightsThatDocumentsNameAreThere: what one is said to need on a topic, a group or the cluster is an operation of
// Kafka's rights.
func TestRightsThatDocumentsNameAreThere(t *testing.T) {
	said := regexp.MustCompile("((?:\\b[A-Z][A-Za-z]+\\b(?:, | and | or )?)+) on (?:the |its |a |your )?(?:event |replay |dead-letter )?(?:topics?\\b|groups?\\b|cluster\\b|KAFKA_|DLQ_|`<?(?:KAFKA|DLQ)_)")
	named := 0
	for _, page := range markdown.Pages(t) {
		text := strings.Join(strings.Fields(repo.Read(t, page.Name)), " ")
		for _, m := range said.FindAllStringSubmatch(text, -1) {
			for _, right := range regexp.MustCompile(`, | and | or `).Split(m[1], -1) {
				named++
				if _, err := kmsg.ParseACLOperation(right); err != nil {
					t.Errorf("%s: %q: Kafka knows no right %s", page.Name, m[0], right)
				}
			}
		}
	}
	atLeast(t, named, 10, "rights")
}
