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

// Assignment is a partition that is assigned: of the topic with an ID (KIP-516), or of whichever has the name
// where the protocol assigns by name (classic).
type Assignment struct {
	Partition
	TopicID wire.ID // zero: by name
}

// Identity is under which name a member's requests are sent.
type Identity struct {
	Member     string
	Generation int32
}

// Member is this process in the group, by one of the two protocols.
type Member interface {
	// Run keeps the membership until ctx ends, then leaves the group. What is owned must have been
	// given up before: it is not given up here.
	Run(ctx context.Context)
	// Rejoin has the member tell the group what it subscribes to, which has changed.
	Rejoin()
	// Judge draws the conclusions from the coordinator's answer to a request that was sent under an
	// identity at a time: what its code says of the membership. It reports whether the error is one that it has
	// dealt with.
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

// Owner is told what the member owns. All but Fenced, Renewed, Joined and Heard are called by one
// goroutine, one at a time.
type Owner interface {
	// Assigned tells of each new generation, and what is owned from now on beside what was.
	Assigned(added []Assignment)
	// Revoked takes partitions back. It returns when nothing of them is in hand any more and
	// their last commit was sent.
	Revoked(parts []Partition)
	// Fenced says that all partitions may have other owners: what is in hand must be cut, and nothing
	// may begin. It must not wait. Lost follows.
	Fenced(request string, err error)
	// Lost takes partitions back that may have other owners already: nothing of them is committed.
	Lost(parts []Partition)
	// Joined tells under which name requests are sent from now on. unsafe: until Assigned no commit may
	// be sent, since another member's leader may have given the partitions away.
	Joined(id Identity, unsafe bool)
	// Renewed tells until when no other member can own what this one owns.
	Renewed(until time.Time)
	// Heard says that the coordinator has answered something, Failed why joining has failed.
	Heard()
	Failed(err error)
	// Topics are what to subscribe to, sorted; it waits until they exist. nil: ctx has ended.
	Topics(ctx context.Context) []string
	// Counts are the numbers of partitions of topics, those left out of which it is not known.
	Counts(ctx context.Context, topics []string) (map[string]int32, error)
	// Names are the topics' names by their IDs (KIP-516), those left out of which it is not known yet.
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

	// The session time-out and the interval are the broker's in the consumer protocol: there the first
	// is what is counted on all the same, and must not be longer than the broker's.
	SessionTimeout, HeartbeatInterval, RebalanceTimeout time.Duration
	// WatchInterval is how often the leader looks whether the topics' partitions have changed.
	WatchInterval time.Duration
}

const (
	// requestTimeout bounds a request that the coordinator answers at once.
	requestTimeout = 10 * time.Second
	// leaveTimeout bounds the wait for leaving: after it the session time-out frees the partitions.
	leaveTimeout = time.Second
	// A member joins joinBurst times in a row at the most, and then once in joinInterval, whatever
	// the coordinator answers.
	joinInterval = time.Second
	joinBurst    = 2
)

// missing are the partitions of a that are not in b.
func missing(a, b []Partition) []Partition {
	return slices.DeleteFunc(slices.Clone(a), func(p Partition) bool { return slices.Contains(b, p) })
}
