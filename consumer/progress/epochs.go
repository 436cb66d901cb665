package progress

import "slices"

// epochBegan is where a leader epoch began in a log, as far as that is known.
type epochBegan struct {
	known bool
	first int64 // no record of this or a later epoch lies below
	below int32 // the epoch of the record below first; −1: there is none
}

// epochRun is a leader epoch of what was read, and where it began.
type epochRun struct {
	epoch int32
	epochBegan
}

// Epochs are the leader epochs of what lies below a position: the last few, oldest first.
//
// A leader that does not know our epoch answers where a lower epoch ended in its log. Our log may have left
// that epoch earlier. So the logs part at the lesser of that end and the offset where our first epoch above
// the answered one began. A follower takes the lesser too (KIP-101).
type Epochs []epochRun

// mostEpochs bounds how many epochs are kept: leader elections since a partition was assigned.
const mostEpochs = 8

// reads notes that what lies from an offset on has an epoch. Without an epoch nothing more is known.
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

// Parts returns where another log parts from ours, in which an epoch below ours ended at an offset; false if
// our epochs do not reach down that far.
func (e Epochs) Parts(epoch int32, end int64) (int64, bool) {
	for _, r := range e {
		if r.epoch > epoch {
			return min(end, r.first), r.known && r.below <= epoch
		}
	}
	return end, true
}

// Below returns the epoch of the record below an offset at which an epoch began.
func (e Epochs) Below(first int64) int32 {
	for _, r := range e {
		if r.known && r.first == first {
			return r.below
		}
	}
	return UnknownEpoch
}
