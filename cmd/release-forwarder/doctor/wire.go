package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/connect"
)

// The newest versions that are sent. Later ones bring nothing that is needed here.
const (
	metadataVersion = 12
	configsVersion  = 3
	createVersion   = 5
)

// cluster is the way to a cluster of which a broker has answered.
type cluster struct {
	kafka    *connect.Kafka
	clientID string
	throttle time.Duration // the longest for which a broker held an answer back
}

// ask sends a message to a broker, or to wire.Any, and returns its answer.
func ask[Answer kmsg.Response](ctx context.Context, c *cluster, node int32, req kmsg.Request) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, connect.RequestTimeout)
	defer cancel()
	answer, err := c.kafka.Wire.Send(ctx, node, req)
	if err != nil {
		var none Answer
		return none, fmt.Errorf("%s: %w", kmsg.NameForKey(req.Key()), err)
	}
	if t, is := answer.(kmsg.ThrottleResponse); is {
		ms, _ := t.Throttle()
		c.throttle = max(c.throttle, time.Duration(ms)*time.Millisecond)
	}
	return answer.(Answer), nil
}

// refusal returns the error of a code of the protocol, nil for 0.
func refusal(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}
