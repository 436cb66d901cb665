package offsets

import (
	"context"
	"errors"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ProducerAt returns the ID of the producer whose open transaction begins at an offset, as the
// partition's leader reports it. The user needs Read on the topic, and the broker must know
// DescribeProducers (KIP-664, Kafka 2.8).
func ProducerAt(ctx context.Context, w Wire, topic string, partition int32, offset int64) (id int64, err error) {
	m, err := w.MetadataOf(ctx, []string{topic})
	if err != nil {
		return 0, err
	}
	leader := m.Topics[topic].Partitions[partition]
	if leader.Err != nil {
		return 0, leader.Err
	}
	asked := kmsg.NewDescribeProducersRequestTopic()
	asked.Topic, asked.Partitions = topic, []int32{partition}
	req := kmsg.NewPtrDescribeProducersRequest()
	req.Topics = append(req.Topics, asked)
	answer, err := w.Send(ctx, leader.Leader, req)
	if err != nil {
		return 0, err
	}
	res := answer.(*kmsg.DescribeProducersResponse)
	for _, t := range res.Topics {
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
			return 0, errors.New("no transaction is open there now")
		}
	}
	return 0, errors.New("the answer leaves the partition out")
}
