package doctor

import (
	"strings"
	"testing"

	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
)

// The offset of such a commit says nothing of the present log: neither that records were dropped, nor that it
// lies above the end.
func TestACommitOfATopicThatWasDeletedIsAWarningOfItsOwn(t *testing.T) {
	another := progress.Told{Committed: 100, End: 100, AnotherTopic: true}
	c := count([]offsets.PartitionProgress{
		{Topic: "events", Partition: 0, Told: progress.Told{Committed: 5, End: 5}, LogEnd: 5, Stable: 5},
		{Topic: "events", Partition: 3, Told: another, LogEnd: 20, Stable: 20},
	})
	f := &findings{}
	(&doctor{}).judgeProgress(f, "commits of events", c)
	if len(f.list) != 1 || f.list[0].Verdict != Warning || !strings.Contains(f.list[0].Text, "that was deleted since, in partitions 3") ||
		!strings.Contains(f.list[0].Text, "lag 20, of which 20 are not finished") {
		t.Errorf("%+v", f.list)
	}
}
