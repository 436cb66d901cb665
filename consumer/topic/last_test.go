package topic_test

import (
	"slices"
	"testing"

	"release-forwarder/consumer/topic"
)

func TestTheLastAreSharedBetweenPartitions(t *testing.T) {
	spans := []topic.Span{{Partition: 0, First: 10, End: 110}, {Partition: 1, First: 5, End: 7}, {Partition: 2, First: 3, End: 3}, {Partition: 3, First: 0, End: 100}}
	for n, want := range map[int64][]int64{1: {110, 7, 3, 99}, 5: {108, 6, 3, 98}, 50: {86, 5, 3, 76}, 1000: {10, 5, 3, 0}} {
		var firsts []int64
		total := int64(0)
		for _, s := range topic.Last(spans, n) {
			firsts = append(firsts, s.First)
			total += s.End - s.First
		}
		if !slices.Equal(firsts, want) || total != min(n, 202) {
			t.Errorf("%d: from %v (%d in all), want %v", n, firsts, total, want)
		}
	}
}
