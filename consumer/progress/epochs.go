package progress

import "slices"

// epochBegan is where a leader epoch began in a log, as far as that is known.
type epochBegan struct {
	known bool
	first int64 // no record of it, or of a later one, lies below
	below int32 // the epoch of the record below first; −1: there is none
}

// epochRun is a leader epoch of what was read, and where it began.
type epochRun struct {
	epoch int32
	epochBegan
}

// Epochs are the leader epochs of what lies below a position, the last few of them, oldest first.
//
// A leader that does not know our epoch tells where a lower one ended in its own log. Ours may
// have left it earlier, for a newer one: a log parts from ours at the lesser of that end and of
// the place where our first epoch above the told one began (a follower takes the lesser too,
// KIP-101).
type Epochs []epochRun

// mostEpochs bounds how many are kept: elections of a leader since a partition was assigned.
const mostEpochs = 8

// reads notes that what lies from one offset on has an epoch. Nothing is known where it has none.
func (e *Epochs) reads(from int64, epoch int32, first bool) {
	last := len(*e) - 1
	switch {
	case epoch == UnknownEpoch, last >= 0 && epoch < (*e)[last].epoch:
		*e = nil
	case last >= 0 && epoch == (*e)[last].epoch:
	case last >= 0:
		*e = append(*e, epochRun{epoch, epochBegan{true, from, (*e)[last].epoch}})
	case first:
		*e = append(*e, epochRun{epoch, epochBegan{true, from, UnknownEpoch}})
	default:
		*e = append(*e, epochRun{epoch: epoch})
	}
	if len(*e) > mostEpochs {
		*e = slices.Clone((*e)[1:])
	}
}

// began is where an epoch began.
func (e Epochs) began(epoch int32) epochBegan {
	for _, r := range e {
		if r.epoch == epoch {
			return r.epochBegan
		}
	}
	return epochBegan{}
}

// cut forgets what lies at and above an offset.
func (e Epochs) cut(offset int64, epoch int32) Epochs {
	kept := slices.Clone(e)
	for n := len(kept); n > 0 && (kept[n-1].epoch > epoch || kept[n-1].known && kept[n-1].first >= offset); n-- {
		kept = kept[:n-1]
	}
	if n := len(kept); epoch == UnknownEpoch || n > 0 && kept[n-1].epoch == epoch {
		return kept
	}
	return Epochs{{epoch: epoch}}
}

// Parts tells where a log parts from ours in which an epoch below ours ended at an offset; false
// where what is known of ours does not reach down so far.
func (e Epochs) Parts(epoch int32, end int64) (int64, bool) {
	for _, r := range e {
		if r.epoch > epoch {
			return min(end, r.first), r.known && r.below <= epoch
		}
	}
	return end, true
}

// Below is the epoch of the record below an offset at which one began.
func (e Epochs) Below(first int64) int32 {
	for _, r := range e {
		if r.known && r.first == first {
			return r.below
		}
	}
	return UnknownEpoch
}
