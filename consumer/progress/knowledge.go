package progress

import "encoding/binary"

// UnknownEpoch stands for a leader epoch that is not known, as in a commit set by a tool. It equals no other,
// not even itself.
const UnknownEpoch int32 = -1

// MaxRuns is how many separate unfinished runs always fit into a commit's metadata, up to 2^21 records apart.
const MaxRuns = 500

// Range is a run of offsets of one partition, First and Last included.
type Range struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// Count returns the number of offsets in the run. Some may hold no record (transaction markers, compacted
// records).
func (r Range) Count() int64 { return r.Last - r.First + 1 }

// Knowledge is what is known of a log beyond a committed offset: all from that offset up to End is finished
// except the unfinished runs. The runs are ordered, do not touch, and lie between the two.
type Knowledge struct {
	Unfinished []Range
	End        int64
	// EndEpoch is the leader epoch of the last record below End, or UnknownEpoch. If the leader's log has that
	// epoch there, it is the same log up to End (KIP-101).
	EndEpoch int32
	// began is where that epoch began, if the commit says so. read are the epochs of what was read; they say
	// it too.
	began epochBegan
	read  Epochs
	// epochs are those of the last record below each unfinished run, as far as known: the knowledge may be cut
	// there.
	epochs []int32
}

// Nothing is the knowledge when nothing beyond an offset is finished, with the epoch below that offset.
func Nothing(offset int64, epoch int32) Knowledge { return Knowledge{End: offset, EndEpoch: epoch} }

func (k Knowledge) endBegan() epochBegan {
	if k.began.known {
		return k.began
	}
	return k.read.began(k.EndEpoch)
}

// fitting returns the knowledge as far as it fits. It is cut only where the epoch is known: runs that cannot
// be verified would not count.
func (k Knowledge) fitting(offset int64) (_ Knowledge, whole bool) {
	if k.size(offset) <= payloadLimit {
		return k, true
	}
	cut := Nothing(offset, UnknownEpoch)
	size, next := epochLen+1, offset
	for i, s := range k.Unfinished {
		// Room for all before this run, and for the finished run that must close the list.
		if size+binary.MaxVarintLen64 > payloadLimit {
			break
		}
		if i < len(k.epochs) && k.epochs[i] != UnknownEpoch {
			cut = Knowledge{Unfinished: k.Unfinished[:i], End: s.First, EndEpoch: k.epochs[i], epochs: k.epochs[:i], read: k.read}
		}
		size += runLen(i, s, next, offset)
		next = s.Last + 1
	}
	return cut, false
}

// size returns the most payload bytes that the knowledge takes at an offset, whether they fit or not.
func (k Knowledge) size(offset int64) int {
	if k.End <= offset {
		return epochLen
	}
	size, next := epochLen+1, offset
	for i, s := range k.Unfinished {
		size += runLen(i, s, next, offset)
		next = s.Last + 1
	}
	return size + binary.MaxVarintLen64
}

// runLen returns the bytes of the i-th run, for its length and that of the finished run before it, if the
// finished run may begin at next. The byte of the first length is already counted.
func runLen(i int, s Range, next, offset int64) int {
	if i == 0 && s.First == offset {
		return uvarintLen(s.Last-s.First+1) - 1
	}
	return uvarintLen(s.First-next) + uvarintLen(s.Last-s.First+1)
}
