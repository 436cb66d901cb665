package topic

import (
	"cmp"
	"slices"
)

// Last shortens spans to the last n offsets of all: an equal share of each, where one that has fewer leaves the rest to
// the others.
func Last(spans []Span, n int64) []Span {
	bySize := slices.Clone(spans)
	slices.SortStableFunc(bySize, func(a, b Span) int { return cmp.Compare(a.End-a.First, b.End-b.First) })
	for i := range bySize {
		s := &bySize[i]
		take := min(s.End-s.First, n/int64(len(bySize)-i))
		s.First = s.End - take
		n -= take
	}
	slices.SortFunc(bySize, func(a, b Span) int { return cmp.Compare(a.Partition, b.Partition) })
	return bySize
}
