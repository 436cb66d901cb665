package simulation

import (
	"cmp"
	"crypto/sha256"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/settings"
)

var (
	simulateSeed   = flag.Uint64("simulate.seed", 0, "play this seed alone, with its story")
	simulateTimes  = flag.Int("simulate.times", 1, "with -simulate.seed: how many times")
	simulateLog    = flag.Bool("simulate.log", false, "with -simulate.seed: the replicas' logs too")
	simulateSeeds  = flag.Int("simulate.seeds", 60, "how many seeds TestSimulation plays")
	simulateFrom   = flag.Uint64("simulate.from", 1, "the first of them")
	simulateSteady = flag.Bool("simulate.steady", false, "with -simulate.seed: a digest of the story too, to see how alike runs are")
	simulateLedger = flag.String("simulate.ledger", "", "append what TestSimulation did to this file, and print it")
	simulateCommit = flag.String("simulate.commit", "unknown", "what the ledger calls the code")
	simulateOnly   = flag.String("simulate.mistake", "", "look for the deliberate mistakes with this in their names alone; with -simulate.seed: play the first of them")
	simulateStarts = flag.Int("simulate.starts", 1, "from how many first seeds each deliberate mistake is looked for")
)

const (
	// leastHits is how often every kind of fault must have hit a request in
	// flight for a run of all seeds to count.
	leastHits = 20
	// players is how many seeds are played at once.
	players = 2
)

// simulated gives the settings that all runs share.
func simulated(t *testing.T) settings.Settings {
	t.Helper()
	for name, value := range map[string]string{
		"KAFKA_BROKERS": "localhost:1", "KAFKA_TOPIC": apptest.EventTopic, "KAFKA_GROUP_ID": apptest.Group,
		"UPSTREAM_URL": "http://127.0.0.1:80/gate", "UPSTREAM_APP_SECRET": apptest.Secret, "ADMIN_ADDR": "none", "OTEL_SDK_DISABLED": "true", "LOG_LEVEL": "error",
	} {
		t.Setenv(name, value)
	}
	if *simulateLog {
		t.Setenv("LOG_LEVEL", "debug")
	}
	s, _, err := settings.Load()
	if err != nil {
		t.Fatal(err)
	}
	return *s
}

// The seeds of every run of the tests: no promise is broken, every kind of fault
// has hit often enough, and the canary is found.
func TestSimulation(t *testing.T) {
	base := simulated(t)
	if *simulateSeed != 0 {
		replaySeed(t, base)
		return
	}
	r := newReport()
	var next atomic.Int64
	t.Run("seeds", func(t *testing.T) {
		for range players {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1); i <= int64(*simulateSeeds); i = next.Add(1) {
					out := simulate(t, base, draw(*simulateFrom+uint64(i)-1), nil, nil)
					r.add(&out)
					if len(out.broken) > 0 {
						t.Errorf("%s\n%s", out.verdict(), out.tell())
					}
				}
			})
		}
	})
	if out := simulate(t, base, draw(canarySeed), canary(), nil); len(out.broken) == 0 {
		t.Errorf("the canary, seed %d with %q, was not found: the observer is blind", canarySeed, canary().name)
	}
	t.Log(r)
	if *simulateSeeds >= 300 {
		r.demand(t)
	}
	if *simulateLedger != "" {
		r.append(t, *simulateLedger)
	}
}

// The canary is a seed made to fail: a service that commits a millisecond early.
const canarySeed = 1

func canary() *mistake { return earlyCommit() }

// mistakeSeeds are those among which a deliberate mistake must be found. Some show only where three rare
// things come together.
const mistakeSeeds = 2000

// Every deliberate mistake is found by seeds as TestSimulation plays them.
func TestSimulationFindsEveryMistake(t *testing.T) {
	base := simulated(t)
	all := slices.DeleteFunc(mistakes(), func(m *mistake) bool { return !strings.Contains(m.name, *simulateOnly) })
	found := make([][]int, len(all)) // seeds to find it, by start
	how := make([]string, len(all))
	var next atomic.Int64
	t.Run("mistakes", func(t *testing.T) {
		for range players {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
					for start := range *simulateStarts {
						n, promise := seek(t, base, all[i], uint64(start*31%300))
						if n == 0 {
							t.Errorf("%q is not found by any of %d seeds", all[i].name, mistakeSeeds)
							break
						}
						found[i], how[i] = append(found[i], n), promise
					}
				}
			})
		}
	})
	var table strings.Builder
	for i, m := range all {
		if slices.Sort(found[i]); len(found[i]) > 0 {
			fmt.Fprintf(&table, "| %s | %s | %d |\n", m.name, how[i], found[i][len(found[i])/2])
		}
	}
	t.Logf("%d deliberate mistakes; seeds to find each, the median of %d\n%s", len(all), *simulateStarts, &table)
}

