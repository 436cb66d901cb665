package wire

import (
	"context"
	"net"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/createtopics"
)

// RoundTrip implements kafka.RoundTripper for kafka-go's messages about topics, to one broker each: not for
// groups, configurations of several brokers, or metadata. The address is ignored.
func (c *Client) RoundTrip(ctx context.Context, _ net.Addr, req kafka.Request) (kafka.Response, error) {
	m, err := c.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	broker := Any
	if to, is := req.(protocol.BrokerMessage); is {
		b, err := to.Broker(m.cluster())
		if err != nil {
			c.Refresh() // it may be created, or have a leader, by the next try
			return nil, err
		}
		broker = b.ID
	}
	var res kafka.Response
	err = c.exchange(ctx, broker, func(k *conn) (err error) {
		res, err = k.RoundTrip(req)
		return err
	})
	if _, made := res.(*createtopics.Response); made {
		c.Refresh()
	}
	return res, err
}

// cluster is the metadata in the form in which kafka-go's messages choose a broker.
func (m *Metadata) cluster() protocol.Cluster {
	cluster := protocol.Cluster{
		ClusterID: m.ClusterID, Controller: m.controller,
		Brokers: map[int32]protocol.Broker{}, Topics: map[string]protocol.Topic{},
	}
	for id, b := range m.Brokers {
		cluster.Brokers[id] = protocol.Broker{ID: id, Host: b.Host, Port: b.Port, Rack: b.Rack}
	}
	for name, t := range m.Topics {
		if t.Err != nil {
			continue
		}
		topic := protocol.Topic{Name: name, Partitions: map[int32]protocol.Partition{}}
		for n, p := range t.Partitions {
			topic.Partitions[n] = protocol.Partition{ID: n, Leader: p.Leader}
		}
		cluster.Topics[name] = topic
	}
	return cluster
}

var _ kafka.RoundTripper = (*Client)(nil)
