// Package drill provokes on real forwarders what an operator may be woken by, and finds out which alert would fire, after
// how long, and where the cause is named. docs/development/drill.md is what it found.
package drill

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"proof/stage"
	"release-forwarder/cmd/testkit/prometheus"
)

const (
	root     = "../../../.."
	page     = root + "/docs/development/drill.md"
	patience = 90 * time.Second
)

var update = flag.Bool("update", false, "write the table of docs/development/drill.md anew")

// drill is one trouble being provoked.
type drill struct {
	*stage.Stage
	t          *testing.T
	prometheus *prometheus.Server
	one, two   *stage.Forwarder

	mu      sync.Mutex
	old     time.Duration // guarded by mu, as all below: how old the events are
	spoilt  bool          // some events cannot be mapped
	stopped bool
}

// found is what came of a trouble.
type found struct {
	trouble trouble
	after   map[string]time.Duration // from its beginning until an alert's expression was true
	says    string                   // the banner's sentence
}

// windows are the ranges of the two alerts that want to see that nothing went well for minutes; the drill has them shortened, and
// adds the difference to what it measured.
var windows = map[string]struct{ shipped, here string }{
	"ReleaseForwarderSecretRefused": {"5m", "15s"},
	"ReleaseForwarderCommitsFail":   {"10m", "15s"},
}

// shortened are the alerts with the windows of the drill.
func shortened(t *testing.T, alerts []prometheus.Alert) (all []prometheus.Alert) {
	for _, a := range alerts {
		if w, slow := windows[a.Name]; slow {
			if strings.Count(a.Expr, "["+w.shipped+"]") != 2 {
				t.Fatalf("%s has not the window %s: %s", a.Name, w.shipped, a.Expr)
			}
			a.Expr = strings.ReplaceAll(a.Expr, "["+w.shipped+"]", "["+w.here+"]")
		}
		all = append(all, a)
	}
	return all
}

// lengthened adds what the window of an alert was shortened by.
func lengthened(alert string, after time.Duration) time.Duration {
	w, slow := windows[alert]
	if !slow {
		return after
	}
	shipped, _ := time.ParseDuration(w.shipped)
	here, _ := time.ParseDuration(w.here)
	return after + shipped - here
}

func TestEachTroubleRaisesItsAlertAndIsNamed(t *testing.T) {
	alerts, err := prometheus.Alerts(root)
	must(t, err)
	var rows []found
	for _, trouble := range troubles {
		t.Run(trouble.name, func(t *testing.T) { rows = append(rows, provoked(t, trouble, shortened(t, alerts))) })
	}
	if *update && !t.Failed() {
		write(t, rows, alerts)
	}
}

// provoked brings a trouble about among forwarders that are well, and returns what it raised.
func provoked(t *testing.T, trouble trouble, alerts []prometheus.Alert) found {
	d := open(t, trouble, alerts)
	if firing := d.firing(); len(firing) > 0 {
		t.Fatalf("before anything was provoked: %v", firing)
	}
	begun := time.Now()
	trouble.provoke(d)
	f := found{trouble: trouble, after: map[string]time.Duration{}}
	d.until(func() error {
		for _, name := range d.firing() {
			if _, known := f.after[name]; !known {
				f.after[name] = time.Since(begun)
			}
		}
		for _, name := range trouble.alerts {
			if _, fires := f.after[name]; !fires {
				return fmt.Errorf("%s is not true; %v are", name, f.after)
			}
		}
		return nil
	})
	d.until(func() error { return d.named(trouble, &f) })
	t.Logf("%s: %v, %q", trouble.name, f.after, f.says)
	return f
}

// open starts a stage with forwarders that are well, and events that flow.
func open(t *testing.T, trouble trouble, alerts []prometheus.Alert) *drill {
	binary, err := stage.Built("FORWARDER", "forwarder")
	must(t, err)
	dir := t.TempDir()
	d := &drill{t: t}
	d.Stage, err = stage.Open(binary, dir, "secret")
	must(t, err)
	t.Cleanup(d.Close)
	d.prometheus, err = prometheus.Start(t.Context(), dir, prometheus.Rules(alerts))
	must(t, err)
	t.Cleanup(d.prometheus.Kill)
	d.one, err = d.Start("one", trouble.settings)
	must(t, err)
	must(t, d.prometheus.Scrape(d.one.Target()))
	flowing := make(chan struct{})
	go func() { defer close(flowing); d.flow() }()
	t.Cleanup(func() {
		d.mu.Lock()
		d.stopped = true
		d.mu.Unlock()
		<-flowing
	})
	d.until(func() error { // well, scraped, and with acceptances behind it
		samples, err := d.prometheus.Query(t.Context(), "rate(release_forwarder_records_accepted_total[10s]) > 0")
		if err == nil && len(samples) == 0 {
			err = fmt.Errorf("no acceptance has been scraped")
		}
		return err
	})
	d.until(func() error { return d.one.Condition(t.Context(), "well") })
	d.until(func() error {
		if firing := d.firing(); len(firing) > 0 {
			return fmt.Errorf("%v", firing)
		}
		return nil
	})
	return d
}

