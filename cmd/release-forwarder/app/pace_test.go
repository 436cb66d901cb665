package app

import (
	"testing"
	"time"
)

// The time left is estimated without overflow, however slowly a log's start moves to a far offset.
func TestThePaceOfALogsStartDoesNotOverflow(t *testing.T) {
	now := time.Now()
	crawls := []movement{{now.Add(-2 * time.Hour), 0, 10}, {now, 1, 10}}
	if left, known := pace(crawls, 1<<60); !known || left < 100*365*24*time.Hour {
		t.Errorf("%s left, known %v", left, known)
	}
}
