package progress

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// Parse shows tools what the next owner skips, offset for offset.
func TestParsedProgressTellsWhatTheNextOwnerPassesOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := someKnowledge(t, here.Offset, 8, 5)
		metadata, _ := Encode(here, k)
		p := Parse(here, metadata)
		if p.Ignored || p.Committed != here.Offset || p.End != k.End {
			t.Fatalf("%+v of %+v", p, k)
		}
		owner := New[int64](here.Offset, UnknownEpoch, k)
		in := func(runs []Range, offset int64) bool {
			for _, r := range runs {
				if r.First <= offset && offset <= r.Last {
					return true
				}
			}
			return false
		}
		for offset := here.Offset; offset < k.End+3; offset++ {
			finished := owner.FinishedBefore(offset)
			if in(p.Done, offset) != finished || in(p.Unfinished, offset) != (!finished && offset < p.End) {
				t.Fatalf("offset %d: %+v, and the next owner says %v", offset, p, finished)
			}
		}
	})
}

func TestProgressOfAnotherPlaceIsIgnored(t *testing.T) {
	metadata, _ := Encode(here, Knowledge{Unfinished: []Range{{1000, 1001}}, End: 1020})
	moved, cluster, topic := here, here, here
	moved.Offset, cluster.Offset, cluster.Cluster, topic.TopicID = 990, 990, "lkc-2", topicID{7}
	for name, p := range map[string]Told{
		"another offset":  Parse(moved, metadata),
		"another cluster": Parse(cluster, metadata),
		"another program": Parse(moved, "checkpoint 7"),
	} {
		if want := (Told{Committed: 990, End: 990, Ignored: true}); !reflect.DeepEqual(p, want) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p := Parse(moved, ""); p.Ignored {
		t.Error("no metadata is nothing to ignore")
	}
	want := Told{Committed: 1000, End: 1000, AnotherTopic: true}
	if p := Parse(topic, frozenEpochs); !reflect.DeepEqual(p, want) {
		t.Errorf("of another topic: %+v", p)
	}
}
