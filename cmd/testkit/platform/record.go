package platform

import (
	"maps"
	"net/http"
	"strconv"
	"time"
)

// Request is the record of one request.
type Request struct {
	// Seq numbers requests from 1, in order of arrival (the body was read).
	Seq int
	// At is the time of arrival.
	At time.Time
	// Params are the parameters, decoded; not to be changed. Empty where the
	// body could not be read.
	Params map[string]string
	// Attempt counts the requests that brought this lot's flow number, from 1.
	Attempt int
	// Code is the code answered; "" while undecided, for an answer without a
	// readable code, and for a request that was hung or whose client left.
	Code string
	// Scripted says that the script gave the answer, not the normal path.
	Scripted bool
	// Repeat says that the normal path had accepted the flow number before.
	Repeat bool
	// Seqno is the number that the normal path's answer carries.
	Seqno string
	// Proto, ContentType, Path and Query are the request's, as it came.
	Proto, ContentType, Path, Query string
}

// Flow is what the platform knows a record by: a flow number of a lot.
type Flow struct{ Lot, No string }

// Flow is the flow number that the request brought.
func (r *Request) Flow() Flow { return Flow{Lot: r.Params["park_uuid"], No: r.Params["flow_no"]} }

// Tally counts the requests of one flow number.
type Tally struct {
	// Received counts all requests that brought it.
	Received int
	// Accepted counts those that the normal path answered 1001: every one
	// above 1 is a repeat.
	Accepted int
}

// Stats are counts since the double was made.
type Stats struct {
	// Received counts requests, of whatever kind.
	Received int
	// Accepted counts distinct flow numbers that the normal path accepted.
	Accepted int
	// Repeated counts accepted requests of a flow number accepted before.
	Repeated int
	// Refused counts the normal path's other answers, by code.
	Refused map[string]int
	// Scripted counts answers of the script, by code ("" where unreadable).
	Scripted map[string]int
	// Unanswered counts requests that were hung or whose client left.
	Unanswered int
	// InFlight is how many requests are open now, MaxInFlight the most there
	// were at once.
	InFlight, MaxInFlight int
}

// records is the double's memory. Its methods are called with Double.mu held.
type records struct {
	keep int // as Config.KeepRequests
	// requests are the remembered ones in order of arrival; up to twice keep,
	// so that dropping the older half is seldom and cheap.
	requests []*Request
	flows    flows
	stats    Stats
}

func newRecords(cfg Config) records {
	return records{
		keep:  cfg.KeepRequests,
		flows: flows{keep: cfg.KeepFlows, young: map[Flow]*Tally{}},
		stats: Stats{Refused: map[string]int{}, Scripted: map[string]int{}},
	}
}

// remember appends a request within the bound.
func (m *records) remember(req *Request) {
	if m.keep < 0 {
		return
	}
	if m.keep > 0 && len(m.requests) >= 2*m.keep {
		m.requests = append([]*Request(nil), m.requests[m.keep:]...)
	}
	m.requests = append(m.requests, req)
}

// flows counts per flow number, in two generations so that a bound costs
// nothing per request: when the young one is full the old one is dropped.
type flows struct {
	keep       int // as Config.KeepFlows
	young, old map[Flow]*Tally
}

// at returns the flow's tally, made if it is new.
func (f *flows) at(flow Flow) *Tally {
	if t := f.young[flow]; t != nil {
		return t
	}
	t := f.old[flow]
	if t == nil {
		t = &Tally{}
	}
	if f.keep > 0 && len(f.young) >= f.keep {
		f.young, f.old = make(map[Flow]*Tally, f.keep), f.young
	}
	f.young[flow] = t
	return t
}

// arrive records a request as open.
func (d *Double) arrive(r *http.Request, params map[string]string) *Request {
	req := &Request{
		Params: params, Proto: r.Proto, ContentType: r.Header.Get("Content-Type"), Path: r.URL.Path, Query: r.URL.RawQuery,
	}
	flow := req.Flow()
	d.mu.Lock()
	defer d.mu.Unlock()
	m := &d.records
	m.stats.Received++
	m.stats.InFlight++
	m.stats.MaxInFlight = max(m.stats.MaxInFlight, m.stats.InFlight)
	req.Seq, req.At = m.stats.Received, d.cfg.Now()
	req.Seqno = strconv.FormatUint(0xabc6c253<<32+uint64(req.Seq), 16)
	if flow != (Flow{}) {
		t := m.flows.at(flow)
		t.Received++
		req.Attempt = t.Received
	}
	m.remember(req)
	return req
}

// leave ends a request's being open.
func (d *Double) leave() {
	d.mu.Lock()
	d.records.stats.InFlight--
	d.mu.Unlock()
}

// answered records what was decided; from here on the request's record does
// not change.
func (d *Double) answered(req *Request, a answer) {
	d.mu.Lock()
	req.Code, req.Scripted = a.code, a.scripted
	m := &d.records
	switch {
	case a.scripted:
		m.stats.Scripted[a.code]++
	case a.code == "":
		m.stats.Unanswered++
	case a.code == CodeAccepted:
		t := m.flows.at(req.Flow())
		t.Accepted++
		if req.Repeat = t.Accepted > 1; req.Repeat {
			m.stats.Repeated++
		} else {
			m.stats.Accepted++
		}
	default:
		m.stats.Refused[a.code]++
	}
	done := *req
	d.mu.Unlock()
	if d.cfg.OnAnswer != nil {
		d.cfg.OnAnswer(done)
	}
}

// Requests returns the remembered requests in order of arrival, those still
// open included.
func (d *Double) Requests() []Request {
	return d.filter(func(*Request) bool { return true })
}

// Accepted returns the remembered requests that the normal path answered 1001,
// repeats and lost answers included, in order of arrival.
func (d *Double) Accepted() []Request {
	return d.filter(func(r *Request) bool { return r.Code == CodeAccepted && !r.Scripted })
}

func (d *Double) filter(keep func(*Request) bool) []Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []Request
	for _, r := range d.records.requests {
		if keep(r) {
			out = append(out, *r)
		}
	}
	return out
}

// Tallies returns the counts of every remembered flow number.
func (d *Double) Tallies() map[Flow]Tally {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[Flow]Tally, len(d.records.flows.young)+len(d.records.flows.old))
	for _, generation := range []map[Flow]*Tally{d.records.flows.old, d.records.flows.young} {
		for flow, t := range generation {
			out[flow] = *t
		}
	}
	return out
}

// Tally returns the counts of one flow number; zero where it is not known.
func (d *Double) Tally(flow Flow) Tally {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, generation := range []map[Flow]*Tally{d.records.flows.young, d.records.flows.old} {
		if t := generation[flow]; t != nil {
			return *t
		}
	}
	return Tally{}
}

// Stats returns the counts; the maps in it are the caller's.
func (d *Double) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.records.stats
	s.Refused, s.Scripted = maps.Clone(s.Refused), maps.Clone(s.Scripted)
	return s
}
