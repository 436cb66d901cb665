// Package queries proves that every query of the dashboard and of the alerts has an answer in a real Prometheus that
// scrapes real forwarders; an alert whose trouble does not come about here must fire in promtool's rule tests.
package queries

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"proof/stage"
	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/cmd/testkit/process"
	"release-forwarder/cmd/testkit/prometheus"
)

const root = "../../../.."

// patience bounds how long a query may take to have an answer: rates need some scrapes.
const patience = 90 * time.Second

// panel is one query of the dashboard.
type panel struct{ title, expr string }

func panels(t *testing.T) (all []panel) {
	t.Helper()
	type node struct {
		Title   string
		Panels  []node
		Targets []struct{ Expr string }
	}
	text, err := os.ReadFile(filepath.Join(root, "deployments/dashboards/release-forwarder.json"))
	must(t, err)
	var dashboard node
	must(t, json.Unmarshal(text, &dashboard))
	variables := strings.NewReplacer("$__rate_interval", "10s", "$namespace", stage.Namespace, "$job", stage.Job)
	var walk func(n node)
	walk = func(n node) {
		for _, target := range n.Targets {
			all = append(all, panel{n.Title, variables.Replace(target.Expr)})
		}
		for _, inner := range n.Panels {
			walk(inner)
		}
	}
	walk(dashboard)
	return all
}

// firing are the alerts that fire in promtool's rule tests.
func firing(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, ".ci/telemetry/alerts/rules_test.yaml"))
	must(t, err)
	all := map[string]bool{}
	for _, found := range regexp.MustCompile(`labels: '\{alertname="(\w+)"[^}]*\}', value: [1-9]`).FindAllStringSubmatch(string(text), -1) {
		all[found[1]] = true
	}
	return all
}

func TestEveryQueryHasAnAnswerOrARuleTest(t *testing.T) {
	alerts, err := prometheus.Alerts(root)
	must(t, err)
	queries := panels(t)
	if len(queries) < 30 || len(alerts) < 15 {
		t.Fatalf("only %d queries and %d alerts were found", len(queries), len(alerts))
	}
	p := scraped(t)
	answered := map[string]bool{}
	err = process.Until(t.Context(), patience, func() error {
		missing := 0
		for _, q := range queries {
			if answered[q.expr] = answered[q.expr] || hasData(t, p, q.expr); !answered[q.expr] {
				missing++
			}
		}
		for _, a := range alerts {
			answered[a.Expr] = answered[a.Expr] || hasData(t, p, a.Expr)
		}
		if missing > 0 {
			return fmt.Errorf("%d queries have no answer yet", missing)
		}
		return nil
	})
	for _, q := range queries {
		if !answered[q.expr] {
			t.Errorf("panel %q has no data: %s (%v)", q.title, q.expr, err)
			continue
		}
		t.Logf("data       panel %-40s %s", q.title, q.expr)
	}
	tested := firing(t)
	for _, a := range alerts {
		switch {
		case answered[a.Expr]:
			t.Logf("data       alert %s", a.Name)
		case tested[a.Name]:
			t.Logf("rule test  alert %s", a.Name)
		default:
			t.Errorf("alert %s: no data here, and no rule test in which it fires", a.Name)
		}
	}
}

// hasData tells whether a query is answered with a number.
func hasData(t *testing.T, p *prometheus.Server, expr string) bool {
	t.Helper()
	samples, err := p.Query(t.Context(), expr)
	must(t, err)
	for _, s := range samples {
		if !math.IsNaN(s.Value) {
			return true
		}
	}
	return false
}

// scraped is a Prometheus over two forwarders that have some of everything: acceptances, refusals, dead letters, a record
// that waits, a lot that is refused, and the drains of a replica that comes and goes.
func scraped(t *testing.T) *prometheus.Server {
	t.Helper()
	binary, err := stage.Built("FORWARDER", "forwarder")
	must(t, err)
	dir := t.TempDir()
	s, err := stage.Open(binary, dir, "secret")
	must(t, err)
	t.Cleanup(s.Close)
	s.Platform.Script(func(r *platform.Request) *platform.Reply {
		if r.Params["park_uuid"] == "refused" || strings.HasPrefix(r.Params["flow_no"], "never") {
			code := platform.CodeForbidden
			if r.Params["park_uuid"] != "refused" {
				code = platform.CodeError
			}
			return &platform.Reply{Status: http.StatusForbidden, Body: platform.Body{Code: code}.String()}
		}
		return nil
	})
	p, err := prometheus.Start(t.Context(), dir, "")
	must(t, err)
	t.Cleanup(p.Kill)
	start := func(name string) *stage.Forwarder {
		f, err := s.Start(name, map[string]string{"KAFKA_SESSION_TIMEOUT": "3s", "KAFKA_HEARTBEAT_INTERVAL": "500ms", "KAFKA_REBALANCE_TIMEOUT": "5s"})
		must(t, err)
		return f
	}
	one := start("one")
	must(t, p.Scrape(one.Target()))
	must(t, process.Until(t.Context(), patience, func() error { return s.Settled(t.Context(), one) }))
	flow(t, s)
	for i := range 2 { // each coming and each going makes the first one drain
		two := start(fmt.Sprintf("two-%d", i))
		must(t, p.Scrape(one.Target(), two.Target()))
		must(t, process.Until(t.Context(), patience, func() error { return shares(t, one, two) }))
		if !two.Stop(patience) {
			t.Fatalf("%s did not stop", two.Name)
		}
		must(t, p.Scrape(one.Target()))
		must(t, process.Until(t.Context(), patience, func() error { return holdsAll(t, one) }))
		must(t, process.Until(t.Context(), patience, func() error { // a rate is known from the second on
			if !hasData(t, p, "release_forwarder_drain_seconds_count") {
				return errors.New("Prometheus has not scraped a drain")
			}
			return nil
		}))
	}
	return p
}

// flow sends events until the test ends.
func flow(t *testing.T, s *stage.Stage) {
	done := make(chan struct{})
	ctx := t.Context()
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			lot, flow, plate := "lot-1", fmt.Sprintf("flow-%d", i), `"粤B12345"`
			switch i % 20 {
			case 3:
				plate = "null" // cannot be mapped
			case 7:
				lot = "refused"
			case 11:
				flow = "never-" + flow
			}
			value := fmt.Sprintf(`{"park_uuid":%q,"flow_no":%q,"parking_serial":"s-%d","plate":%s}`, lot, flow, i, plate)
			_ = s.Send(ctx, &kgo.Record{Topic: stage.Topic, Partition: int32(i % stage.Partitions), Value: []byte(value)})
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { <-done })
}

func shares(t *testing.T, forwarders ...*stage.Forwarder) error {
	for _, f := range forwarders {
		s, err := f.Status(t.Context())
		if err != nil {
			return err
		}
		if n := len(s.Partitions); n == 0 || n == stage.Partitions {
			return fmt.Errorf("%s holds %d partitions", f.Name, n)
		}
	}
	return nil
}

func holdsAll(t *testing.T, f *stage.Forwarder) error {
	s, err := f.Status(t.Context())
	if err == nil && len(s.Partitions) != stage.Partitions {
		err = fmt.Errorf("%s holds %d partitions", f.Name, len(s.Partitions))
	}
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
