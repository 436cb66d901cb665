package topic

import (
	"errors"
	"io"
	"testing"

	"github.com/segmentio/kafka-go"
)

func TestAWithdrawnRequestIsNeverSent(t *testing.T) {
	once := &onceRead{RecordReader: kafka.NewRecordReader(kafka.Record{})}
	if !once.withdraw() {
		t.Error("nothing was read, and yet it counts as sent")
	}
	if _, err := once.ReadRecord(); !errors.Is(err, io.EOF) {
		t.Errorf("withdrawn, and yet read: %v", err)
	}
	once = &onceRead{RecordReader: kafka.NewRecordReader(kafka.Record{})}
	if _, err := once.ReadRecord(); err != nil || once.withdraw() {
		t.Errorf("%v; it was read, and yet counts as withdrawn", err)
	}
}
