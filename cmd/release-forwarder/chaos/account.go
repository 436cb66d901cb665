package main

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"time"

	"release-forwarder/consumer"
)

// records are what a run left behind, all of it from others than the forwarders.
type records struct {
	cluster string // the cluster's ID
	log     []entry
	acked   map[string]bool
	flows   map[string]*visits
	commits map[int32][]sighting
	letters int
	faults  []injected
	rate    int
}

// account is the verdict.
type account struct {
	Records, Accepted int
	Lost              int // in the log and never accepted
	LostByKafka       int // acknowledged and not in the log
	Unknown           int // accepted and not in the log
	Letters           int
	Ahead             int // commits ahead of an acceptance
	AheadBeyond       int // metadata that told of an acceptance too early
	MetadataIgnored   int // commits with metadata that nobody can read
	Fallen            int // commits that fell and stayed down
	Disorder          int // records sent before the one before in their session was accepted
	Repeats           int // acceptances after the first
	Unexplained       int // repeats that no fault explains
	Late              int // repeats of what a commit had told as done: requests in flight
	LateBound         int
	KillExcess        int            // kills that alone explain more repeats than a commit interval holds
	ByKind            map[kind]*toll // what each kind of fault cost
	Notes             []string       // the first of each violation, in words
	Delays            []time.Duration
	Gaps              int // commits seen that told of something done beyond the watermark
}

// toll is what a kind of fault cost.
type toll struct {
	Injected, Repeats, Worst int // Worst: repeats of one fault
	Recoveries               []time.Duration
}

// Times of the account.
const (
	// slack is what a loaded machine adds to a commit interval: the commit's own
	// way, and the poll that sees it.
	slack = 1500 * time.Millisecond
	// coordination is how long after a broker's return the group may still be
	// unable to commit: the coordinator loads, members are told and join.
	coordination = sessionTimeout + rebalanceTimeout
	// standing is how long a lower commit must be seen to count as fallen: a
	// coordinator that was frozen answers once from what it remembers.
	standing = 3 * time.Second
)

// reach is the time in which an acceptance can be repeated because of the fault.
func (f injected) reach() (from, to time.Time) {
	from = f.begun.Add(-commitInterval - slack)
	switch f.Kind {
	case killForwarder:
		return from, f.begun.Add(slack)
	case killBroker, pauseBroker, cutBroker:
		return from, f.healed.Add(coordination)
	default:
		return from, f.healed.Add(platformTimeout + slack)
	}
}

