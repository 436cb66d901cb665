// Package prometheus is a real Prometheus that scrapes each second, and the alert rules that are shipped.
package prometheus

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
	"time"

	"release-forwarder/cmd/testkit/process"
)

// startLimit bounds how long Prometheus takes until it answers.
const startLimit = 20 * time.Second

// Server is a Prometheus.
type Server struct {
	*process.Process
	url, targets string
}

// Target is what is scraped: an address, and the labels that the operator's Prometheus gives it in a cluster (job, namespace, pod).
type Target struct {
	Address string
	Labels  map[string]string
}

// Start starts Prometheus with the rules given, which may be "". Its files go to dir. It scrapes those told to [Server.Scrape].
func Start(ctx context.Context, dir, rules string) (*Server, error) {
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		return nil, fmt.Errorf("prometheus must be installed: %w", err)
	}
	address, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	p := &Server{url: "http://" + address, targets: filepath.Join(dir, "targets.json")}
	config := "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n" +
		"scrape_configs:\n- job_name: targets\n  file_sd_configs: [{files: [" + strconv.Quote(p.targets) + "], refresh_interval: 1s}]\n"
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
	err = process.Until(ctx, startLimit, func() error {
		_, err := p.Query(ctx, "vector(1)")
		return err
	})
	if err != nil {
		defer p.Kill()
		return nil, fmt.Errorf("%w\n%s", err, p.Tail(5))
	}
	return p, nil
}

// Scrape names all that is to be scraped from now on.
func (p *Server) Scrape(targets ...Target) error {
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	groups := []group{}
	for _, t := range targets {
		groups = append(groups, group{[]string{t.Address}, t.Labels})
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
func (p *Server) Query(ctx context.Context, expr string) ([]Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/v1/query?query="+url.QueryEscape(expr), http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
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
