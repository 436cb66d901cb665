package faults

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"release-forwarder/cmd/testkit/platform"
)

// Player plays a schedule. [Player.Run] turns faults on and off as time goes,
// [Player.Reply] is the double's script.
type Player struct {
	announce func(string)

	mu sync.Mutex
	// edges are the beginnings and ends to come, guarded by mu as all below.
	edges []edge
	// on are the faults that hit every request now.
	on []Fault
	// armed counts, by kind, the new events still to be hit.
	armed map[Kind]int
	// marked are the events that a sticky fault stays with.
	marked map[platform.Flow]Kind
	// forbidden has the lot that each span of Forbid has picked.
	forbidden map[Fault]string
	// hits counts requests hit, by kind.
	hits map[Kind]int
	// stopped: nothing more is hit.
	stopped bool
}

// edge is a beginning or an end of a fault.
type edge struct {
	at    time.Duration // from the start of play
	begin bool
	fault Fault
}

// NewPlayer returns a player that has not begun. announce is called with a
// line for people whenever a fault begins, hits an event, or ends; it must not
// call the player.
func NewPlayer(s Schedule, announce func(string)) *Player {
	// Filled as faults come.
	//exhaustive:ignore
	p := &Player{announce: announce, armed: map[Kind]int{}, marked: map[platform.Flow]Kind{}, forbidden: map[Fault]string{}, hits: map[Kind]int{}}
	for _, f := range s {
		p.edges = append(p.edges, edge{at: f.Start, begin: true, fault: f})
	}
	return p
}

// Run plays until ctx ends or no fault is left. Faults that are on stay on
// until [Player.Stop].
func (p *Player) Run(ctx context.Context) {
	start := time.Now()
	for {
		at, more := p.nextEdge()
		if !more {
			return
		}
		timer := time.NewTimer(time.Until(start.Add(at)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			p.turn(at)
		}
	}
}

func (p *Player) nextEdge() (at time.Duration, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.edges) == 0 {
		return 0, false
	}
	return slices.MinFunc(p.edges, func(a, b edge) int { return int(a.at - b.at) }).at, true
}

// turn takes every edge that is due and leaves what follows from it.
func (p *Player) turn(now time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		p.edges = nil
		return
	}
	due := p.edges
	p.edges = nil
	for _, e := range due {
		switch {
		case e.at > now:
			p.edges = append(p.edges, e)
		case e.begin:
			p.begin(e)
		default:
			p.end(e.fault)
		}
	}
}

func (p *Player) begin(e edge) {
	f := e.fault
	if f.Length > 0 {
		p.on = append(p.on, f)
		p.edges = append(p.edges, edge{at: e.at + f.Length, fault: f})
		p.announce(fmt.Sprintf("fault   %s: %s", f.span(), wide[f.Kind]))
	} else {
		p.armed[f.Kind] += f.Count
	}
	if f.Every > 0 {
		p.edges = append(p.edges, edge{at: e.at + f.Every, begin: true, fault: f})
	}
}

func (p *Player) end(f Fault) {
	if i := slices.Index(p.on, f); i >= 0 {
		delete(p.forbidden, f) // the next span picks again
		p.on = slices.Delete(p.on, i, i+1)
		p.announce(fmt.Sprintf("healthy %s over", f.Kind))
	}
}

func (f Fault) span() string { return fmt.Sprintf("%s for %v", f.Kind, f.Length) }

// Stop ends every fault for good, marked events included.
func (p *Player) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped, p.on, p.edges = true, nil, nil
	clear(p.armed)
	clear(p.marked)
}

// On lists the spans that are on now.
func (p *Player) On() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var on []string
	for _, f := range p.on {
		on = append(on, string(f.Kind))
	}
	return on
}

// Hits returns how many requests the kind has hit.
func (p *Player) Hits(k Kind) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits[k]
}
