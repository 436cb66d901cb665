package consumer

import "time"

// Where brokers know racks, a partition's leader names a replica in ours to read from (KIP-392).
// It is read from for a while, then the leader is asked again, which knows whether that one still
// keeps up. One that refuses, lags out of the log, or is gone is left for the leader at once, and
// the leader is read from without a rack for as long: it would only name the same again.
const (
	nearFor = time.Minute
	farFor  = time.Minute
)

// noReplica stands for the leader.
const noReplica int32 = -1

// near is the replica to read a partition from.
type near struct {
	replica int32
	until   time.Time // the leader is asked again; of the leader: no rack is named before
}

var leaderAlone = near{replica: noReplica}

// fetchFrom is where one request goes: several partitions share it.
type fetchFrom struct {
	broker int32
	rack   bool // the leader may name another replica
}

// from tells where to fetch a partition from.
func (g *member) from(p *partition, l leader) fetchFrom {
	e := g.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if p.near.replica != noReplica {
		if now.Before(p.near.until) {
			return fetchFrom{broker: p.near.replica, rack: true}
		}
		p.near = leaderAlone
	}
	return fetchFrom{broker: l.broker, rack: e.cfg.Rack != "" && !now.Before(p.near.until)}
}

// leavesNear goes back to the leader where a request to another replica failed, and tells
// whether that is so.
func (g *member) leavesNear(p *partition, broker int32) bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	if p.near.replica == noReplica || p.near.replica != broker {
		return false
	}
	p.near = near{noReplica, time.Now().Add(farFor)}
	return true
}
