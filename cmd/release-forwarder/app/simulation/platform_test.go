package simulation

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"os"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/platform"
)

const hours = "outage for hours"

// platformKinds are the faults of the platform. Those that pick single requests
// (light) hit a record twice at most in all, so that chance alone spends no
// record's budget.
func platformKinds() []*kind {
	second := time.Second
	return []*kind{
		scripted("platform refuses some", 4, second, 15*second, light(3, func(n uint64) *platform.Reply {
			return []*platform.Reply{{Status: 500, Body: `{"code":"500"}`}, {Body: `{"code":"503"}`}, {Status: 502, Body: "<html>"}}[n%3]
		})),
		scripted("platform stalls", 4, second, 10*second, light(3, func(n uint64) *platform.Reply {
			if n%2 == 0 {
				return &platform.Reply{Hang: true}
			}
			return &platform.Reply{Delay: time.Duration(n%4000)*time.Millisecond + time.Duration(n%997)*time.Microsecond}
		})),
		scripted("platform answers garbage", 4, second, 10*second, light(3, func(n uint64) *platform.Reply {
			return []*platform.Reply{
				{Body: `{"code":"1001"} trailing`}, {Body: `{"code":"10`}, {Cut: true, Body: `{"code":"1001"`}, {Status: 204},
				{Body: `[{"code":"1001"}]`}, {Body: `{"code":1001.0}`}, {Body: `{"code":"1002"}`}, {Status: 302, Header: http.Header{"Location": {"http://127.0.0.1:80/x"}}},
				{Body: `{"code":"1001","code":"500"}`},
			}[n%9]
		})),
		scripted("platform's answer lost", 5, second, 15*second, light(2, func(uint64) *platform.Reply { return &platform.Reply{Lose: true} })),
		scripted("platform throttles", 3, second, 8*second, func(_ *fault, _ *platform.Request, n uint64) *platform.Reply {
			if n%3 > 0 {
				return nil
			}
			return &platform.Reply{Status: 429, Header: http.Header{"Retry-After": {fmt.Sprint(n / 3 % 3)}}}
		}),
		scripted("outage", 4, 8*second, 30*second, down),
		scripted(hours, 1, time.Hour, 2*time.Hour, down),
		scripted("brown-out", 4, 8*second, 30*second, func(_ *fault, _ *platform.Request, n uint64) *platform.Reply {
			if n%10 == 0 {
				return nil
			}
			return &platform.Reply{Status: 500, Body: `{"code":"500"}`, Delay: 20 * time.Millisecond}
		}),
		scripted("one lot refused", 4, 3*second, 20*second, func(f *fault, r *platform.Request, _ uint64) *platform.Reply {
			if r.Params["park_uuid"] != fmt.Sprintf("lot-%d", f.a%5) {
				return nil
			}
			return &platform.Reply{Body: []string{`{"code":"401","hint":"x"}`, `{"code":"403"}`}[f.b%2]}
		}),
		{name: "secret changed", weight: 3, least: second, most: 10 * second, begin: changeSecret},
		{name: "dead letters' topic missing", weight: 3, least: 3 * second, most: 30 * second, early: true, begin: loseDeadLetterTopic},
	}
}

// down answers everybody as a platform that cannot do its work.
func down(f *fault, _ *platform.Request, _ uint64) *platform.Reply {
	return []*platform.Reply{
		{Status: 500, Body: `{"code":"500"}`}, {Hang: true}, {Cut: true}, {Status: 502, Body: "<html>"}, {Body: `{"code":"401","hint":"plate"}`},
	}[f.a%5]
}

// answer is a platform's fault while it lasts; n is drawn for this request.
type answer func(f *fault, r *platform.Request, n uint64) *platform.Reply

func scripted(name string, weight int, least, most time.Duration, reply answer) *kind {
	return &kind{name: name, weight: weight, least: least, most: most, begin: func(s *simulation, f *fault) func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.scripts[f] = reply
		return func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.scripts, f)
		}
	}}
}

// light picks one request in so many, and no record more than twice.
func light(oneIn uint64, reply func(n uint64) *platform.Reply) answer {
	return func(_ *fault, r *platform.Request, n uint64) *platform.Reply {
		if n%oneIn != 0 {
			return nil
		}
		return reply(n / oneIn)
	}
}

// isLight tells the faults that pick single requests.
func isLight(f *fault) bool {
	switch f.kind.name {
	case "platform refuses some", "platform stalls", "platform answers garbage", "platform's answer lost":
		return true
	}
	return false
}

