package simulation

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

// observer judges a run by what reached Kafka and the platform, and by nothing
// that the service says. It is told at the moment at which something arrives;
// it polls nothing. P1 to P9 are the guarantees of docs/explanation/guarantees.md.
type observer struct {
	cluster *atomic.Pointer[kfake.Cluster]
	plan    *schedule
	began   time.Time
	counted dropCounts
	hosts   map[string]*host // by IP address; complete before a host sends

	mu          sync.Mutex
	parts, more []*log // of the event topic, and of the second one
	flows       map[string]*record
	open        map[string]*acceptance // by connection: accepted, the answer not read yet
	deadLetters map[int32]*post        // by partition of the dead-letter topic: under way
	receipts    map[int32]*post        // by partition of the receipts' topic: under way
	trouble     []trouble
	eras        []era
	owners      map[int32]ownership // by partition, in the consumer protocol
	story       []string
	// deadLettersGone is the fault that has taken the dead-letter topic away.
	deadLettersGone *fault
	broken          []string // guarantees, in words
	// refusedLots are those that the platform has refused, alone.
	refusedLots map[int]bool
	lives       map[string]time.Time // when each member of the group was last heard of
	commits     int
	// mixed says that a replica of another version has been in the group: what
	// only the metadata tells may repeat (P8), nothing else.
	mixed      bool
	repeats    int
	requests   int
	goroutines int // in the process, at most
}

// host is a replica as seen from outside.
type host struct {
	number  int
	address string
	killed  time.Time // zero: it was not
	stopped time.Time // told to stop
	// gaveUp is what was under way on connections that it closed, for each.
	gaveUp [][]byte
	came   map[string]bool // the metadata of commits that came late
	fair   time.Time       // since when nothing has been wrong with its way to the platform
	foul   bool            // something is wrong with it now
	open   func() (open, asked int)
	// By outage: the records that were tried, as many as open the circuit; when the
	// last of these was; and how many requests there were some time later.
	tried  map[*fault]map[string]bool
	since  map[*fault]time.Time // from when on they were tried
	met    map[*fault]time.Time
	probes map[*fault]int
}

// log is one partition of the events.
type log struct {
	records []*record
	below   int64                     // all records below are finished
	last    apptest.CommittedProgress // what is committed, as last seen; offset -1: nothing
	raw     string
	by      *host // who sent the commit that arrived last
	lives         // what became of the log itself
}

// record is one event and what became of it.
type record struct {
	spec
	partition int32
	offset    int64
	before    *record // of the same order key
	accepted  []*acceptance
	written   []time.Time // dead letters that are in the topic
	receipt   bool        // one is in its topic
	covered   time.Time   // when a commit that says it is finished was taken
	givenUp   bool        // with its lot, which the platform refuses
	light     int         // how often faults that pick single requests have hit it
	gone      bool        // it stands in no log any more
}

// finished also is what a profile ignores: from the start, as nothing is owed to it.
func (r *record) finished() bool {
	return len(r.accepted) > 0 || len(r.written) > 0 || r.nature == ignored
}

func (r *record) String() string { return r.flow(r.partition, r.offset) }

// acceptance is an answer 1001 that the platform decided.
type acceptance struct {
	at, read time.Time // read: when the answer reached the replica; zero: never
	by       *host
}

// trouble is a time in which Kafka, or a host's way to it, was disturbed: what
// was accepted then may not have been committed, and may come again.
type trouble struct {
	host     *host // nil: all
	from, to time.Time
}

// era is the time from a generation's first SyncGroup on.
type era struct {
	generation int32
	from       time.Time
	senders    map[int32]*host // by partition
}

// ownership is whom the coordinator has assigned a partition to, and since when that was seen.
type ownership struct {
	host  *host
	since time.Time
}

func newObserver(c *atomic.Pointer[kfake.Cluster], plan *schedule) *observer {
	o := &observer{
		cluster: c, plan: plan, began: time.Now(), hosts: map[string]*host{},
		flows: map[string]*record{}, open: map[string]*acceptance{}, deadLetters: map[int32]*post{}, receipts: map[int32]*post{}, lives: map[string]time.Time{}, refusedLots: map[int]bool{},
		owners: map[int32]ownership{},
	}
	o.add(plan.partitions)
	for range plan.more {
		o.more = append(o.more, newLog())
	}
	return o
}

func (o *observer) add(partitions int32) {
	for range partitions {
		o.parts = append(o.parts, newLog())
	}
}

func newLog() *log { return &log{last: apptest.CommittedProgress{Offset: -1}} }

