package membership

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/wire"
)

// Partition is one partition of a topic.
type Partition struct {
	Topic  string
	Number int32
}

// Compare orders by topic and number.
func (p Partition) Compare(other Partition) int {
	return cmp.Or(cmp.Compare(p.Topic, other.Topic), cmp.Compare(p.Number, other.Number))
}

// Assignment is an assigned partition: of the topic with an ID (KIP-516), or, in the classic protocol, of
// whichever topic has the name.
type Assignment struct {
	Partition
	TopicID wire.ID // zero: by name
}

// Identity is the identity under which a member's requests are sent. In the consumer protocol Generation is
// the member epoch.
type Identity struct {
	Member     string
	Generation int32
}

// Member is this process in the group, by one of the two protocols.
type Member interface {
	// Run keeps the membership until ctx ends, then leaves the group. It gives nothing up: what is owned must
	// have been given up before.
	Run(ctx context.Context)
	// Rejoin makes the member tell the group its changed subscription.
	Rejoin()
	// Judge applies the coordinator's answer to a request that was sent under an identity at a time: what its
	// code says of the membership. It reports whether that deals with the error.
	Judge(request string, id Identity, sent time.Time, err error) (settled bool)
}

// Protocol is how the members share the partitions: the values of KAFKA_GROUP_PROTOCOL.
type Protocol string

// The group protocols.
const (
	ProtocolClassic  Protocol = "classic"  // a member assigns: cooperative (KIP-429)
	ProtocolConsumer Protocol = "consumer" // the coordinator assigns: KIP-848, Kafka 4.0 and later
)

// Choices are the values.
func (Protocol) Choices() []string {
	return []string{string(ProtocolClassic), string(ProtocolConsumer)}
}

// New makes a member. It contacts nothing.
func New(cfg Config) Member {
	switch cfg.Protocol {
	case ProtocolClassic:
		return newClassic(cfg)
	case ProtocolConsumer:
		return newConsumer(cfg)
	}
	panic("membership: no such protocol: " + string(cfg.Protocol))
}

// Owner is told what the member owns. One goroutine calls its methods, one at a time, except Fenced, Renewed,
// Joined and Heard.
type Owner interface {
	// Assigned reports each new generation, and what is owned from now on in addition.
	Assigned(added []Assignment)
	// Revoked takes partitions back. It returns when none of their records is in hand now and their last
	// commit was sent.
	Revoked(parts []Partition)
	// Fenced: all partitions may have other owners. What is in hand must be cut, and nothing may begin. It
	// must not wait. Lost follows.
	Fenced(request string, err error)
	// Lost takes partitions back that may have other owners already: nothing of them is committed.
	Lost(parts []Partition)
	// Joined gives the identity of requests from now on. unsafe: no commit may be sent before Assigned, since
	// another member's leader may have given the partitions away.
	Joined(id Identity, unsafe bool)
	// Renewed gives the end of the lease: until then no other member can own what this one owns.
	Renewed(until time.Time)
	// Heard: the coordinator has answered something. Failed: why a join has failed.
	Heard()
	Failed(err error)
	// Topics returns what to subscribe to, sorted; it waits until the topics exist. nil: ctx has ended.
	Topics(ctx context.Context) []string
	// Counts returns topics' numbers of partitions, without the topics whose number is not known.
	Counts(ctx context.Context, topics []string) (map[string]int32, error)
	// Names returns the topics' names by their IDs (KIP-516), without those that are not known yet.
	Names(ctx context.Context, ids []wire.ID) map[wire.ID]string
}

// Wire is the way to the group's coordinator.
type Wire interface {
	SendToCoordinator(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error)
	ForgetCoordinator(group string)
}

// Config is what a member needs. Every field must be set.
type Config struct {
	Protocol Protocol
	Group    string
	ClientID string
	Wire     Wire
	Owner    Owner
	Log      *slog.Logger

	// In the consumer protocol the broker has a session time-out and an interval of its own. The lease still
	// counts on SessionTimeout, which must not be longer than the broker's.
	SessionTimeout, HeartbeatInterval, RebalanceTimeout time.Duration
	// WatchInterval is how often the leader checks whether the topics' partitions have changed.
	WatchInterval time.Duration
}

const (
	// requestTimeout bounds a request that the coordinator answers at once.
	requestTimeout = 10 * time.Second
	// leaveTimeout bounds the wait for leaving: after it the session time-out frees the partitions.
	leaveTimeout = time.Second
	// A member joins at most joinBurst times in a row, and then once per joinInterval, whatever the
	// coordinator answers.
	joinInterval = time.Second
	joinBurst    = 2
)

// missing returns the partitions of a that are not in b.
func missing(a, b []Partition) []Partition {
	return slices.DeleteFunc(slices.Clone(a), func(p Partition) bool { return slices.Contains(b, p) })
}
