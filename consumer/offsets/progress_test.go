package offsets

import (
	"testing"

	"release-forwarder/consumer/progress"
)

func TestLagAndWhatOfItIsDone(t *testing.T) {
	told := progress.Told{Committed: 100, Done: []progress.Range{{First: 102, Last: 109}, {First: 120, Last: 129}}, Unfinished: []progress.Range{{First: 100, Last: 101}, {First: 110, Last: 119}}, End: 130}
	tests := map[string]struct {
		p                        PartitionProgress
		lag, done, open, dropped int64
		beyond                   bool
	}{
		"a held record at the front":           {PartitionProgress{Told: told, LogStart: 0, LogEnd: 150}, 50, 18, 32, 0, false},
		"nothing committed":                    {PartitionProgress{Told: progress.Told{Committed: -1, End: -1}, LogStart: 40, LogEnd: 150}, 110, 0, 110, 0, false},
		"an empty log":                         {PartitionProgress{Told: progress.Told{Committed: 0}, LogStart: 0, LogEnd: 0}, 0, 0, 0, 0, false},
		"retention overtook it":                {PartitionProgress{Told: told, LogStart: 112, LogEnd: 150}, 38, 10, 28, 4, false},
		"the log ends before it":               {PartitionProgress{Told: told, LogStart: 0, LogEnd: 90}, 0, 0, 0, 0, true},
		"another topic, which ends before it":  {PartitionProgress{Told: progress.Told{Committed: 100, End: 100, AnotherTopic: true}, LogStart: 40, LogEnd: 60}, 20, 0, 20, 0, false},
		"another topic, which begins above it": {PartitionProgress{Told: progress.Told{Committed: 10, End: 10, AnotherTopic: true}, LogStart: 40, LogEnd: 60}, 20, 0, 20, 0, false},
		"the log ends within it":               {PartitionProgress{Told: told, LogStart: 0, LogEnd: 105}, 5, 3, 2, 0, true},
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