// say adds a line to the story. The mutex is held.
func (o *observer) say(format string, args ...any) {
	o.story = append(o.story, fmt.Sprintf("%9.3fs  ", time.Since(o.began).Seconds())+fmt.Sprintf(format, args...))
}

// tell is say for those who do not hold the mutex.
func (o *observer) tell(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.say(format, args...)
}

// breach notes a broken promise. The mutex is held.
func (o *observer) breach(promise, format string, args ...any) {
	o.say("BROKEN "+promise+": "+format, args...)
	if len(o.broken) < 20 {
		o.broken = append(o.broken, o.story[len(o.story)-1])
	}
}

// expect registers events before they are produced: the next of a partition.
func (o *observer) expect(b burst) (values []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.log(b.partition)
	for _, e := range b.events {
		e.life = l.life
		r := &record{spec: e, partition: b.partition, offset: int64(len(l.records))}
		for _, earlier := range slices.Backward(l.records) {
			if earlier.orderKey == r.orderKey {
				r.before = earlier
				break
			}
		}
		l.records = append(l.records, r)
		o.flows[r.String()] = r
		values = append(values, e.value(r.partition, r.offset))
	}
	l.finish()
	o.say("%d events are produced to partition %d, from offset %d", len(b.events), b.partition, len(l.records)-len(b.events))
	return values
}

func (l *log) finish() {
	for l.below < int64(len(l.records)) && l.records[l.below].finished() {
		l.below++
	}
}

// disturbed tells whether Kafka was, for a host (nil: for any), at some time
// between two.
func (o *observer) disturbed(h *host, from, to time.Time) bool {
	for _, t := range o.trouble {
		if (h == nil || t.host == nil || t.host == h) && t.from.Before(to) && (t.to.IsZero() || t.to.Add(aftermath).After(from)) {
			return true
		}
	}
	return false
}

// aftermath is how long a disturbance is felt: a commit that was under way is
// given up after ten seconds, another member's session ends.
const aftermath = 15 * time.Second

// trouble notes that Kafka is disturbed from now until the returned function is
// called, for one host or, with nil, for all.
func (o *observer) disturb(h *host) (over func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.trouble = append(o.trouble, trouble{host: h, from: time.Now()})
	n := len(o.trouble) - 1
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.trouble[n].to = time.Now()
	}
}

// mostGoroutines bounds those of everything in the process: the runs played at
// once, each with its brokers, the platform and up to mostMembers replicas and those
// that went before them, at the largest limit of requests in flight. An outage of
// hours sends more requests than that: none may leave something behind.
const mostGoroutines = players * 1000

// asked is called when a request has arrived at the platform, before anything is
// decided: by whom, and when its first byte was written.
func (o *observer) asked(r *platform.Request) *record {
	from, sent := origin(r)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests++
	h := o.hosts[from]
	rec := o.flows[r.Params["flow_no"]]
	if rec == nil || h == nil {
		o.breach("P2", "the platform got %q from %s, which nobody produced", r.Params["flow_no"], from)
		return nil
	}
	switch rec.nature {
	case spoilt:
		o.breach("P5", "%s cannot be mapped and was sent", rec)
	case ignored:
		o.breach("P5", "%s is ignored by a profile and was sent", rec)
	}
	o.settle()
	n := runtime.NumGoroutine()
	if o.goroutines = max(o.goroutines, n); n > mostGoroutines {
		o.breach("P6", "%d goroutines, the limit for all replicas is %d", n, mostGoroutines)
	}
	for b := rec.before; b != nil; b = b.before {
		if !b.finished() && !b.gone {
			o.breach("P3", "%s was sent while %s of the same order key is not finished", rec, b)
			break
		}
	}
	// A request may have been on its way when the record was covered; one that
	// began long after must not have been.
	if !o.mixed && !rec.covered.IsZero() && sent.Sub(rec.covered) > o.plan.tuning.timeout+sessionTime {
		o.breach("P4", "%s was sent at %s by replica %d although the commit has said since %s that it is finished",
			rec, o.at(sent), h.number, o.at(rec.covered))
	}
	fair := !h.foul && time.Since(h.fair) > o.plan.tuning.timeout+time.Second
	for i := len(o.eras) - 1; i >= 0 && fair; i-- {
		e := &o.eras[i]
		if sent.Before(e.from) {
			continue
		}
		if sent.Equal(e.from) {
			break // who was first is not known
		}
		switch by := e.senders[rec.partition]; by {
		case nil:
			e.senders[rec.partition] = h
		case h:
		default:
			o.breach("P2", "in generation %d of the group partition %d was sent from by replicas %d and %d: one of them had lost it",
				e.generation, rec.partition, by.number, h.number)
		}
		break
	}
	o.noteOwners()
	if owner, known := o.owners[rec.partition]; known && fair && owner.host != nil && owner.host != h && sent.After(owner.since) {
		o.breach("P2", "partition %d was sent from by replica %d at %s although it has been replica %d's since %s",
			rec.partition, h.number, o.at(sent), owner.host.number, o.at(owner.since))
	}
	if h.open != nil {
		if open, asked := h.open(); asked > o.plan.tuning.maxInFlight || open > 2*o.plan.tuning.maxInFlight+4 {
			o.breach("P6", "replica %d has %d connections to the platform, %d with a request, the limit is %d", h.number, open, asked, o.plan.tuning.maxInFlight)
		}
	}
	return rec
}

