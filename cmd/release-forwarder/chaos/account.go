package main

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"time"

	"release-forwarder/consumer/progress"
)

// records are what a run left behind, all of it from others than the forwarders.
type records struct {
	cluster     string // the cluster's ID
	log         []entry
	acked       map[string]bool
	flows       map[string]*visits
	commits     map[int32][]commit
	deadLetters int
	faults      []injected

	asked    string    // of receipts, as the option -receipts
	receipts []receipt // all that were written
	missing  int       // that the forwarders counted as missing
}

// account is the verdict.
type account struct {
	Records, Accepted int
	Lost              int // in the log and never accepted
	LostByKafka       int // acknowledged and not in the log
	Unknown           int // accepted and not in the log
	DeadLetters       int
	Commits           int
	Gaps              int // commits that reported something done beyond the watermark
	Ahead             int // commits ahead of an acceptance
	AheadBeyond       int // metadata that reported an acceptance too early
	MetadataIgnored   int // commits with metadata that cannot be read
	Fallen            int // commits below the one before
	Behind            int // partitions whose last commit is not their end
	Disorder          int // records sent before the one before in their order key was accepted
	Repeats           int // acceptances after the first
	Allowed           int // the repeats that P4 allows for these faults
	Unexplained       int // repeats that no fault explains
	Late              int // repeats of what a commit had reported as done: requests in flight
	LateBound         int

	Receipts           int // written
	Receipted          int // events that have one
	FalseReceipts      int // of no event, or of what is not so
	Unreceipted        int // accepted events that have none
	CountedMissing     int // receipts that the forwarders counted as missing
	NotCounted         int // of Unreceipted, those that should have one, or be counted
	MissingButRequired int // counted as missing although receipts are required
	AheadOfReceipt     int // commits, or their metadata, ahead of a receipt that is required

	ByKind     map[kind]*toll  // what each kind of fault cost
	Notes      []string        // the first of each violation, in words
	Delays     []time.Duration // from produced to accepted
	Unreported []time.Duration // from accepted to the commit that reported it
}

// toll is what a kind of fault cost.
type toll struct {
	Injected, Repeats, Worst int // Worst: repeats of one fault
	Recoveries               []time.Duration
}

// settle judges what a run left behind.
func settle(r records) *account {
	// Filled as faults come.
	//exhaustive:ignore
	a := &account{Records: len(r.log), DeadLetters: r.deadLetters, ByKind: map[kind]*toll{}}
	for _, f := range r.faults {
		a.toll(f.Kind).Injected++
	}
	parts := byPartition(r.log)
	a.acceptances(r)
	receipted := a.receipted(r)
	for partition, entries := range parts {
		a.judgeCommits(r, partition, entries, receipted)
	}
	a.unreceipted(r, receipted)
	a.order(r)
	a.repeats(r, parts)
	a.recoveries(r, parts)
	slices.Sort(a.Delays)
	slices.Sort(a.Unreported)
	return a
}

func (a *account) toll(k kind) *toll {
	if a.ByKind[k] == nil {
		a.ByKind[k] = &toll{}
	}
	return a.ByKind[k]
}

// note counts a violation and keeps the first few in words.
func (a *account) note(count *int, format string, args ...any) {
	if *count++; *count <= 3 {
		a.Notes = append(a.Notes, fmt.Sprintf(format, args...))
	}
}

func byPartition(log []entry) map[int32][]entry {
	parts := map[int32][]entry{}
	for _, e := range log {
		parts[e.partition] = append(parts[e.partition], e)
	}
	for _, entries := range parts {
		slices.SortFunc(entries, func(x, y entry) int { return cmp.Compare(x.offset, y.offset) })
	}
	return parts
}

// below is how many entries of a partition stand below an offset.
func below(entries []entry, offset int64) int {
	return sort.Search(len(entries), func(i int) bool { return entries[i].offset >= offset })
}

// told is what a commit reports as done.
func (r *records) told(partition int32, c commit) progress.Told {
	return progress.Parse(progress.CommitKey{Cluster: r.cluster, Topic: eventTopic, Partition: partition, Offset: c.offset}, c.metadata)
}

// accepted is when the flow was first accepted; false if never.
func (r *records) accepted(flow string) (time.Time, bool) {
	if v := r.flows[flow]; v != nil && len(v.accepts) > 0 {
		return v.accepts[0].at, true
	}
	return time.Time{}, false
}

func (a *account) acceptances(r records) {
	inLog := map[string]bool{}
	for _, e := range r.log {
		inLog[e.flow] = true
		at, ok := r.accepted(e.flow)
		if !ok {
			a.note(&a.Lost, "lost: partition %d offset %d, produced %s", e.partition, e.offset, clock(e.produced))
			continue
		}
		a.Accepted++
		a.Delays = append(a.Delays, at.Sub(e.produced))
	}
	for flow := range r.acked {
		if !inLog[flow] {
			a.note(&a.LostByKafka, "Kafka acknowledged %s and has it no more", flow)
		}
	}
	for flow := range r.flows {
		if !inLog[flow] {
			a.note(&a.Unknown, "%s was sent and is not in the log", flow)
		}
	}
}

