package wire

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
)

// The errors of Kafka's GroupCoordinator and of KafkaApis for a member that joins,
// and what the remedy must name.
func TestEachErrorHasItsRemedy(t *testing.T) {
	for code, names := range map[kafka.Error]string{
		3: "KAFKA_TOPIC", 7: "__consumer_offsets", 14: "wait", 15: "__consumer_offsets", 16: "__consumer_offsets", 22: "joins again", 23: "KAFKA_GROUP_ID", 24: "KAFKA_GROUP_ID",
		25: "KAFKA_SESSION_TIMEOUT", 26: "KAFKA_SESSION_TIMEOUT", 27: "KAFKA_REBALANCE_TIMEOUT", 29: "Read on KAFKA_TOPIC", 30: "Read on the group", 33: "KAFKA_SASL_MECHANISM",
		35: "Kafka 2.3", 58: "KAFKA_SASL_PASSWORD", 79: "proxy", 81: "group.max.size", 82: "group.instance.id", -1: "log", 6: "controller", 56: "disk", 74: "controller", 100: "deleted", 9999: "release-forwarder doctor",
	} {
		if got := Remedy(fmt.Errorf("wrapped: %w", code)); !strings.Contains(got, names) {
			t.Errorf("%d: %q lacks %q", code, got, names)
		}
	}
	for _, err := range []error{context.DeadlineExceeded, errors.New("x")} {
		if got := Remedy(err); !strings.Contains(got, "KAFKA_BROKERS") {
			t.Errorf("%v: %q", err, got)
		}
	}
}