// script answers for the platform: what the event's nature says, then whatever
// faults there are, in the order of the schedule.
func (s *simulation) script(r *platform.Request) *platform.Reply {
	rec := s.observer.asked(r)
	if rec == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.plan.faults {
		drawn := s.scripts[f]
		if drawn == nil || isLight(f) && rec.light >= 2 {
			continue
		}
		// Drawn from what the request is, not from the order of requests, so
		// that a replay meets the same faults as far as it can.
		h := fnv.New64a()
		fmt.Fprint(h, f.a, f.b, rec.String(), r.Attempt)
		if answer := drawn(f, r, h.Sum64()); answer != nil {
			if isLight(f) {
				rec.light++
			}
			f.hit(1)
			switch f.kind.name {
			case "one lot refused":
				s.observer.refuses(rec.lot)
			case "outage", "outage for hours":
				s.observer.probed(f, r)
			}
			reply := *answer
			if reply.Lose {
				reply.Delay = s.plan.tuning.answer
			}
			return s.natural(rec, reply)
		}
	}
	return s.natural(rec, platform.Reply{Delay: s.plan.tuning.answer + time.Duration(rec.offset%7)*time.Millisecond})
}

// refuses notes that the platform refuses a lot.
func (o *observer) refuses(lot int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refusedLots[lot] = true
}

// probed counts the requests of a replica in an outage: once its circuit has
// opened there is about one a second. It takes circuitRecords different records
// of one generation: a replica with fewer has their backoffs alone.
func (o *observer) probed(f *fault, r *platform.Request) {
	from, _ := origin(r)
	o.mu.Lock()
	defer o.mu.Unlock()
	h := o.hosts[from]
	if h == nil {
		return
	}
	if h.probes == nil {
		h.probes, h.met, h.since, h.tried = map[*fault]int{}, map[*fault]time.Time{}, map[*fault]time.Time{}, map[*fault]map[string]bool{}
	}
	// A generation's end cuts requests, which are no failures.
	if n := len(o.eras); n > 0 && o.eras[n-1].from.After(h.since[f]) && (h.met[f].IsZero() || o.eras[n-1].from.Before(h.met[f].Add(outageNoticed))) {
		h.tried[f], h.since[f], h.met[f] = nil, time.Now(), time.Time{}
	}
	if h.tried[f] == nil {
		h.tried[f] = map[string]bool{}
	}
	if len(h.tried[f]) < circuitRecords {
		h.tried[f][r.Params["flow_no"]] = true
		if len(h.tried[f]) < circuitRecords {
			return
		}
		h.met[f] = time.Now()
	}
	since := time.Since(h.met[f]) - outageNoticed
	if since < 0 {
		return
	}
	h.probes[f]++
	if n, most := h.probes[f], 20+4*int(since.Seconds()); n == most+1 {
		o.breach("pace", "replica %d sent %d requests in %s of outage", h.number, n, since)
	}
}

// circuitRecords is how many different records' failures open the circuit.
const circuitRecords = 5

// outageNoticed is how long after the first request of the last of them a replica's
// circuit has opened: requests wait for their time-out, and for quick retries.
const outageNoticed = 6 * time.Second

// natural is an answer that a fault has left to the event's nature, late perhaps
// or lost. The mutex is held.
func (s *simulation) natural(rec *record, reply platform.Reply) *platform.Reply {
	if reply.Status != 0 || reply.Body != "" || reply.Hang || reply.Cut {
		return &reply
	}
	switch {
	case rec.nature == refused:
		reply.Status, reply.Body = 400, `{"code":"400"}`
	case rec.nature == poison && !s.healed: // later nothing new comes that could prove that it is to blame
		reply.Status, reply.Body = 500, `{"code":"500"}`
	default:
		return &reply
	}
	if reply.Lose {
		reply.Lose, reply.Cut, reply.Status, reply.Body = false, true, 0, ""
	}
	return &reply
}

// changeSecret changes the secret at the platform; the service's file follows
// when the fault is over.
func changeSecret(s *simulation, f *fault) func() {
	s.mu.Lock()
	s.secret, s.secretChanged = fmt.Sprintf("secret-%d", f.a), f
	s.platform.SetSecret(s.secret)
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := os.WriteFile(s.secretFile, []byte(s.secret), 0o600); err != nil {
			s.observer.fail("the secret's file: %v", err)
		}
	}
}

// loseDeadLetterTopic makes the dead-letter topic missing from the start; a dead
// letter that is in it is never taken away.
func loseDeadLetterTopic(s *simulation, f *fault) func() {
	o := s.observer
	o.mu.Lock()
	o.settle()
	used := len(o.deadLetters) > 0
	for _, p := range s.cluster.Load().PartitionInfos(apptest.DeadLetterTopic) {
		used = used || p.HighWatermark > 0
	}
	if !used {
		o.deadLettersGone = f
	}
	o.mu.Unlock()
	if used || s.cluster.Load().DeleteTopic(apptest.DeadLetterTopic) != nil {
		return nil
	}
	over := o.disturb(nil)
	return func() {
		if err := s.cluster.Load().CreateTopic(apptest.DeadLetterTopic, deadLetterPartitions, nil); err != nil {
			o.fail("the dead-letter topic: %v", err)
		}
		over()
	}
}
