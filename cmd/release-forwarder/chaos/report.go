package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// run is what the report says besides the account.
type run struct {
	options
	kafka   string
	settled time.Duration // from the load's end to lag 0
}

// required are how many faults of each family two minutes must hold.
var required = []struct {
	what  string
	kinds []kind
	least int
}{{"kills", kills, 5}, {"pauses", pauses, 2}, {"cuts", cuts, 2}}

// tooFew reports the families that were injected less often than a run of its length must.
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
	p("chaos: Kafka %s, %d brokers, %d forwarders, %d events/s, %s, a fault every %s, protocol %s, receipts %s, seed %d",
		r.kafka, replicas, replicas, r.rate, r.length, r.every, r.protocol, r.receipts, r.seed)
	p("")
	p("%-40s %8s %8s %8s %10s %10s", "fault", "injected", "repeats", "worst", "recovery", "slowest")
	for _, k := range slices.Concat(kills, pauses, cuts, []kind{assigning}) {
		t := a.toll(k)
		p("%-40s %8d %8d %8d %10s %10s", k, t.Injected, t.Repeats, t.Worst, seconds(median(t.Recoveries)), seconds(last(t.Recoveries)))
	}
	p("%-40s %8d kills, %d pauses, %d cuts", "all", a.injected(kills), a.injected(pauses), a.injected(cuts))
	p("")
	line := func(what string, n int) { p("%-40s %8d", what, n) }
	line("records in the log", a.Records)
	line("accepted", a.Accepted)
	line("lost", a.Lost)
	line("dead letters", a.DeadLetters)
	line("sent out of order", a.Disorder)
	line("commits in Kafka's log", a.Commits)
	line("  that reported more than the watermark", a.Gaps)
	line("  ahead of an acceptance", a.Ahead+a.AheadBeyond)
	line("  below the one before", a.Fallen)
	line("repeats", a.Repeats)
	line("  that P4 allows for these faults", a.Allowed)
	line("  that no fault explains", a.Unexplained)
	line("  of what a commit had reported", a.Late)
	line("    that requests on their way explain", a.LateBound)
	line("receipts", a.Receipts)
	line("  of events", a.Receipted)
	line("  of no event, or of what is not so", a.FalseReceipts)
	line("accepted events without a receipt", a.Unreceipted)
	line("  that the forwarders counted", a.CountedMissing)
	line("  that they should have had", a.NotCounted)
	line("commits ahead of a required receipt", a.AheadOfReceipt)
	p("%-40s %8s median, %s at 99%%, %s at most", "produced to accepted", seconds(median(a.Delays)), seconds(at(a.Delays, 99)), seconds(last(a.Delays)))
	p("%-40s %8s median, %s at 99%%, %s at most", "accepted to committed", seconds(median(a.Unreported)), seconds(at(a.Unreported, 99)), seconds(last(a.Unreported)))
	p("%-40s %8s after the load's end", "lag 0", seconds(r.settled))
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
