package wire

import (
	"cmp"
	"context"
	"net"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// RoundTrip implements kafka.RoundTripper for kafka-go's messages about topics, to one broker each: no
// groups, and no configuration of several brokers. The address is not looked at.
func (c *Client) RoundTrip(ctx context.Context, _ net.Addr, req kafka.Request) (kafka.Response, error) {
	if m, is := req.(*metadata.Request); is {
		return c.metadataFor(ctx, m)
	}
	m, err := c.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	broker := Any
	if to, is := req.(protocol.BrokerMessage); is {
		b, err := to.Broker(m.cluster())
		if err != nil {
			c.Refresh() // what is not known now may be made, or led, by then
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

// cluster is the metadata as kafka-go's messages look at it for their way.
func (m *Metadata) cluster() protocol.Cluster {
	cluster := protocol.Cluster{
		ClusterID: m.ClusterID, Controller: m.answer.ControllerID,
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

// metadataFor answers kafka-go's request for metadata.
func (c *Client) metadataFor(ctx context.Context, req *metadata.Request) (*metadata.Response, error) {
	m, err := c.MetadataOf(ctx, req.TopicNames)
	if err != nil {
		return nil, err
	}
	return m.forKafkaGo(req.TopicNames), nil
}

// forKafkaGo is the metadata of topics, all where there are none, as kafka-go has it.
func (m *Metadata) forKafkaGo(topics []string) *metadata.Response {
	res := &metadata.Response{ClusterID: m.ClusterID, ControllerID: m.answer.ControllerID}
	for id, b := range m.Brokers {
		res.Brokers = append(res.Brokers, metadata.ResponseBroker{NodeID: id, Host: b.Host, Port: b.Port, Rack: b.Rack})
	}
	slices.SortFunc(res.Brokers, func(a, b metadata.ResponseBroker) int { return cmp.Compare(a.NodeID, b.NodeID) })
	if topics == nil {
		for name := range m.Topics {
			topics = append(topics, name)
		}
		slices.Sort(topics)
	}
	for _, name := range topics {
		res.Topics = append(res.Topics, m.topicForKafkaGo(name))
	}
	return res
}

func (m *Metadata) topicForKafkaGo(name string) metadata.ResponseTopic {
	t, told := m.Topics[name]
	if !told {
		t.Err = kafka.UnknownTopicOrPartition
	}
	topic := metadata.ResponseTopic{Name: name, ErrorCode: code(t.Err)}
	for n, p := range t.Partitions {
		topic.Partitions = append(topic.Partitions, metadata.ResponsePartition{
			PartitionIndex: n, ErrorCode: code(p.Err), LeaderID: p.Leader, LeaderEpoch: p.Epoch,
		})
	}
	slices.SortFunc(topic.Partitions, func(a, b metadata.ResponsePartition) int { return cmp.Compare(a.PartitionIndex, b.PartitionIndex) })
	for _, told := range m.answer.Topics {
		if told.Topic == nil || *told.Topic != name {
			continue
		}
		topic.IsInternal = told.IsInternal
		for _, p := range told.Partitions {
			i, found := slices.BinarySearchFunc(topic.Partitions, p.Partition, func(a metadata.ResponsePartition, n int32) int { return cmp.Compare(a.PartitionIndex, n) })
			if found {
				topic.Partitions[i].ReplicaNodes, topic.Partitions[i].IsrNodes = p.Replicas, p.ISR
			}
		}
	}
	return topic
}

func code(err error) int16 {
	if err == nil {
		return 0
	}
	if e, is := err.(kafka.Error); is { //nolint:errorlint // Topic.Err and Partition.Err are never wrapped
		return int16(e)
	}
	return int16(kafka.Unknown)
}

var _ kafka.RoundTripper = (*Client)(nil)
