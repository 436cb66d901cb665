package wire

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ID is a topic's ID (KIP-516); zero if the brokers have none (before Kafka 2.8).
type ID [16]byte

// String returns the ID as Kafka's tools print it, "" for zero.
func (id ID) String() string {
	if id == (ID{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// Metadata is what the cluster reported of itself. It is not changed.
type Metadata struct {
	// ClusterID is "" if the cluster has none (before Kafka 0.10.1).
	ClusterID string
	Brokers   map[int32]Broker
	// Topics holds each topic that was asked for.
	Topics map[string]Topic
	// Asked is when it was asked for: it says nothing of later changes.
	Asked time.Time

	controller int32
}

// Broker is the address of a broker.
type Broker struct {
	Host string
	Port int32
	Rack string
}

// Address returns host:port.
func (b Broker) Address() string { return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))) }

// Topic is a topic, or Err, a kafka.Error, and then nothing else.
type Topic struct {
	ID         ID
	Err        error
	Partitions map[int32]Partition
	// Doubted: a broker reports another ID, which is not believed yet. This is the former state.
	Doubted bool
}

// Partition is a partition's leader. If there is none, Leader is −1 and Err says why.
type Partition struct {
	Leader int32
	// Epoch is the leader's epoch (KIP-320), −1 if the brokers have none (before Kafka 2.1).
	Epoch int32
	// Replicas is how many brokers hold it.
	Replicas int
	Err      error
}

const (
	// metadataAge is the greatest age of the metadata. New leaders are found by it, unless a broker's refusal
	// reveals them earlier.
	metadataAge = 2 * time.Second
	// metadataPause is the least time between two requests for metadata. It doubles, up to metadataAge, while
	// no broker answers.
	metadataPause = 100 * time.Millisecond
	// metadataTakes bounds a request for metadata on an open connection.
	metadataTakes = 5 * time.Second
)

// Metadata returns the cluster's last metadata: at most 2 s old while a broker answers, of any age while none
// does. It waits for the first answer only; an error says why there is none yet.
func (c *Client) Metadata(ctx context.Context) (*Metadata, error) {
	c.loop.Do(func() { go c.keepMetadata() })
	for tries := -1; ; {
		c.mu.Lock()
		last, err, more := c.told.last, c.told.err, c.told.awaited()
		ended := c.told.tries
		c.mu.Unlock()
		switch {
		case last != nil:
			return last, nil
		case err != nil && tries >= 0 && ended > tries:
			return nil, err
		}
		tries = ended
		c.Refresh()
		select {
		case <-more:
		case <-ctx.Done():
			return nil, fmt.Errorf("no broker has answered yet: %w", context.Cause(ctx))
		case <-c.ctx.Done():
			return nil, context.Cause(c.ctx)
		}
	}
}

// MetadataOf returns the metadata of some topics, or of all if topics is nil: the kept metadata, or an answer
// to a request of its own if that lacks some.
func (c *Client) MetadataOf(ctx context.Context, topics []string) (*Metadata, error) {
	m, err := c.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	if topics == nil || slices.ContainsFunc(topics, func(t string) bool { return !slices.Contains(c.cfg.Topics, t) }) {
		return c.metadataOf(ctx, c.takeAny, topics)
	}
	return m, nil
}

// awaited returns a channel that closes when the next try ends.
func (t *told) awaited() chan struct{} {
	if t.more == nil {
		t.more = make(chan struct{})
	}
	return t.more
}

// Refresh asks for new metadata soon: a broker's refusal has shown that the known one is old.
func (c *Client) Refresh() {
	c.loop.Do(func() { go c.keepMetadata() })
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// keepMetadata keeps the metadata new until the client's context ends.
func (c *Client) keepMetadata() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for pause := metadataPause; ; {
		select {
		case <-timer.C:
		case <-c.wake:
		case <-c.ctx.Done():
			c.Close()
			return
		}
		err := c.learn()
		c.sweep()
		c.mu.Lock()
		if c.told.err = nil; c.told.last == nil {
			c.told.err = err
		}
		c.told.tries++
		if c.told.more != nil {
			close(c.told.more)
			c.told.more = nil
		}
		c.mu.Unlock()
		if pause = min(2*pause, metadataAge); err == nil {
			pause = metadataPause
		}
		select {
		case <-time.After(pause):
		case <-c.ctx.Done():
		}
		timer.Reset(metadataAge - pause)
	}
}

