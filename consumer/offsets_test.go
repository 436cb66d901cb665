package consumer

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// What tools are told is what the next owner would pass over, offset for offset.
func TestParsedProgressTellsWhatTheNextOwnerPassesOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := someKnowledge(t, here.offset, 8, 5)
		metadata, _ := encodeMetadata(here, k)
		p := ParseProgress(here.cluster, here.topic, here.topicID, here.partition, here.offset, metadata)
		if p.Ignored || p.Committed != here.offset || p.End != k.end {
			t.Fatalf("%+v of %+v", p, k)
		}
		owner := newProgress(here.offset, unknownEpoch, k)
		in := func(runs []Range, offset int64) bool {
			for _, r := range runs {
				if r.First <= offset && offset <= r.Last {
					return true
				}
			}
			return false
		}
		for offset := here.offset; offset < k.end+3; offset++ {
			finished := owner.finishedBefore(offset)
			if in(p.Done, offset) != finished || in(p.Unfinished, offset) != (!finished && offset < p.End) {
				t.Fatalf("offset %d: %+v, and the next owner says %v", offset, p, finished)
			}
		}
	})
}

func TestProgressOfAnotherPlaceIsIgnored(t *testing.T) {
	metadata, _ := encodeMetadata(here, knowledge{unfinished: []span{{1000, 1001}}, end: 1020})
	for name, p := range map[string]Progress{
		"another offset":  ParseProgress(here.cluster, here.topic, here.topicID, here.partition, 990, metadata),
		"another cluster": ParseProgress("lkc-2", here.topic, here.topicID, here.partition, 990, metadata),
		"another program": ParseProgress(here.cluster, here.topic, here.topicID, here.partition, 990, "checkpoint 7"),
	} {
		if want := (Progress{Committed: 990, End: 990, Ignored: true}); !reflect.DeepEqual(p, want) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p := ParseProgress(here.cluster, here.topic, here.topicID, here.partition, 990, ""); p.Ignored {
		t.Error("no metadata is nothing to ignore")
	}
	want := Progress{Committed: 1000, End: 1000, AnotherTopic: true}
	if p := ParseProgress(here.cluster, here.topic, [16]byte{7}, here.partition, 1000, frozenEpochs); !reflect.DeepEqual(p, want) {
		t.Errorf("of another topic: %+v", p)
	}
}

func TestLagAndWhatOfItIsDone(t *testing.T) {
	progress := Progress{Committed: 100, Done: []Range{{102, 109}, {120, 129}}, Unfinished: []Range{{100, 101}, {110, 119}}, End: 130}
	tests := map[string]struct {
		p                        PartitionProgress
		lag, done, open, dropped int64
		beyond                   bool
	}{
		"a held record at the front":           {PartitionProgress{Progress: progress, LogStart: 0, LogEnd: 150}, 50, 18, 32, 0, false},
		"nothing committed":                    {PartitionProgress{Progress: Progress{Committed: -1, End: -1}, LogStart: 40, LogEnd: 150}, 110, 0, 110, 0, false},
		"an empty log":                         {PartitionProgress{Progress: Progress{Committed: 0}, LogStart: 0, LogEnd: 0}, 0, 0, 0, 0, false},
		"retention overtook it":                {PartitionProgress{Progress: progress, LogStart: 112, LogEnd: 150}, 38, 10, 28, 4, false},
		"the log ends before it":               {PartitionProgress{Progress: progress, LogStart: 0, LogEnd: 90}, 0, 0, 0, 0, true},
		"another topic, which ends before it":  {PartitionProgress{Progress: Progress{Committed: 100, End: 100, AnotherTopic: true}, LogStart: 40, LogEnd: 60}, 20, 0, 20, 0, false},
		"another topic, which begins above it": {PartitionProgress{Progress: Progress{Committed: 10, End: 10, AnotherTopic: true}, LogStart: 40, LogEnd: 60}, 20, 0, 20, 0, false},
		"the log ends within it":               {PartitionProgress{Progress: progress, LogStart: 0, LogEnd: 105}, 5, 3, 2, 0, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := tt.p
			if p.Lag() != tt.lag || p.DoneOfLag() != tt.done || p.Open() != tt.open || p.Dropped() != tt.dropped || p.Beyond() != tt.beyond {
				t.Errorf("lag %d, done %d, open %d, dropped %d, beyond %v", p.Lag(), p.DoneOfLag(), p.Open(), p.Dropped(), p.Beyond())
			}
		})
	}
}
