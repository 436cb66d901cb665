package main

import (
	"math/rand/v2"
	"time"
)

// kind is a kind of fault.
type kind string

// The kinds of faults.
const (
	killForwarder  kind = "forwarder killed"
	killBroker     kind = "broker killed"
	pauseForwarder kind = "forwarder frozen past its session"
	pauseBroker    kind = "broker frozen past its session"
	cutForwarder   kind = "forwarder cut off from Kafka"
	cutLink        kind = "forwarder cut off from one broker"
	cutBroker      kind = "broker cut off from the forwarders"
	cutPlatform    kind = "forwarder cut off from the platform"

	// assigning is no fault of the plan but what comes of some: the group waits for its leader's assignment
	// (CompletingRebalance), and Kafka takes no commit meanwhile. Members go on with what they own.
	assigning kind = "group waits for its assignment"
)

// The three families that a run must have enough of.
var (
	kills  = []kind{killForwarder, killBroker}
	pauses = []kind{pauseForwarder, pauseBroker}
	cuts   = []kind{cutForwarder, cutLink, cutBroker, cutPlatform}
)

// deck is dealt again and again, shuffled each time, so that every two minutes
// hold all kinds.
var deck = []kind{
	killForwarder, killForwarder, killForwarder, killForwarder, killForwarder, killBroker, killBroker,
	pauseForwarder, pauseBroker, cutForwarder, cutLink, cutBroker, cutPlatform,
}

// replicas is how many forwarders there are, and how many brokers.
const replicas = 3

// planned is one fault of the plan.
type planned struct {
	At    time.Duration // from the run's beginning
	Kind  kind
	On    int           // forwarder or broker, 1 to 3
	Other int           // of cutLink: the broker
	Lasts time.Duration // until it is undone; a broker's start comes on top
	// Silent cuts swallow what is sent; others refuse and reset.
	Silent bool
}

// ofBroker reports whether the fault is a broker's, not a forwarder's.
func (p planned) ofBroker() bool {
	return p.Kind == killBroker || p.Kind == pauseBroker || p.Kind == cutBroker
}

// warmUp is how long all is well before the first fault and after the last.
const warmUp = 3 * time.Second

// draw makes the plan of a run of a length, a fault every so often, give or take
// a third. Faults overlap: many last longer than that.
func draw(seed uint64, length, every time.Duration) []planned {
	r := rand.New(rand.NewPCG(seed, 0x636861_6f73))
	between := func(low, high time.Duration) time.Duration {
		return (low + time.Duration(r.Int64N(int64(high-low)))).Truncate(time.Millisecond)
	}
	var plan []planned
	for at := warmUp; ; {
		for _, i := range r.Perm(len(deck)) {
			if at >= length {
				return plan
			}
			p := planned{At: at, Kind: deck[i], On: 1 + r.IntN(replicas), Other: 1 + r.IntN(replicas), Silent: r.IntN(2) == 0}
			switch p.Kind {
			case killForwarder:
				p.Lasts = between(200*time.Millisecond, 4*time.Second)
			case killBroker:
				p.Lasts = between(time.Second, 5*time.Second)
			case pauseForwarder:
				p.Lasts = between(sessionTimeout+time.Second, sessionTimeout+4*time.Second)
			case pauseBroker:
				p.Lasts = between(brokerSession+time.Second, brokerSession+4*time.Second)
			case cutForwarder, cutLink, cutBroker, cutPlatform:
				p.Lasts = between(2*time.Second, sessionTimeout+4*time.Second)
			case assigning: // the group's own
			}
			plan = append(plan, p)
			at += between(every*2/3, every*4/3)
		}
	}
}
