package forward

import (
	"strings"
	"testing"

	"release-forwarder/dlq"
	"release-forwarder/upstream"
)

// A dead letter that waits, for its place in a storm or for its topic, keeps only the part of
// the platform's answer that is written, not its 64 KiB.
func TestADeadLetterThatWaitsKeepsNoMoreOfAnAnswerThanIsWritten(t *testing.T) {
	long := strings.Repeat("参", 20_000)
	l := upstreamDeadLetter(dlq.ReasonRefused, upstream.Answer{Message: long, Hint: long, Code: long, Seqno: long})
	for name, text := range map[string]string{"message": l.Message, "hint": l.Hint, "code": l.Code, "seqno": l.Seqno} {
		if len(text) != 1023 {
			t.Errorf("%s has %d bytes", name, len(text))
		}
	}
}