// settle judges what a run left behind.
func settle(r records) *account {
	a := &account{Records: len(r.log), Letters: r.letters, ByKind: map[kind]*toll{}}
	for _, f := range r.faults {
		a.toll(f.Kind).Injected++
		if f.Kind != killForwarder && f.Kind != killBroker {
			a.LateBound += inFlight
		}
	}
	parts := byPartition(r.log)
	a.acceptances(r)
	for partition, entries := range parts {
		a.judgeCommits(r, partition, entries)
	}
	a.order(r)
	a.repeats(r, parts)
	a.recoveries(r, parts)
	slices.Sort(a.Delays)
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

// accepted is when the flow was first accepted; false if never.
func (r *records) accepted(flow string) (time.Time, bool) {
	if v := r.flows[flow]; v != nil && len(v.accepts) > 0 {
		return v.accepts[0], true
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

// judgeCommits looks at every commit that was seen: what it told must have been
// accepted by then.
func (a *account) judgeCommits(r records, partition int32, entries []entry) {
	below := func(offset int64) int {
		return sort.Search(len(entries), func(i int) bool { return entries[i].offset >= offset })
	}
	checked, highest, fellAt := 0, int64(-1), time.Time{}
	for _, s := range r.commits[partition] {
		upto := below(s.offset)
		for ; checked < upto; checked++ {
			if at, ok := r.accepted(entries[checked].flow); !ok || at.After(s.at) {
				a.note(&a.Ahead, "commit %d of partition %d, seen %s, is ahead of offset %d", s.offset, partition, clock(s.at), entries[checked].offset)
			}
		}
		p := consumer.ParseProgress(r.cluster, eventTopic, partition, s.offset, s.metadata)
		if p.Ignored {
			a.note(&a.MetadataIgnored, "the metadata of commit %d of partition %d cannot be read", s.offset, partition)
		}
		if len(p.Done) > 0 {
			a.Gaps++
		}
		for _, run := range p.Done {
			for _, e := range entries[below(run.First):below(run.Last+1)] {
				if at, ok := r.accepted(e.flow); !ok || at.After(s.at) {
					a.note(&a.AheadBeyond, "the metadata of commit %d of partition %d, seen %s, calls offset %d done", s.offset, partition, clock(s.at), e.offset)
				}
			}
		}
		if !fellAt.IsZero() && s.at.Sub(fellAt) >= standing {
			a.note(&a.Fallen, "the commit of partition %d fell from %d at %s", partition, highest, clock(fellAt))
			highest, fellAt = s.offset, time.Time{}
		}
		switch {
		case s.offset >= highest:
			highest, fellAt = s.offset, time.Time{}
		case fellAt.IsZero():
			fellAt = s.at
		}
	}
	if !fellAt.IsZero() {
		a.note(&a.Fallen, "the commit of partition %d fell from %d at %s, to the end", partition, highest, clock(fellAt))
	}
}

// order checks that no record was sent before the one before it in its session
// was accepted.
func (a *account) order(r records) {
	before := map[string]entry{}
	for _, e := range r.log { // in offset order within a partition, and so within a session
		previous, ok := before[e.session]
		before[e.session] = e
		v := r.flows[e.flow]
		if !ok || v == nil || len(v.arrivals) == 0 {
			continue
		}
		if at, accepted := r.accepted(previous.flow); !accepted || at.After(v.arrivals[0]) {
			a.note(&a.Disorder, "session %s: offset %d was sent before %d was accepted", e.session, e.offset, previous.offset)
		}
	}
}

// repeats holds every acceptance after the first against the faults.
func (a *account) repeats(r records, parts map[int32][]entry) {
	costs := make([]int, len(r.faults))
	alone := make([]int, len(r.faults)) // repeats that no other fault explains
	for partition, entries := range parts {
		told := tellings(r, partition, entries)
		for i, e := range entries {
			v := r.flows[e.flow]
			if v == nil {
				continue
			}
			for n := 1; n < len(v.accepts); n++ {
				a.Repeats++
				if arrived := arrival(v, v.accepts[n]); !told[i].IsZero() && arrived.After(told[i].Add(slack)) {
					a.Late++
				}
				causes := explain(r.faults, v.accepts[n-1], v.accepts[n])
				if len(causes) == 0 {
					a.note(&a.Unexplained, "partition %d offset %d: accepted %s and again %s, and no fault explains it",
						e.partition, e.offset, clock(v.accepts[n-1]), clock(v.accepts[n]))
					continue
				}
				costs[causes[len(causes)-1]]++
				if len(causes) == 1 {
					alone[causes[0]]++
				}
			}
		}
	}
	if a.Late > a.LateBound {
		a.Notes = append(a.Notes, fmt.Sprintf("%d repeats of what a commit had told as done; requests in flight explain %d", a.Late, a.LateBound))
	}
	bound := inFlight + int(float64(r.rate)*(commitInterval+slack).Seconds())
	for i, f := range r.faults {
		t := a.toll(f.Kind)
		t.Repeats += costs[i]
		t.Worst = max(t.Worst, costs[i])
		if f.Kind == killForwarder && alone[i] > bound {
			a.note(&a.KillExcess, "the kill at %s alone explains %d repeats, more than in flight and a commit interval hold (%d)", clock(f.begun), alone[i], bound)
		}
	}
}

// tellings gives for each entry when a commit was first seen that told it done;
// zero if none did.
func tellings(r records, partition int32, entries []entry) []time.Time {
	told := make([]time.Time, len(entries))
	from := func(offset int64) int {
		return sort.Search(len(entries), func(i int) bool { return entries[i].offset >= offset })
	}
	tell := func(first, end int, at time.Time) {
		for i := first; i < end; i++ {
			if told[i].IsZero() {
				told[i] = at
			}
		}
	}
	next := 0
	for _, s := range r.commits[partition] {
		if upto := from(s.offset); upto > next {
			tell(next, upto, s.at)
			next = upto
		}
		for _, run := range consumer.ParseProgress(r.cluster, eventTopic, partition, s.offset, s.metadata).Done {
			tell(from(run.First), from(run.Last+1), s.at)
		}
	}
	return told
}

// arrival is when the request arrived that was accepted at a time: the last
// before it.
func arrival(v *visits, accepted time.Time) time.Time {
	at := v.arrivals[0]
	for _, t := range v.arrivals {
		if !t.After(accepted) {
			at = t
		}
	}
	return at
}

// explain gives the faults that explain a repeat, by number.
func explain(faults []injected, first, again time.Time) (causes []int) {
	for i, f := range faults {
		if from, to := f.reach(); !first.Before(from) && !first.After(to) && !again.Before(f.begun) {
			causes = append(causes, i)
		}
	}
	return causes
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
		{a.Letters, "dead letters"}, {a.Ahead, "commits ahead of an acceptance"}, {a.AheadBeyond, "records told done before they were accepted"},
		{a.MetadataIgnored, "commits with metadata that cannot be read"}, {a.Fallen, "commits that fell"}, {a.Disorder, "records sent out of order"},
		{a.Unexplained, "repeats that no fault explains"}, {max(0, a.Late-a.LateBound), "repeats of what a commit had told as done, beyond what was in flight"},
		{a.KillExcess, "kills with more repeats than in flight and a commit interval hold"},
	} {
		if v.n > 0 {
			said = append(said, fmt.Sprintf("%d %s", v.n, v.what))
		}
	}
	return said
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
