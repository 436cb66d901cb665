package prometheus

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Alert is an alert rule as it is shipped.
type Alert struct {
	Name, Expr string
	For        time.Duration
	Severity   string
	Runbook    string // a page of deployments/runbooks, without its suffix
}

// Alerts reads the rules that are shipped; root is the repository.
func Alerts(root string) ([]Alert, error) {
	text, err := os.ReadFile(filepath.Join(root, "deployments/alerts/rules.yaml"))
	if err != nil {
		return nil, err
	}
	return readAlerts(text)
}

// Rules is the rule file in which each alert given is true as soon as its expression is: without the time for which it must
// have been so.
func Rules(alerts []Alert) string {
	var b strings.Builder
	b.WriteString("groups:\n- name: at-once\n  rules:\n")
	for _, a := range alerts {
		fmt.Fprintf(&b, "  - {alert: %s, expr: %s}\n", a.Name, strconv.Quote(a.Expr))
	}
	return b.String()
}

// readAlerts reads a rule file.
func readAlerts(text []byte) ([]Alert, error) {
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	var all []Alert
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			a := Alert{
				Name: r.Alert, Expr: strings.TrimSpace(r.Expr), Severity: r.Labels["severity"],
				Runbook: strings.TrimSuffix(path.Base(r.Annotations["runbook_url"]), ".md"),
			}
			if r.For != "" {
				var err error
				if a.For, err = time.ParseDuration(r.For); err != nil {
					return nil, fmt.Errorf("%s: %w", r.Alert, err)
				}
			}
			all = append(all, a)
		}
	}
	return all, nil
}
