package consumer

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/membership"
	"release-forwarder/consumer/wire"
)

// OffsetReset is where to read on if a committed offset is not in the log: KAFKA_OFFSET_RESET.
type OffsetReset string

const (
	// ResetEarliest reads on at the first record of the log.
	ResetEarliest OffsetReset = "earliest"
	// ResetNone stops the partition until a person has decided.
	ResetNone OffsetReset = "none"
)

// Choices returns the values.
func (OffsetReset) Choices() []string { return []string{string(ResetEarliest), string(ResetNone)} }

// waits reports whether a person decides.
func (r OffsetReset) waits() bool {
	switch r {
	case ResetEarliest:
		return false
	case ResetNone:
		return true
	}
	panic("consumer: no such offset reset: " + string(r))
}

// Config is what an Engine needs: its parts, and settings of the service. Set every field that
// names no default.
type Config struct {
	// All topics are read while they exist. The engine joins once one of Topics does; Optional
	// ones alone are not enough.
	Topics        []string
	Optional      []string
	GroupID       string
	GroupProtocol membership.Protocol
	ClientID      string
	// Rack is the rack of this client: a replica in it is read from if the brokers know racks
	// (KIP-392). "": the leader is read from.
	Rack string

	Wire Wire

	SessionTimeout    time.Duration
	HeartbeatInterval time.Duration
	RebalanceTimeout  time.Duration

	OffsetReset OffsetReset

	// MaxPending bounds the unfinished records of each partition. MaxPendingBytes bounds the
	// bytes of all unfinished records and of the answers being read: a quarter is for answers,
	// the rest is shared equally by the partitions. Each always has room for one record.
	MaxPending      int
	MaxPendingBytes int64
	// MaxRecordBytes is the size, in bytes, above which a record is large: it is logged, and at
	// most one is in memory at a time.
	MaxRecordBytes int

	// Workers is the greatest number of workers. Each hands one record at a time to the Handler.
	Workers int

	// DeliveryLimit is how long a delivery may take by configuration: its attempts, its
	// waits between them except those at the gate, and its dead letter. 0: no limit.
	DeliveryLimit time.Duration
	// Slot reports whether the gate would give a slot now, as far as its times say, and whether
	// all slots are in use. It must not wait. nil: the gate always would.
	Slot func() (may, full bool)

	CommitInterval time.Duration
	// DrainTimeout bounds how long a drain waits for open deliveries.
	DrainTimeout time.Duration

	// OrderKey returns a record's order key. "": it cannot be read, and the record waits for
	// no other. It must not keep the record.
	OrderKey func(*Record) string

	Gate    Gate
	Handler Handler
	Hooks   Hooks
	Log     *slog.Logger
}

// Wire connects to the cluster; [wire.Client] implements it. Brokers are named by the IDs in
// the metadata.
type Wire interface {
	// Metadata is about the topics that the service reads, MetadataOf about any topics.
	Metadata(ctx context.Context) (*wire.Metadata, error)
	MetadataOf(ctx context.Context, topics []string) (*wire.Metadata, error)
	// Refresh asks for new metadata soon.
	Refresh()
	Send(ctx context.Context, broker int32, req kmsg.Request) (kmsg.Response, error)
	SendToCoordinator(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error)
	ForgetCoordinator(group string)
	Exchange(ctx context.Context, broker int32, key int16, exchange func(rw io.ReadWriter, version int16) error) error
}

// Hooks report events, for metrics. The engine calls them without its lock, so that they may call
// the engine. It waits for them: they must not block.
type Hooks struct {
	Assigned func(topic string, partition int32)
	// Dropped reports records that Kafka no longer has; count is the number of their offsets.
	Dropped func(topic string, partition int32, count int64)
	// Committing reports the start of a commit; topic is "" if the commit covers several. The
	// engine calls ended at its end.
	Committing func(topic string, partitions int) (ended func(result string))
	Committed  func(result string) // ok, stale, failed
	// Drained reports how long a drain took, including its last commit.
	Drained func(took time.Duration)
	// Rebalanced reports each rebalance that changed what this member owns.
	Rebalanced func()
	// Owns reports, for each topic, how many partitions this member owns and how many there
	// are; a topic whose number is unknown is left out. It is called after a join, after a
	// change, and with nothing owned after the partitions were given up.
	Owns            func(owned, all map[string]int)
	MetadataIgnored func()
}

const (
	// recordOverhead is the bytes that an unfinished record costs beside its own: the delivery,
	// its key queue, and their places in maps and queues.
	recordOverhead = 512

	// fetchWait is the length of a long poll.
	fetchWait = 500 * time.Millisecond

	// requestTimeout bounds one request to Kafka.
	requestTimeout = 10 * time.Second

	// joinInterval is the pause before a failed step (topics, start, commit of a cut) is tried
	// again.
	joinInterval = time.Second

	// settleTime is how long an offset must be above the log's end before that is believed: a
	// new leader may lag (KIP-207).
	settleTime = 30 * time.Second

	// watchInterval is how often the numbers of partitions are checked.
	watchInterval = 5 * time.Second
)
