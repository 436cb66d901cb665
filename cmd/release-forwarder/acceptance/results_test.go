package acceptance

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// outcome is a scenario's result on one backend, as the table shows it.
type outcome struct {
	Verdict string  // ok, FAILED, or "not here"
	Why     string  `json:",omitempty"` // for "not here"
	Seconds float64 `json:",omitempty"`
}

func (o outcome) String() string {
	switch {
	case o.Verdict == "":
		return "-"
	case o.Why != "":
		return "not here: " + o.Why
	}
	return fmt.Sprintf("%s %.1fs", o.Verdict, o.Seconds)
}

// record gathers the outcomes of this run.
type record struct {
	mu       sync.Mutex
	outcomes map[string]outcome // guarded by mu
}

var results = record{outcomes: map[string]outcome{}}

func (r *record) set(name string, o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes[name] = o
}

func (r *record) leaveOut(name, why string) { r.set(name, outcome{Verdict: "not here", Why: why}) }

func (r *record) leftOut(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outcomes[name].Verdict == "not here"
}

// watch notes the outcome of a scenario when it ends.
func (r *record) watch(t *testing.T, name string) {
	start := time.Now()
	t.Cleanup(func() {
		verdict := "ok"
		if t.Failed() {
			verdict = "FAILED"
		}
		r.set(name, outcome{Verdict: verdict, Seconds: time.Since(start).Seconds()})
	})
}

// finishResults leaves this run's outcomes in the results' directory, over the
// older ones of the same backend, and prints the table of all backends, into
// table.txt too: go test shows what a test prints only where it is asked to.
func finishResults(w io.Writer) error {
	dir, err := resultsDir()
	if err != nil {
		return err
	}
	backends, err := readResults(dir)
	if err != nil {
		return err
	}
	own := backends[kafka.name()]
	if own == nil {
		own = map[string]outcome{}
		backends[kafka.name()] = own
	}
	maps.Copy(own, results.outcomes)
	text, err := json.MarshalIndent(own, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, kafka.name()+".json"), text, 0o644); err != nil {
		return err
	}
	table, err := os.Create(filepath.Join(dir, "table.txt"))
	if err != nil {
		return err
	}
	defer table.Close()
	return printResults(io.MultiWriter(w, table), backends)
}

// resultsDir is where results are left; it is made if missing.
func resultsDir() (string, error) {
	dir := os.Getenv("ACCEPTANCE_RESULTS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(cache, "release-forwarder", "acceptance")
	}
	return dir, os.MkdirAll(dir, 0o755)
}

func readResults(dir string) (map[string]map[string]outcome, error) {
	backends := map[string]map[string]outcome{}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var own map[string]outcome
		if err := json.Unmarshal(text, &own); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		backends[strings.TrimSuffix(filepath.Base(file), ".json")] = own
	}
	return backends, nil
}

func printResults(w io.Writer, backends map[string]map[string]outcome) error {
	names := slices.Sorted(maps.Keys(backends))
	if i := slices.Index(names, "kfake"); i > 0 { // the one everybody runs comes first
		names = slices.Insert(slices.Delete(names, i, i+1), 0, "kfake")
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\nscenario\t%s\n", strings.Join(names, "\t"))
	for _, s := range scenarios() {
		row := s.name
		for _, name := range names {
			row += "\t" + backends[name][s.name].String()
		}
		fmt.Fprintln(table, row)
	}
	return table.Flush()
}
