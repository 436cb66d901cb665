package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"release-forwarder/cmd/testkit/process"
)

// Labels that Prometheus gives to what it scrapes here, as the operator's does in a cluster.
const (
	Namespace = "proof"
	Job       = Namespace + "/release-forwarder"
)

// Prometheus is a real one that scrapes the stage's forwarders each second.
type Prometheus struct {
	*process.Process
	url, targets string
}

// StartPrometheus starts Prometheus with the rules given, which may be "". It scrapes those told to [Prometheus.Scrape].
func StartPrometheus(ctx context.Context, dir, rules string) (*Prometheus, error) {
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		return nil, fmt.Errorf("prometheus is not installed: run.sh does it: %w", err)
	}
	address, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	p := &Prometheus{url: "http://" + address, targets: filepath.Join(dir, "targets.json")}
	config := "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n" +
		"scrape_configs:\n- job_name: " + strconv.Quote(Job) + "\n  file_sd_configs: [{files: [" + strconv.Quote(p.targets) + "], refresh_interval: 1s}]\n"
	if rules != "" {
		config += "rule_files: [" + strconv.Quote(filepath.Join(dir, "rules.yaml")) + "]\n"
	}
	for name, text := range map[string]string{"prometheus.yaml": config, "rules.yaml": rules, "targets.json": "[]"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	p.Process, err = process.Start(binary, os.Environ(), filepath.Join(dir, "prometheus.log"),
		"--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "tsdb"),
		"--web.listen-address="+address, "--log.level=warn")
	if err != nil {
		return nil, err
	}
	err = Until(ctx, 20*time.Second, func() error {
		_, err := p.Query(ctx, "vector(1)")
		if err != nil {
			return fmt.Errorf("%w\n%s", err, p.Tail(5))
		}
		return nil
	})
	if err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// Scrape names the forwarders that are to be scraped from now on.
func (p *Prometheus) Scrape(forwarders ...*Forwarder) error {
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	groups := []group{}
	for _, f := range forwarders {
		groups = append(groups, group{[]string{f.Admin}, map[string]string{"namespace": Namespace, "pod": f.Name}})
	}
	text, err := json.Marshal(groups)
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.targets+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(p.targets+".new", p.targets)
}

// Sample is one answer to a query.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Query asks for the value of an expression now.
func (p *Prometheus) Query(ctx context.Context, expr string) ([]Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var got struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
		return nil, err
	}
	if got.Status != "success" || got.Data.ResultType != "vector" {
		return nil, fmt.Errorf("%s: %s %s %s", expr, got.Status, got.Error, got.Data.ResultType)
	}
	var samples []Sample
	for _, r := range got.Data.Result {
		value, err := strconv.ParseFloat(fmt.Sprint(r.Value[1]), 64)
		if err != nil {
			return nil, err
		}
		samples = append(samples, Sample{r.Metric, value})
	}
	return samples, nil
}

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
