package consumer

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/listoffsets"

	"release-forwarder/consumer/fetch"
)

// firstOffsets asks for the first offsets of partitions' logs, all leaders at once
// and each by one request: what 100 new partitions begin with must not take 100
// round trips. Each leader's answer comes by itself, so that one that does not
// answer holds up no other's; then the channel is closed. A partition whose leader
// did not tell is left out, and logged.
func (g *generation) firstOffsets(ctx context.Context, parts []*partition) <-chan []commitment {
	leaders, err := g.leaders(ctx)
	led, why := map[int32][]*partition{}, map[*partition]error{}
	for _, p := range parts {
		l := leaders[p.topicPartition]
		switch {
		case err != nil:
			why[p] = err
		case l.err != nil:
			why[p] = l.err
		default:
			led[l.broker] = append(led[l.broker], p)
		}
	}
	g.boundsUnread(ctx, why)
	answers := make(chan []commitment, len(led))
	var asking sync.WaitGroup
	for broker, parts := range led {
		asking.Go(func() { answers <- g.firstsAt(ctx, broker, parts) })
	}
	go func() {
		asking.Wait()
		close(answers)
	}()
	return answers
}

// firstsAt asks one leader. What it told is to be committed.
func (g *generation) firstsAt(ctx context.Context, broker int32, parts []*partition) (firsts []commitment) {
	answers, err := g.askFirsts(ctx, broker, parts)
	why := map[*partition]error{}
	for _, p := range parts {
		var a *listoffsets.ResponsePartition
		perr := err
		if perr == nil {
			a, perr = only(answers[p.topic], func(a *listoffsets.ResponsePartition) bool { return a.Partition == p.partition })
		}
		switch {
		case perr != nil:
			why[p] = perr
		case a.ErrorCode != 0:
			why[p] = kafka.Error(a.ErrorCode)
		case a.Offset < 0:
			why[p] = fetch.ErrNoOffset
		default:
			firsts = append(firsts, commitment{p, mark{offset: a.Offset}})
		}
	}
	g.boundsUnread(ctx, why)
	return firsts
}

func (g *generation) askFirsts(ctx context.Context, broker int32, parts []*partition) (map[string][]listoffsets.ResponsePartition, error) {
	e := g.engine
	req := &firstsRequest{broker: broker, clientID: e.cfg.ClientID, body: listoffsets.Request{ReplicaID: -1}}
	at := map[string]int{}
	for _, p := range parts {
		i, ok := at[p.topic]
		if !ok {
			i = len(req.body.Topics)
			at[p.topic] = i
			req.body.Topics = append(req.body.Topics, listoffsets.RequestTopic{Topic: p.topic})
		}
		t := &req.body.Topics[i]
		t.Partitions = append(t.Partitions, listoffsets.RequestPartition{
			Partition: p.partition, CurrentLeaderEpoch: -1, Timestamp: kafka.FirstOffset,
		})
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m, err := e.cfg.Transport.RoundTrip(ctx, e.client.Addr, req)
	if err != nil {
		return nil, err
	}
	res, ok := m.(*listoffsets.Response)
	if !ok {
		return nil, fmt.Errorf("the round tripper answered with %T", m)
	}
	answers := map[string][]listoffsets.ResponsePartition{}
	for _, t := range res.Topics {
		answers[t.Topic] = append(answers[t.Topic], t.Partitions...)
	}
	return answers, nil
}

// firstsRequest is a ListOffsets request to one broker as it stands. kafka-go
// makes a request, and where need be a connection, of each partition.
type firstsRequest struct {
	broker   int32
	clientID string
	body     listoffsets.Request
	spoken   int16 // the version the library agreed on with this broker
}

// ApiKey implements protocol.Message.
func (*firstsRequest) ApiKey() protocol.ApiKey { return protocol.ListOffsets }

// Broker implements protocol.BrokerMessage.
func (r *firstsRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	if b, ok := cluster.Brokers[r.broker]; ok {
		return b, nil
	}
	return protocol.Broker{ID: -1}, kafka.LeaderNotAvailable
}

// Required implements protocol.RawExchanger.
func (r *firstsRequest) Required(versions map[protocol.ApiKey]int16) bool {
	r.spoken = versions[protocol.ListOffsets]
	return true
}

// RawExchange implements protocol.RawExchanger: the library's own codec.
func (r *firstsRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	const correlation = 1
	return protocol.RoundTrip(rw, r.spoken, correlation, r.clientID, &r.body)
}
