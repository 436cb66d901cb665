package consumer

import "time"

// unread is what is known of the records in a partition's log beyond the position. Guarded by
// the engine's mutex.
type unread struct {
	stable int64     // the last stable offset of the last answer; -1: not reported
	behind time.Time // since when there have always been such records; zero: there are none
	// stands is since when the position has been at offset.
	stands time.Time
	offset int64
}

// weigh notes what remains unread after an answer. The engine's mutex is held.
func (p *partition) weigh(stable int64, now time.Time) {
	u := &p.unread
	u.stable = stable
	if p.Position() >= p.logEnd {
		u.behind, u.stands = time.Time{}, time.Time{}
		return
	}
	if u.behind.IsZero() {
		u.behind = now
	}
	if u.stands.IsZero() || u.offset != p.Position() {
		u.stands, u.offset = now, p.Position()
	}
}

// heldBack is how many offsets an open transaction holds back: the position has reached the
// last stable offset, but the log goes on. Below the last stable offset the cause is another
// one, and it is 0.
func (p *partition) heldBack() int64 {
	if p.phase != reading || p.unreadable || p.unread.stable < 0 || p.Position() < p.unread.stable {
		return 0
	}
	return max(0, p.logEnd-p.Position())
}

// tell writes what is unread into the partition's status.
func (p *partition) tell(s *PartitionStatus) {
	if p.Position() >= p.logEnd {
		return
	}
	s.Behind = p.unread.behind
	if p.unread.offset == p.Position() { // if not, an answer is being taken in
		s.Stands, s.HeldBack = p.unread.stands, p.heldBack()
	}
}
