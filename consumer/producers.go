package consumer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ProducerAt asks a partition's leader which producer's open transaction begins at an
// offset. The user needs Read on the topic, and the broker must know DescribeProducers
// (KIP-664, Kafka 2.8).
func ProducerAt(ctx context.Context, client *kafka.Client, clientID, topic string, partition int32, offset int64) (id int64, err error) {
	m, err := client.Transport.RoundTrip(ctx, client.Addr, &producersRequest{clientID: clientID, topic: topic, partition: partition})
	if err != nil {
		return 0, err
	}
	res, ok := m.(*producersResponse)
	if !ok {
		return 0, fmt.Errorf("the round tripper answered with %T", m)
	}
	for _, t := range res.body.Topics {
		for _, p := range t.Partitions {
			if t.Topic != topic || p.Partition != partition {
				continue
			}
			if p.ErrorCode != 0 {
				return 0, kafka.Error(p.ErrorCode)
			}
			for _, a := range p.ActiveProducers {
				if a.CurrentTxnStartOffset == offset {
					return a.ProducerID, nil
				}
			}
			return 0, errors.New("no transaction is open there any more")
		}
	}
	return 0, errors.New("the answer leaves the partition out")
}

// describeProducers is an API that kafka-go does not know, in its only version; its
// headers are the flexible ones (KIP-482).
const (
	describeProducers        protocol.ApiKey = 61
	describeProducersVersion uint16          = 0
	// mostProducers bounds an answer's bytes: one producer takes about 40.
	mostProducers uint32 = 4 << 20
)

// producersRequest asks for the producers of one partition.
type producersRequest struct {
	clientID  string
	topic     string
	partition int32
	known     bool // the broker knows the API
}

type producersResponse struct {
	body kmsg.DescribeProducersResponse
}

// ApiKey implements protocol.Message.
func (*producersRequest) ApiKey() protocol.ApiKey { return describeProducers }

// ApiKey implements protocol.Message.
func (*producersResponse) ApiKey() protocol.ApiKey { return describeProducers }

// Broker implements protocol.BrokerMessage: the partition's leader.
func (r *producersRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	if p, ok := cluster.Topics[r.topic].Partitions[r.partition]; ok {
		if b, ok := cluster.Brokers[p.Leader]; ok {
			return b, nil
		}
	}
	return protocol.Broker{ID: -1}, kafka.LeaderNotAvailable
}

// Required implements protocol.RawExchanger.
func (r *producersRequest) Required(versions map[protocol.ApiKey]int16) bool {
	_, r.known = versions[describeProducers]
	return true
}

// RawExchange implements protocol.RawExchanger.
func (r *producersRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if !r.known {
		return nil, kafka.UnsupportedVersion
	}
	if len(r.clientID) > math.MaxInt16 {
		return nil, errors.New("the client ID does not fit a request")
	}
	const correlation = 1
	be := binary.BigEndian
	b := make([]byte, 4, 128)
	b = be.AppendUint16(b, uint16(describeProducers))
	b = be.AppendUint16(b, describeProducersVersion)
	b = be.AppendUint32(b, correlation)
	b = be.AppendUint16(b, uint16(len(r.clientID)))
	b = append(b, r.clientID...)
	b = append(b, 0) // no tags
	topic := kmsg.NewDescribeProducersRequestTopic()
	topic.Topic, topic.Partitions = r.topic, []int32{r.partition}
	body := kmsg.NewDescribeProducersRequest()
	body.Topics = append(body.Topics, topic)
	b = body.AppendTo(b)
	be.PutUint32(b, uint32(len(b)-4))
	if _, err := rw.Write(b); err != nil {
		return nil, err
	}
	head := make([]byte, 4+4+1) // size, correlation ID, no tags
	if _, err := io.ReadFull(rw, head); err != nil {
		return nil, err
	}
	size := be.Uint32(head)
	if size < 5 || size > mostProducers || be.Uint32(head[4:]) != correlation || head[8] != 0 {
		return nil, errors.New("the answer is none to DescribeProducers")
	}
	answer := make([]byte, size-5)
	if _, err := io.ReadFull(rw, answer); err != nil {
		return nil, err
	}
	res := &producersResponse{kmsg.NewDescribeProducersResponse()}
	return res, res.body.ReadFrom(answer)
}
