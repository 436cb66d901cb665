package app

import (
	"testing"
	"time"
)

// A log's start that crawls towards a far offset needs longer than a duration can say.
func TestThePaceOfALogsStartDoesNotOverflow(t *testing.T) {
	now := time.Now()
	crawls := []movement{{now.Add(-2 * time.Hour), 0, 10}, {now, 1, 10}}
	if left, known := pace(crawls, 1<<60); !known || left < 100*365*24*time.Hour {
		t.Errorf("%s left, known %v", left, known)
	}
}
