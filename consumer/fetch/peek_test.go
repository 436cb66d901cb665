package fetch

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A peek keeps a batch's header and no record, and says when the batch was written.
func TestAPeekKeepsTheHeaderAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		log  []byte
		want int64
	}{
		{"a batch", logBatch{base: 10, baseTime: 1_700_000_000_000, maxTime: 1_700_000_000_009, records: at(0, 1, 2)}.bytes(), 1_700_000_000_000},
		{"with the broker's time", logBatch{base: 10, attributes: logAppendTime, baseTime: 1, maxTime: 1_700_000_000_009, records: at(0, 1)}.bytes(), 1_700_000_000_009},
		{"of an open transaction", inTransaction(1, 10, 0, 1), 0},
		{"damaged behind its header", append(logBatch{base: 10, baseTime: 5, records: at(0)}.bytes()[:batchHeaderSize], make([]byte, 100)...), 5},
		{"a message of before Kafka 0.11", append(oldMessage(1, 0, 0), make([]byte, 100)...), -1},
		{"cut off within the header", batchAt(10, 0)[:batchHeaderSize-1], -1},
		{"nothing", nil, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			peek := *someRequest
			peek.Peek = true
			body := answerOf(func(r *kmsg.FetchResponse) {
				r.Topics[0].Partitions[0].RecordBatches = c.log
				r.Topics[0].Partitions[0].AbortedTransactions = nil
			})
			res, b, err := exchangeWith(&peek, func(id int32) []byte { return framed(id, body) })
			if err != nil {
				t.Fatal(err)
			}
			a := &res.Partitions[0]
			if got := a.Written(); got != c.want {
				t.Errorf("written at %d, want %d", got, c.want)
			}
			if a.Len() > batchHeaderSize || a.HighWatermark != 100 || a.LastStableOffset != 90 || len(res.Partitions) != 3 {
				t.Errorf("%d bytes are kept of %+v", a.Len(), a)
			}
			req := kmsg.NewFetchRequest()
			req.Version = 11
			if err := req.ReadFrom(b.request.Bytes()[14+len("forwarder"):]); err != nil || req.IsolationLevel != 0 {
				t.Errorf("isolation level %d, %v", req.IsolationLevel, err)
			}
		})
	}
	peek := *someRequest
	peek.Peek = true
	if _, _, err := exchangeWith(&peek, func(id int32) []byte { return framed(id, field(answerOf(nil), 80, 1<<30)) }); !errors.Is(err, ErrMalformed) {
		t.Errorf("records longer than the answer: %v", err)
	}
}