// answered is called when the platform has decided, before its answer is
// written.
func (o *observer) answered(r platform.Request) {
	if r.Code != platform.CodeAccepted || r.Scripted {
		return
	}
	from, sent := origin(&r)
	o.mu.Lock()
	defer o.mu.Unlock()
	h, rec := o.hosts[from], o.flows[r.Params["flow_no"]]
	if rec == nil || h == nil {
		return
	}
	a := &acceptance{at: time.Now(), by: h}
	if len(rec.accepted) > 0 || len(rec.written) > 0 {
		o.repeated(rec, a, sent)
	}
	rec.accepted = append(rec.accepted, a)
	connection, _, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/")
	o.open[connection] = a
	o.log(rec.partition).finish()
}

// repeated judges an acceptance of what was finished before.
func (o *observer) repeated(rec *record, again *acceptance, sent time.Time) {
	o.repeats++
	for _, a := range rec.accepted {
		if o.mixed {
			break
		}
		if a.read.IsZero() || !a.read.Before(sent) {
			continue // its answer never came, or not before this was sent
		}
		k := a.by.killed
		killedSoon := !k.IsZero() && k.Before(sent) && k.Sub(a.read) <= o.plan.tuning.commit+commitTime
		if killedSoon || o.disturbed(a.by, a.read, sent) {
			continue
		}
		o.breach("P4", "%s is repeated by replica %d: replica %d read its acceptance at %s, was not killed within a commit interval and Kafka was well",
			rec, again.by.number, a.by.number, o.at(a.read))
		return
	}
	o.say("%s is repeated by replica %d", rec, again.by.number)
}

// commitTime is what a commit takes, beside the interval, where Kafka is well.
const commitTime = 250 * time.Millisecond

// gaveUp is called when a replica closes a connection of which a request is under way.
func (o *observer) gaveUp(h *host, underWay []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	h.gaveUp = append(h.gaveUp, underWay)
	if h.came == nil {
		h.came = map[string]bool{}
	}
}

// late tells whether a commit is one that the replica had given up with its connection,
// by its metadata, which is bound to the offset. Such a one may take effect after the next,
// as connections are not ordered, and once.
func (h *host) late(metadata string) bool {
	if h == nil || metadata == "" || h.came == nil {
		return false
	}
	gaveUp := slices.ContainsFunc(h.gaveUp, func(underWay []byte) bool { return bytes.Contains(underWay, []byte(metadata)) })
	again := h.came[metadata]
	h.came[metadata] = true
	return gaveUp && !again
}

// delivered is called when a replica has read something on a connection.
func (o *observer) delivered(connection string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if a := o.open[connection]; a != nil {
		a.read = time.Now()
		delete(o.open, connection)
	}
}

// left is called when a replica has gone away from a request that was not
// answered: a drain must wait for it (P4).
func (o *observer) left(from string, sent time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	h := o.hosts[from]
	if h == nil || h.stopped.IsZero() || !h.killed.IsZero() || h.foul {
		return
	}
	now := time.Now()
	early := now.Sub(h.stopped) < drainTime && now.Sub(sent) < o.plan.tuning.timeout && now.Sub(h.fair) > aftermath
	if early && !o.disturbed(h, h.stopped.Add(-aftermath), now) {
		o.breach("P4", "replica %d cut a request %s after it was told to stop, the drain's limit is %s", h.number, now.Sub(h.stopped), drainTime)
	}
}

func (o *observer) at(t time.Time) string { return fmt.Sprintf("%.3fs", t.Sub(o.began).Seconds()) }

// origin reads what [labelled] wrote into a request's path.
func origin(r *platform.Request) (address string, sent time.Time) {
	var n int64
	parts := strings.Split(r.Path, "/")
	if len(parts) < 3 {
		return "", time.Time{}
	}
	fmt.Sscan(parts[2], &n)
	address, _, _ = net.SplitHostPort(parts[1])
	return address, time.Unix(0, n)
}