// flow sends twenty events a second until it is stopped.
func (d *drill) flow() {
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for i := 0; ; i++ {
		d.mu.Lock()
		old, spoilt, stopped := d.old, d.spoilt, d.stopped
		d.mu.Unlock()
		if stopped {
			return
		}
		_ = d.Send(d.t.Context(), event(i, time.Now().Add(-old), spoilt)) // while the broker is gone none comes
		<-pace.C
	}
}

// spoil makes every fifth event one that cannot be mapped.
func (d *drill) spoil() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spoilt = true
}

// age makes events come late by that much.
func (d *drill) age(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.old = by
}

// other is a second replica, which shares the partitions.
func (d *drill) other() *stage.Forwarder {
	d.t.Helper()
	var err error
	d.two, err = d.Start("two", nil)
	d.must(err)
	d.must(d.prometheus.Scrape(d.one.Target(), d.two.Target()))
	d.until(func() error {
		s, err := d.two.Status(d.t.Context())
		if err == nil && len(s.Partitions) == 0 {
			err = fmt.Errorf("two holds no partition")
		}
		return err
	})
	return d.two
}

// firing lists the alerts whose expressions are true.
func (d *drill) firing() (names []string) {
	d.t.Helper()
	samples, err := d.prometheus.Query(d.t.Context(), `ALERTS{alertstate="firing"}`)
	d.must(err)
	for _, s := range samples {
		names = append(names, s.Labels["alertname"])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// named is nil where the banner is the one that the trouble should have, and the line that names the cause stands where a
// person looks.
func (d *drill) named(trouble trouble, f *found) error {
	ctx := d.t.Context()
	s, err := d.one.Status(ctx)
	if err != nil {
		return err
	}
	f.says = s.State
	if trouble.condition != "" && s.Condition != trouble.condition {
		return fmt.Errorf("the banner says %s: %s", s.Condition, s.State)
	}
	var all strings.Builder
	for _, path := range []string{"/status.json", "/readyz"} {
		text, err := d.one.Get(ctx, path, "en")
		if err != nil {
			return err
		}
		all.WriteString(text)
	}
	log, err := d.one.Written()
	if err != nil {
		return err
	}
	if !strings.Contains(all.String()+log, trouble.line) {
		return fmt.Errorf("nothing says %s", trouble.line)
	}
	return nil
}

func (d *drill) until(ask func() error) {
	d.t.Helper()
	must(d.t, stage.Until(d.t.Context(), patience, ask))
}

func (d *drill) must(err error) {
	d.t.Helper()
	must(d.t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write puts the table between the marks of the page.
func write(t *testing.T, rows []found, alerts []prometheus.Alert) {
	var table bytes.Buffer
	fmt.Fprintf(&table, "%s, %s/%s, %d cores.\n\n", time.Now().UTC().Format(time.DateOnly), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	table.WriteString("| trouble | alert | true after | and for | fires after | runbook | the banner says | the cause stands in |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, row := range rows {
		names := slices.Clone(row.trouble.alerts)
		for _, also := range slices.Sorted(maps.Keys(row.after)) {
			if !slices.Contains(names, also) {
				names = append(names, also)
			}
		}
		for i, name := range names {
			a := alerts[slices.IndexFunc(alerts, func(a prometheus.Alert) bool { return a.Name == name })]
			after := lengthened(name, row.after[name]).Round(time.Second)
			trouble, says, where := row.trouble.name, row.says, row.trouble.where
			if i > 0 {
				trouble, says, where = "", "", ""
			}
			fmt.Fprintf(&table, "| %s | %s (%s) | %s | %s | %s | [%s](../../deployments/runbooks/%s.md) | %s | %s |\n", trouble, name, a.Severity,
				after, a.For, (after + a.For).Round(time.Second), a.Runbook, a.Runbook, says, where)
		}
	}
	text, err := os.ReadFile(page)
	must(t, err)
	begin, end := "<!-- measured:begin -->\n", "<!-- measured:end -->"
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the table", page)
	}
	must(t, os.WriteFile(page, []byte(before+begin+"\n"+table.String()+"\n"+end+after), 0o644))
}
