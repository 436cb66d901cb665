package stage

import (
	"fmt"
	"path"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

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