// learn asks one broker after the other until an answer is believed. If one reports another topic ID, a second
// one is asked at once.
func (c *Client) learn() error {
	var failed []error
	var fallback *Metadata
	var from string
	for _, address := range c.addresses() {
		if fallback != nil && c.passedOver(address) {
			continue // it is asked again when its time is over: topics that are not found are not urgent
		}
		m, err := c.askMetadata(c.ctx, address)
		if c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		if err == nil {
			err = c.foreign(m)
		}
		if err != nil {
			c.passOver(c.ctx, address, err)
			failed = append(failed, err)
			continue
		}
		if c.lost() && m.unknown() { // another address may belong to a cluster that has the topics
			if fallback == nil {
				fallback, from = m, address
			}
			continue
		}
		if c.lost() {
			m, address = c.confirmed(m, address)
		}
		if c.believe(m, address) {
			return nil
		}
	}
	switch {
	case fallback != nil:
		c.believe(fallback, from)
		return nil
	case len(failed) > 0:
		return fmt.Errorf("no broker answers: %w", errors.Join(failed...))
	}
	return nil
}

func (c *Client) askMetadata(ctx context.Context, address string) (*Metadata, error) {
	return c.metadataOf(ctx, func(ctx context.Context) (*conn, error) {
		if k := c.idleTo(address); k != nil {
			return k, nil
		}
		return c.open(ctx, address)
	}, c.cfg.Topics)
}

// metadataOf asks for topics, for all if topics is nil.
func (c *Client) metadataOf(ctx context.Context, take func(context.Context) (*conn, error), topics []string) (*Metadata, error) {
	k, err := take(ctx)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrMetadataRequest() // this request creates no topic
	req.SetVersion(metadataVersion)
	if topics != nil {
		req.Topics = []kmsg.MetadataRequestTopic{}
	}
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, t)
	}
	ctx, cancel := context.WithTimeout(ctx, metadataTakes)
	defer cancel()
	var res kmsg.Response
	asked := time.Now()
	err = c.lend(ctx, k, func(k *conn) (err error) {
		res, err = k.send(c.cfg.ClientID, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	m, err := read(res.(*kmsg.MetadataResponse))
	if err == nil {
		m.Asked = asked
	}
	return m, err
}

// metadataVersion: 7 has leader epochs, 10 topic IDs.
const metadataVersion = 12

// errNamedTwice: an answer names something twice. Neither is believed.
var errNamedTwice = errors.New("the answer names something twice")

func read(res *kmsg.MetadataResponse) (*Metadata, error) {
	m := &Metadata{Brokers: map[int32]Broker{}, Topics: map[string]Topic{}, controller: res.ControllerID}
	if res.ClusterID != nil {
		m.ClusterID = *res.ClusterID
	}
	for _, b := range res.Brokers {
		if _, twice := m.Brokers[b.NodeID]; twice {
			return nil, fmt.Errorf("Metadata: %w: broker %d", errNamedTwice, b.NodeID)
		}
		broker := Broker{Host: b.Host, Port: b.Port}
		if b.Rack != nil {
			broker.Rack = *b.Rack
		}
		m.Brokers[b.NodeID] = broker
	}
	for _, t := range res.Topics {
		if t.Topic == nil {
			continue
		}
		if _, twice := m.Topics[*t.Topic]; twice {
			return nil, fmt.Errorf("Metadata: %w: a topic", errNamedTwice)
		}
		topic := Topic{ID: t.TopicID, Partitions: map[int32]Partition{}}
		if t.ErrorCode != 0 {
			topic.Err = kafka.Error(t.ErrorCode)
		}
		for _, p := range t.Partitions {
			if _, twice := topic.Partitions[p.Partition]; twice {
				return nil, fmt.Errorf("Metadata: %w: partition %d", errNamedTwice, p.Partition)
			}
			topic.Partitions[p.Partition] = partitionOf(m, p)
		}
		m.Topics[*t.Topic] = topic
	}
	return m, nil
}

// partitionOf reads one partition. A partition with a leader is led, even if other replicas are away
// (REPLICA_NOT_AVAILABLE). With any other error the named broker is not the leader.
func partitionOf(m *Metadata, p kmsg.MetadataResponseTopicPartition) Partition {
	_, led := m.Brokers[p.Leader]
	told := Partition{Leader: p.Leader, Epoch: p.LeaderEpoch, Replicas: len(p.Replicas)}
	switch {
	case led && (p.ErrorCode == 0 || kafka.Error(p.ErrorCode) == kafka.ReplicaNotAvailable):
	case p.ErrorCode != 0:
		told.Leader, told.Err = -1, kafka.Error(p.ErrorCode)
	default:
		told.Leader, told.Err = -1, kafka.LeaderNotAvailable
	}
	return told
}
