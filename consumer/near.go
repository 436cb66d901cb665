package consumer

import "time"

// If Config.Rack is set, a partition's leader may name a replica in that rack to read from
// (KIP-392). It is read from for nearFor; then the leader is asked again, because only the leader
// knows whether the replica keeps up. If the replica refuses, lacks the position or does not
// answer, the leader is read from at once, and for farFor without a rack: with one it would
// name the same replica again.
const (
	nearFor = time.Minute
	farFor  = time.Minute
)

// noReplica: the leader is read from.
const noReplica int32 = -1

// near is the replica to read a partition from.
type near struct {
	replica int32
	until   time.Time // when the leader is asked again; for the leader: no rack is named before
}

var leaderAlone = near{replica: noReplica}

// fetchFrom is where one request goes: several partitions share it.
type fetchFrom struct {
	broker int32
	rack   bool // the leader may name another replica
}

// from returns the broker from which to fetch a partition.
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

// leavesNear returns to the leader if the broker that failed was the near replica. It reports
// whether it was.
func (g *member) leavesNear(p *partition, broker int32) bool {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	if p.near.replica == noReplica || p.near.replica != broker {
		return false
	}
	p.near = near{noReplica, time.Now().Add(farFor)}
	return true
}
