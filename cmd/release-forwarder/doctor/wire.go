package doctor

import (
	"context"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"release-forwarder/cmd/release-forwarder/connect"
)

// direct carries a message to one broker without the Transport's shortcuts: that
// answers Metadata from a cache, which leaves out what is authorized, and drops
// the error of FindCoordinator. It is used for one exchange.
type direct struct {
	protocol.Message
	clientID string
	node     int32 // anyNode: whichever broker answers
	version  int16 // the version that was spoken, known after the exchange
}

// anyNode stands for whichever broker answers.
const anyNode = -1

var (
	_ protocol.RawExchanger  = (*direct)(nil)
	_ protocol.BrokerMessage = (*direct)(nil)
)

// Broker implements protocol.BrokerMessage.
func (d *direct) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	if d.node == anyNode {
		return protocol.Broker{ID: anyNode}, nil
	}
	b, ok := cluster.Brokers[d.node]
	if !ok {
		return protocol.Broker{}, kafka.BrokerNotAvailable
	}
	return b, nil
}

// Required implements protocol.RawExchanger.
func (d *direct) Required(versions map[protocol.ApiKey]int16) bool {
	d.version = versions[d.ApiKey()]
	return true
}

// RawExchange implements protocol.RawExchanger.
func (d *direct) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	m, err := protocol.RoundTrip(rw, d.version, 1, d.clientID, d.Message)
	if err != nil {
		return nil, err
	}
	return &told{m}, nil
}

// told carries an answer past the Transport, which takes an answer to Metadata for
// one to its own request.
type told struct{ protocol.Message }

// cluster is the way to a cluster of which a broker has answered.
type cluster struct {
	kafka    *connect.Kafka
	clientID string
}

// ask sends a message to a broker and returns its answer and the version spoken.
func ask[Answer protocol.Message](ctx context.Context, c *cluster, node int32, m protocol.Message) (Answer, int16, error) {
	ctx, cancel := context.WithTimeout(ctx, connect.RequestTimeout)
	defer cancel()
	d := &direct{Message: m, clientID: c.clientID, node: node}
	var none Answer
	answer, err := c.kafka.Wire.RoundTrip(ctx, nil, d)
	if err != nil {
		return none, 0, fmt.Errorf("%s: %w", m.ApiKey(), err)
	}
	a, ok := answer.(*told).Message.(Answer)
	if !ok {
		return none, 0, fmt.Errorf("%s: answered with %T", m.ApiKey(), answer)
	}
	return a, d.version, nil
}

// refusal turns a code of the protocol into an error, nil for 0.
func refusal(code int16) error {
	if code == 0 {
		return nil
	}
	return kafka.Error(code)
}
