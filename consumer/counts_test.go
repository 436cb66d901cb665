package consumer

import (
	"testing"
	"testing/synctest"
	"time"
)

// A larger number of partitions is believed at once; a smaller one, or none, only after it was
// reported for watchInterval.
func TestFewerPartitionsAreBelievedWhenTheyWereToldTwice(t *testing.T) {
	type told struct {
		n    int
		wait time.Duration
		want int
	}
	for name, answers := range map[string][]told{
		"grows":                 {{4, 0, 4}, {8, 0, 8}},
		"one answer with none":  {{4, 0, 4}, {0, watchInterval, 4}, {4, watchInterval, 4}, {0, 0, 4}},
		"gone":                  {{4, 0, 4}, {0, watchInterval, 4}, {0, 0, 0}},
		"fewer":                 {{4, 0, 4}, {2, watchInterval, 4}, {2, 0, 2}},
		"fewer by the answer":   {{4, 0, 4}, {2, watchInterval, 4}, {1, watchInterval, 4}, {1, 0, 1}},
		"in haste":              {{4, 0, 4}, {0, time.Second, 4}, {0, time.Second, 4}, {0, time.Second, 4}},
		"gone and there anew":   {{4, 0, 4}, {0, watchInterval, 4}, {0, 0, 0}, {2, 0, 2}},
		"never told of":         {{0, 0, 0}, {0, watchInterval, 0}, {3, 0, 3}},
		"fewer, more and fewer": {{4, 0, 4}, {2, watchInterval, 4}, {4, watchInterval, 4}, {2, watchInterval, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c topicCount
				for i, a := range answers {
					if c.note(a.n, time.Now()); c.n != a.want {
						t.Errorf("answer %d, %d: %d are believed, want %d", i, a.n, c.n, a.want)
					}
					time.Sleep(a.wait)
				}
			})
		})
	}
}
