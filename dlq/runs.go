package dlq

import (
	"cmp"
	"slices"
)

// runs is a set of offsets of one partition, kept as ordered runs that do not
// touch: what was sent together takes one run, however many records it were.
type runs []stretch

type stretch struct{ first, last int64 }

// add puts an offset in.
func (r *runs) add(offset int64) {
	i, found := slices.BinarySearchFunc(*r, offset, func(s stretch, o int64) int {
		if s.first <= o && o <= s.last {
			return 0
		}
		return cmp.Compare(s.first, o)
	})
	if found {
		return
	}
	joinsBefore := i > 0 && (*r)[i-1].last == offset-1
	joinsAfter := i < len(*r) && (*r)[i].first == offset+1
	switch {
	case joinsBefore && joinsAfter:
		(*r)[i-1].last = (*r)[i].last
		*r = slices.Delete(*r, i, i+1)
	case joinsBefore:
		(*r)[i-1].last = offset
	case joinsAfter:
		(*r)[i].first = offset
	default:
		*r = slices.Insert(*r, i, stretch{offset, offset})
	}
}

// has tells whether an offset is in the set.
func (r runs) has(offset int64) bool {
	_, found := slices.BinarySearchFunc(r, offset, func(s stretch, o int64) int {
		if s.first <= o && o <= s.last {
			return 0
		}
		return cmp.Compare(s.first, o)
	})
	return found
}

// count is how many offsets are in the set.
func (r runs) count() int {
	n := 0
	for _, s := range r {
		n += int(s.last - s.first + 1)
	}
	return n
}
