package find

import (
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/dlq"
	"release-forwarder/mapping"
)

// Of two dead letters of one record find shows the one that was written later,
// whichever of them it reads first.
func TestFindShowsTheLaterOfTwoDeadLetters(t *testing.T) {
	for _, order := range [][]int64{{1, 2}, {2, 1}} {
		mapper, err := mapping.New(mapping.Config{Location: time.UTC})
		if err != nil {
			t.Fatal(err)
		}
		f := &finder{c: &Command{}, r: &session.Session{Mapper: mapper}, wanted: &criteria{fields: map[string][]string{"flow_no": {"F1"}}}, print: &printer{}, deadLetters: map[dlq.ID]*foundDeadLetter{}}
		for _, n := range order {
			s := &dlq.Stored{ID: dlq.ID{Topic: apptest.DeadLetterTopic, Offset: n}, Written: n}
			s.Topic, s.Partition, s.Offset, s.Value = apptest.EventTopic, 0, 7, []byte(apptest.PlantedEvent)
			if err := f.keep(s, nil); err != nil {
				t.Fatal(err)
			}
		}
		if l := f.deadLetters[dlq.ID{Topic: apptest.EventTopic, Offset: 7}]; l == nil || l.id != apptest.DeadLetterTopic+"/0/2" {
			t.Errorf("read in the order %v: %+v", order, l)
		}
	}
}
