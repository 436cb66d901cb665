package lanes

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"time"
)

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Event is one record for the topic, and the truth it was made from.
type Event struct {
	// Key, Value and Headers are the record's. A nil Key or Value is null.
	Key, Value []byte
	Headers    []Header

	// Lot, Serial and Flow are park_uuid, parking_serial and flow_no; Flow is
	// unique within the lot. They are set even where the value was spoilt.
	Lot, Serial, Flow string
	// Want is what the platform must receive, by parameter, app_id and sign
	// left out; nil for an event that cannot be mapped.
	Want map[string]string
	// Reason is the reason for which the event must be dead-lettered; "" for
	// one that can be mapped. Defect says in words what is wrong with it.
	Reason, Defect string
}

// Config says what a street is like. The zero value is usable.
type Config struct {
	// Seed decides lots and events.
	Seed uint64
	// Lots is how many lots there are; 0 is 24.
	Lots int
	// Spoilt is the share of events that cannot be mapped, 0 to 1.
	Spoilt float64
	// Start is when the street opened. It is part of the flow numbers, so that
	// two runs against one platform do not repeat each other's.
	Start time.Time
}

// Street makes events. It is for one goroutine.
type Street struct {
	cfg  Config
	rng  *rand.Rand
	lots []*lot
	// open are the parkings with events still to come.
	open            []*parking
	flows, parkings int
}

// openAtOnce is how many parkings are under way together: the events of one
// lie that far apart, with others between them.
const openAtOnce = 40

// NewStreet returns a street of which nothing has been seen yet.
func NewStreet(cfg Config) *Street {
	cfg.Lots = cmp.Or(cfg.Lots, 24)
	s := &Street{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x9e3779b97f4a7c15))}
	for i := range cfg.Lots {
		s.lots = append(s.lots, newLot(i, s.rng))
	}
	return s
}

// Next returns the next event, operated at now.
func (s *Street) Next(now time.Time) Event {
	for len(s.open) < openAtOnce {
		s.parkings++
		s.open = append(s.open, newParking(s.lots[s.rng.IntN(len(s.lots))], s.parkings, now, s.rng))
	}
	at := s.rng.IntN(len(s.open))
	parking := s.open[at]
	s.flows++
	flow := fmt.Sprintf("FLOW%s-%07d", s.cfg.Start.In(china).Format("060102150405"), s.flows)
	o, want := parking.next(flow, now, s.rng)
	if parking.left == 0 {
		s.open[at] = s.open[len(s.open)-1]
		s.open = s.open[:len(s.open)-1]
	}
	e := Event{Lot: parking.lot.uuid, Serial: parking.serial, Flow: flow, Want: want}
	e.Key, e.Headers = s.key(parking), s.headers(parking.lot)
	if s.rng.Float64() < s.cfg.Spoilt {
		d := pickDefect(s.rng)
		e.Value, e.Reason = d.apply(o, now)
		e.Defect, e.Want = d.name, nil
		return e
	}
	e.Value = o.bytes()
	return e
}

func (s *Street) key(p *parking) []byte {
	switch p.lot.keys {
	case keyLot:
		return []byte(p.lot.uuid)
	case keyParking:
		return []byte(p.serial)
	case keyNone:
	}
	return nil
}

func (s *Street) headers(l *lot) []Header {
	var h []Header
	if l.traced {
		h = append(h, Header{"traceparent", []byte(newTraceparent(s.rng))})
	}
	if l.verbose {
		h = append(h, Header{"content-type", []byte("application/json; charset=utf-8")},
			Header{"controller", []byte(fmt.Sprintf("gate-%02d", l.number))}, Header{"empty", nil})
	}
	return h
}
