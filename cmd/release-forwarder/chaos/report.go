package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// run is what the report tells beside the account.
type run struct {
	seed    uint64
	length  time.Duration
	kafka   string
	rate    int
	settled time.Duration // from the last fault's end to lag 0
	polls   int
	commits int // different ones seen
}

// required are how many faults of each family two minutes must hold.
var required = []struct {
	what  string
	kinds []kind
	least int
}{{"kills", kills, 5}, {"pauses", pauses, 2}, {"cuts", cuts, 2}}

// tooFew tells of families that were injected less often than a run of its length
// must.
func tooFew(a *account, length time.Duration) (said []string) {
	for _, family := range required {
		if n := a.injected(family.kinds); length >= 2*time.Minute && n < family.least {
			said = append(said, fmt.Sprintf("%d %s were injected, at least %d belong to a run of this length", n, family.what, family.least))
		}
	}
	return said
}

func (a *account) injected(kinds []kind) (n int) {
	for _, k := range kinds {
		n += a.toll(k).Injected
	}
	return n
}

// write prints the report.
func (r *run) write(out io.Writer, a *account) {
	p := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	p("chaos: Kafka %s, %d brokers, %d forwarders, %d events/s, %s, seed %d", r.kafka, replicas, replicas, r.rate, r.length, r.seed)
	p("")
	p("%-40s %8s %8s %8s %10s %10s", "fault", "injected", "repeats", "worst", "recovery", "slowest")
	for _, k := range slices.Concat(kills, pauses, cuts) {
		t := a.toll(k)
		p("%-40s %8d %8d %8d %10s %10s", k, t.Injected, t.Repeats, t.Worst, seconds(median(t.Recoveries)), seconds(last(t.Recoveries)))
	}
	p("%-40s %8d kills, %d pauses, %d cuts", "all", a.injected(kills), a.injected(pauses), a.injected(cuts))
	p("")
	p("%-40s %8d", "records in the log", a.Records)
	p("%-40s %8d", "accepted", a.Accepted)
	p("%-40s %8d", "lost", a.Lost)
	p("%-40s %8d", "dead letters", a.Letters)
	p("%-40s %8d", "commits ahead of an acceptance", a.Ahead+a.AheadBeyond)
	p("%-40s %8d of which %d told of something done beyond the watermark", "commits seen, in "+fmt.Sprint(r.polls)+" polls", r.commits, a.Gaps)
	p("%-40s %8d", "commits fallen", a.Fallen)
	p("%-40s %8d", "sent out of order", a.Disorder)
	p("%-40s %8d (%.2f%%), unexplained %d; of what a commit had told %d, in flight explains %d", "repeats",
		a.Repeats, 100*float64(a.Repeats)/float64(max(1, a.Records)), a.Unexplained, a.Late, a.LateBound)
	p("%-40s %8s median, %s at 99%%, %s at most", "produced to accepted", seconds(median(a.Delays)), seconds(at(a.Delays, 99)), seconds(last(a.Delays)))
	p("%-40s %8s after the last fault", "lag 0", seconds(r.settled))
	p("")
	p("recovery: from the fault's beginning until every partition had a record accepted that was produced after it")
	for _, n := range a.Notes {
		p("! %s", n)
	}
}

func at(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

// median and last sort what they are given.
func median(d []time.Duration) time.Duration { slices.Sort(d); return at(d, 50) }
func last(d []time.Duration) time.Duration   { slices.Sort(d); return at(d, 100) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }
