package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"release-forwarder/consumer/membership"
)

// schedule is what happens to the service in one run. It is drawn from a seed
// and depends on nothing else.
type schedule struct {
	seed       uint64
	mapped     bool // by mappingFile
	partitions int32
	more       int32 // partitions of the second topic; 0: there is none
	replicas   int   // at the start
	protocol   membership.Protocol
	tuning     tuning
	events     []burst
	faults     []*fault // by their beginning
	length     time.Duration
	receipts   bool // they are written
	required   bool // RECEIPTS_REQUIRED
}

// tuning is the settings that vary from run to run.
type tuning struct {
	maxPending  int
	maxInFlight int
	commit      time.Duration
	budget      int
	timeout     time.Duration // one attempt at the platform
	answer      time.Duration // what the platform takes for an answer
}

// burst is events produced together to one partition.
type burst struct {
	at        time.Duration
	partition int32
	events    []spec
}

// nature says what becomes of an event if all goes well.
type nature byte

const (
	fine    nature = 'F' // accepted
	spoilt  nature = 'B' // cannot be mapped; its order key can be read
	refused nature = 'R' // the platform answers 400
	poison  nature = 'P' // the platform fails for this one alone, for ever
	ignored nature = 'I' // a profile of the mapping file says to ignore it; only in mapped runs
)

// mappingFile is that of mapped runs: the built-in contract, behind a profile that ignores entries.
const mappingFile = `profiles:
  - {name: entries, when: {value: {kind: entry}}, ignore: true}
  - name: releases
    fields: {park_uuid: {from: park_uuid}, flow_no: {from: flow_no}, parking_serial: {from: parking_serial}, plate: {from: plate}}
`

// unlisted is the lot that the lookup file of a mapped run lacks for half of its length.
func (s *schedule) unlisted() int { return int(s.seed / 2 % 5) }

// lots is a lookup file that lacks one of the lots, whose codes are their UUIDs.
func lots(missing int) []byte {
	text := "code,uuid\n"
	for lot := range 5 {
		if lot != missing {
			text += fmt.Sprintf("lot-%d,lot-%d\n", lot, lot)
		}
	}
	return []byte(text)
}

// spec is one event: its offset follows from the order of production, and its
// flow number tells it.
type spec struct {
	nature   nature
	lot      int
	orderKey int
	life     int // of its partition's log: how often that was cut or made anew before
}

func (s spec) flow(partition int32, offset int64) string {
	if s.life > 0 {
		return fmt.Sprintf("%c-%d-%d-%d", s.nature, partition, offset, s.life)
	}
	return fmt.Sprintf("%c-%d-%d", s.nature, partition, offset)
}

func (s spec) value(partition int32, offset int64) string {
	plate := fmt.Sprintf("粤B%05d", s.orderKey)
	if s.nature == spoilt {
		plate = "" // blank, so that a required field is missing
	}
	kind := ""
	if s.nature == ignored {
		kind = `,"kind":"entry"`
	}
	return fmt.Sprintf(`{"park_uuid":"lot-%d","flow_no":"%s","parking_serial":"S-%d-%d","plate":"%s"%s}`,
		s.lot, s.flow(partition, offset), partition, s.orderKey, plate, kind)
}

// fault is one entry of the schedule.
type fault struct {
	kind  *kind
	from  time.Duration
	lasts time.Duration
	a, b  uint64 // what else is up to chance; each kind makes its own of them

	// A mutex of its own: the brokers' loop counts hits, and the observer asks the
	// brokers with its own held.
	mu        sync.Mutex
	effective hits
}

// hits are the requests in flight that a fault hit.
type hits struct {
	n           int
	from, until time.Time
}

// hit notes that it hit requests in flight.
func (f *fault) hit(n int) {
	if n == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	h := &f.effective
	h.n += n
	h.until = time.Now()
	if h.from.IsZero() {
		h.from = h.until
	}
}

func (f *fault) seen() hits {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.effective
}

func (h hits) overlaps(g hits) bool {
	return h.n > 0 && g.n > 0 && !h.from.After(g.until) && !g.from.After(h.until)
}

func (f *fault) String() string {
	return fmt.Sprintf("%s (for %s, %d/%d)", f.kind.name, f.lasts.Round(time.Millisecond), f.a%1000, f.b%1000)
}

// draw makes a schedule of a seed.
func draw(seed uint64) *schedule {
	r := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	s := &schedule{
		seed:       seed,
		mapped:     seed%2 == 0,
		partitions: 1 + r.Int32N(4),
		replicas:   1 + r.IntN(4),
		length:     time.Duration(25+r.IntN(20)) * time.Second,
		tuning: tuning{
			maxPending:  []int{40, 200, 4096}[r.IntN(3)],
			maxInFlight: []int{2, 8, 32}[r.IntN(3)],
			commit:      []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}[r.IntN(3)],
			budget:      6,
			timeout:     2 * time.Second,
			answer:      []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, 400 * time.Millisecond}[r.IntN(3)],
		},
	}
	s.drawEvents(r)
	s.drawFaults(r)
	s.drawSecondTopic()
	s.drawReceipts()
	s.protocol = []membership.Protocol{membership.ProtocolClassic, membership.ProtocolConsumer}[r.IntN(2)]
	return s
}

// drawEvents spreads a few hundred events over the run; half of them at random
// moments, the rest in bursts, so that there is a backlog now and then.
func (s *schedule) drawEvents(r *rand.Rand) {
	next := make([]int, s.partitions) // order keys, never used again
	for range 30 + r.IntN(40) {
		b := burst{
			at:        time.Duration(r.Int64N(int64(s.length))),
			partition: r.Int32N(s.partitions),
		}
		orderKeys := 1 + r.IntN(4)
		for range 1 + r.IntN(8) {
			e := spec{nature: fine, orderKey: next[b.partition] + r.IntN(orderKeys)}
			e.lot = e.orderKey % 5
			switch n := r.IntN(100); {
			case n == 0 && s.mapped:
				e.nature = ignored
			case n < 3:
				e.nature = spoilt
			case n < 6:
				e.nature = refused
			case n == 6 && r.IntN(3) == 0:
				e.nature = poison
			}
			b.events = append(b.events, e)
		}
		if r.IntN(3) > 0 { // else some of the order keys go on in the next burst
			next[b.partition] += orderKeys
		}
		s.events = append(s.events, b)
	}
	slices.SortStableFunc(s.events, func(a, b burst) int { return int(a.at - b.at) })
}

// drawFaults draws four to eight faults, anywhere: they overlap as they like.
func (s *schedule) drawFaults(r *rand.Rand) {
	weights := 0
	for _, k := range kinds {
		weights += k.weight
	}
	for range 4 + r.IntN(5) {
		n := r.IntN(weights)
		i := 0
		for n >= kinds[i].weight {
			n -= kinds[i].weight
			i++
		}
		k := kinds[i]
		f := &fault{kind: k, a: r.Uint64(), b: r.Uint64()}
		f.lasts = k.least + time.Duration(r.Int64N(int64(k.most-k.least)+1))
		f.from = time.Duration(r.Int64N(int64(s.length)))
		if k.early && r.IntN(2) == 0 {
			f.from = time.Duration(r.Int64N(int64(500 * time.Millisecond)))
		}
		s.faults = append(s.faults, f)
	}
	slices.SortStableFunc(s.faults, func(a, b *fault) int { return int(a.from - b.from) })
}

// end is when the last fault is over.
func (s *schedule) end() time.Duration {
	end := s.length
	for _, f := range s.faults {
		end = max(end, f.from+f.lasts)
	}
	return end
}
