package consumer

import "time"

// unread is what is known of the records that a partition's log holds beyond what was
// read. Guarded by the engine's mutex.
type unread struct {
	stable int64     // the last stable offset as last heard, -1 where none was told
	behind time.Time // since when there have been such records, without a break
	// stands is since when the first of them has been the one at offset.
	stands time.Time
	offset int64
}

// weigh notes what an answer leaves unread. The engine's mutex is held.
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

// heldBack is how many records an open transaction holds back: reading has reached
// the last stable offset, and there are more. Where reading stands before it, something
// else keeps the records.
func (p *partition) heldBack() int64 {
	if p.phase != reading || p.unreadable || p.unread.stable < 0 || p.Position() < p.unread.stable {
		return 0
	}
	return max(0, p.logEnd-p.Position())
}

// tell writes what is not read into the partition's status.
func (p *partition) tell(s *PartitionStatus) {
	if p.Position() >= p.logEnd {
		return
	}
	s.Behind = p.unread.behind
	if p.unread.offset == p.Position() { // else an answer is being taken in
		s.Stands, s.HeldBack = p.unread.stands, p.heldBack()
	}
}