// judgeCommits checks every commit of a partition: what it reported must have been
// accepted by then, and have its receipt if that is required, and it must not be below the one before.
func (a *account) judgeCommits(r records, partition int32, entries []entry, receipted map[place]time.Time) {
	// late: the acceptance came after the commit, whose time is in milliseconds.
	late := func(e entry, c commit) bool {
		at, ok := r.accepted(e.flow)
		return !ok || !at.Before(c.at.Add(time.Millisecond))
	}
	// hasty: the same of a receipt that is required. One that Kafka never had is counted once, elsewhere.
	hasty := func(e entry, c commit) bool {
		at, has := receipted[place{e.partition, e.offset}]
		return r.asked == receiptsRequired && has && !at.Before(c.at.Add(time.Millisecond))
	}
	checked, highest := 0, int64(-1)
	for _, c := range r.commits[partition] {
		a.Commits++
		for upto := below(entries, c.offset); checked < upto; checked++ {
			if late(entries[checked], c) {
				a.note(&a.Ahead, "commit %d of partition %d, %s, is ahead of offset %d", c.offset, partition, clock(c.at), entries[checked].offset)
			}
			if hasty(entries[checked], c) {
				a.note(&a.AheadOfReceipt, "commit %d of partition %d, %s, is ahead of the receipt of offset %d", c.offset, partition, clock(c.at), entries[checked].offset)
			}
		}
		p := r.told(partition, c)
		if p.Ignored || p.AnotherTopic {
			a.note(&a.MetadataIgnored, "the metadata of commit %d of partition %d cannot be read", c.offset, partition)
		}
		if len(p.Done) > 0 {
			a.Gaps++
		}
		for _, run := range p.Done {
			for _, e := range entries[below(entries, run.First):below(entries, run.Last+1)] {
				if late(e, c) {
					a.note(&a.AheadBeyond, "the metadata of commit %d of partition %d, %s, calls offset %d done", c.offset, partition, clock(c.at), e.offset)
				}
				if hasty(e, c) {
					a.note(&a.AheadOfReceipt, "the metadata of commit %d of partition %d, %s, is ahead of the receipt of offset %d", c.offset, partition, clock(c.at), e.offset)
				}
			}
		}
		if c.offset < highest {
			a.note(&a.Fallen, "the commit of partition %d fell from %d to %d at %s", partition, highest, c.offset, clock(c.at))
		}
		highest = max(highest, c.offset)
	}
	if end := entries[len(entries)-1].offset + 1; highest != end {
		a.note(&a.Behind, "the last commit of partition %d is %d, its end %d", partition, highest, end)
	}
}

// order checks that no record was sent before the one before it in its order
// key was accepted.
func (a *account) order(r records) {
	before := map[string]entry{}
	for _, e := range r.log { // in offset order within a partition, and so within an order key
		previous, ok := before[e.orderKey]
		before[e.orderKey] = e
		v := r.flows[e.flow]
		if !ok || v == nil || len(v.arrivals) == 0 {
			continue
		}
		if at, accepted := r.accepted(previous.flow); !accepted || at.After(v.arrivals[0]) {
			a.note(&a.Disorder, "order key %s: offset %d was sent before %d was accepted", e.orderKey, e.offset, previous.offset)
		}
	}
}

// recoveries measures, for each fault, how long it took from its beginning until
// every partition had a record accepted that was produced after it.
func (a *account) recoveries(r records, parts map[int32][]entry) {
	type flowing struct {
		produced []time.Time
		accepted []time.Time // the earliest acceptance of any from here on
	}
	var all []flowing
	for _, entries := range parts {
		slices.SortFunc(entries, func(x, y entry) int { return x.produced.Compare(y.produced) })
		f := flowing{make([]time.Time, len(entries)), make([]time.Time, len(entries))}
		earliest := time.Time{}
		for i := len(entries) - 1; i >= 0; i-- {
			f.produced[i] = entries[i].produced
			if at, ok := r.accepted(entries[i].flow); ok && (earliest.IsZero() || at.Before(earliest)) {
				earliest = at
			}
			f.accepted[i] = earliest
		}
		all = append(all, f)
	}
	for _, fault := range r.faults {
		slowest := time.Duration(0)
		for _, f := range all {
			if i := sort.Search(len(f.produced), func(i int) bool { return !f.produced[i].Before(fault.begun) }); i < len(f.produced) {
				slowest = max(slowest, f.accepted[i].Sub(fault.begun))
			}
		}
		t := a.toll(fault.Kind)
		t.Recoveries = append(t.Recoveries, slowest)
	}
}

// violations are what must not be, in words; none means the run is good.
func (a *account) violations() []string {
	var said []string
	for _, v := range []struct {
		n    int
		what string
	}{
		{a.Lost, "records lost"}, {a.LostByKafka, "acknowledged records that Kafka lost"}, {a.Unknown, "records sent that are not in the log"},
		{a.DeadLetters, "dead letters"}, {a.Ahead, "commits ahead of an acceptance"}, {a.AheadBeyond, "records reported done before they were accepted"},
		{a.MetadataIgnored, "commits with metadata that cannot be read"}, {a.Fallen, "commits that fell"},
		{a.Behind, "partitions not committed to their end"}, {a.Disorder, "records sent out of order"},
		{a.Unexplained, "repeats that no fault explains"}, {max(0, a.Repeats-a.Unexplained-a.Allowed), "repeats more than P4 allows"},
		{a.FalseReceipts, "receipts of no event, or of what is not so"}, {a.NotCounted, "events without a receipt that nobody counted as missing"},
		{a.MissingButRequired, "receipts counted as missing although they are required"}, {a.AheadOfReceipt, "commits ahead of a receipt that is required"},
		{max(0, a.Late-a.LateBound), "repeats of what a commit had reported as done, beyond what was in flight"},
	} {
		if v.n > 0 {
			said = append(said, fmt.Sprintf("%d %s", v.n, v.what))
		}
	}
	return said
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