// seek plays the seeds that may show a mistake, from a first one on, around, until one
// finds it; it returns how many it played, 0 for in vain, and what was found broken.
func seek(t *testing.T, base settings.Settings, m *mistake, first uint64) (n int, promise string) {
	for i := range uint64(mistakeSeeds) {
		seed := 1 + (first+i)%mistakeSeeds
		plan := draw(seed)
		if !m.worth(plan) {
			continue
		}
		n++
		out := simulate(t, base, plan, m, nil)
		if len(out.broken) == 0 || m.beside != nil && len(simulate(t, base, draw(seed), m.beside, nil).broken) > 0 {
			continue
		}
		_, promise, _ = strings.Cut(out.broken[0], "BROKEN ")
		promise, _, _ = strings.Cut(promise, ":")
		return n, promise
	}
	return 0, ""
}

// replaySeed plays one seed as often as asked, and tells of the first run that breaks
// something, or of the only one.
func replaySeed(t *testing.T, base settings.Settings) {
	var m *mistake
	if *simulateOnly != "" {
		all := mistakes()
		i := slices.IndexFunc(all, func(m *mistake) bool { return strings.Contains(m.name, *simulateOnly) })
		if i < 0 {
			t.Fatalf("no deliberate mistake has %q in its name", *simulateOnly)
		}
		m = all[i]
	}
	failed := 0
	for range *simulateTimes {
		logs := &apptest.LogBuffer{}
		out := simulate(t, base, draw(*simulateSeed), m, logs)
		if *simulateSteady {
			t.Logf("story %x, broken %x", sha256.Sum256([]byte(strings.Join(out.story, "\n"))), sha256.Sum256([]byte(strings.Join(out.broken, "\n"))))
		}
		if len(out.broken) > 0 {
			failed++
		}
		if len(out.broken) > 0 && failed == 1 || *simulateTimes == 1 {
			t.Log(out.tell())
			if *simulateLog {
				t.Log(logs.String())
			}
		}
	}
	if failed > 0 {
		t.Errorf("seed %d broke a promise in %d of %d runs", *simulateSeed, failed, *simulateTimes)
	}
}

// verdict says what a run broke and how to play it again.
func (o *outcome) verdict() string {
	return fmt.Sprintf("seed %d broke a promise:\n%s\nplay it again, with its story and the replicas' logs:\n"+
		"  make replay SEED=%d\n(the scheduler is not part of the seed: TIMES=100 plays it as often)",
		o.seed, strings.Join(o.broken, "\n"), o.seed)
}

// tell is the story of a run.
func (o *outcome) tell() string {
	return fmt.Sprintf("the story of seed %d, %s:\n%s", o.seed, o.virtual, strings.Join(o.story, "\n"))
}

// report is what many runs showed together.
type report struct {
	began time.Time

	mu                         sync.Mutex
	seeds, failed, twoAtOnce   int
	events, requests, repeated int
	goroutines                 int // at most
	virtual                    time.Duration
	hits                       map[string]int
}

func newReport() *report { return &report{began: time.Now(), hits: map[string]int{}} }

func (r *report) add(o *outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seeds++
	if len(o.broken) > 0 {
		r.failed++
	}
	if o.twoAtOnce {
		r.twoAtOnce++
	}
	r.events += o.events
	r.requests += o.requests
	r.repeated += o.repeated
	r.goroutines = max(r.goroutines, o.goroutines)
	r.virtual += o.virtual
	for name, n := range o.hits {
		r.hits[name] += n
	}
}

// demand fails a run whose faults did not bite.
func (r *report) demand(t *testing.T) {
	for _, k := range kinds {
		if r.hits[k.name] < leastHits {
			t.Errorf("%q hit %d requests in flight, want %d at least", k.name, r.hits[k.name], leastHits)
		}
	}
	if 3*r.twoAtOnce < r.seeds {
		t.Errorf("%d of %d seeds had two faults at once, want a third at least", r.twoAtOnce, r.seeds)
	}
}

func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d seeds (%d broke a promise), %.1f hours of virtual time in %s; %d events, %d requests, %d repeated, %d goroutines at most; %d seeds with two faults at once",
		r.seeds, r.failed, r.virtual.Hours(), time.Since(r.began).Round(time.Second), r.events, r.requests, r.repeated, r.goroutines, r.twoAtOnce)
	byHits := slices.SortedFunc(slices.Values(kinds), func(a, b *kind) int { return cmp.Compare(r.hits[b.name], r.hits[a.name]) })
	for _, k := range byHits {
		fmt.Fprintf(&b, "\n%8d  %s", r.hits[k.name], k.name)
	}
	return b.String()
}
