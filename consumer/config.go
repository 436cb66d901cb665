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

// OffsetReset says where to go on when a committed offset is not in the log: the values of
// KAFKA_OFFSET_RESET.
type OffsetReset string

const (
	// ResetEarliest goes on at the first record there is.
	ResetEarliest OffsetReset = "earliest"
	// ResetNone leaves the partition alone until a person has decided.
	ResetNone OffsetReset = "none"
)

// Choices are the values.
func (OffsetReset) Choices() []string { return []string{string(ResetEarliest), string(ResetNone)} }

// waits tells whether a person decides.
func (r OffsetReset) waits() bool {
	switch r {
	case ResetEarliest:
		return false
	case ResetNone:
		return true
	}
	panic("consumer: no such offset reset: " + string(r))
}

// Config is what an Engine needs: settings of the service, one by one, and its parts. Every field
// without a default must be set. It has many fields: one for each setting, in one literal.
type Config struct {
	// Topics must exist before anything is read; they are waited for. Optional
	// ones are read as well while they exist.
	Topics        []string
	Optional      []string
	GroupID       string
	GroupProtocol membership.Protocol
	ClientID      string
	// Rack is where this client is: a replica there is read from where brokers know racks
	// (KIP-392); "": the leader is.
	Rack string

	Wire Wire

	SessionTimeout    time.Duration
	HeartbeatInterval time.Duration
	RebalanceTimeout  time.Duration

	OffsetReset OffsetReset

	// MaxPending bounds the unfinished records of each partition, MaxPendingBytes
	// those of all together and the answers being read; each partition has an
	// equal share and always room for one record.
	MaxPending      int
	MaxPendingBytes int64
	// MaxRecordBytes is the largest record handled without remark. A larger one
	// is processed alone.
	MaxRecordBytes int

	// Workers bounds the deliveries in hand at once.
	Workers int

	// DeliveryLimit is how long a delivery may take by configuration: its attempts, the
	// waits between them but for those at the gate, and its dead letter. 0: nobody
	// looks.
	DeliveryLimit time.Duration
	// Slot tells whether the gate would give a slot now as far as time goes, and whether
	// all slots are out. It must not wait. nil: it would.
	Slot func() (may, full bool)

	CommitInterval time.Duration
	// DrainTimeout bounds how long open deliveries are waited for when
	// partitions are given up.
	DrainTimeout time.Duration

	// OrderKey gives a record's order key, or "" where it has none that can be
	// read: such a record waits for no other.
	OrderKey func(value []byte) string

	Gate    Gate
	Handler Handler
	Hooks   Hooks
	Log     *slog.Logger
}

// Wire is the way to the cluster: a [wire.Client]. What it is asked of brokers is by ID, as
// the metadata names them.
type Wire interface {
	// Metadata is of the topics that the service reads, MetadataOf of any.
	Metadata(ctx context.Context) (*wire.Metadata, error)
	MetadataOf(ctx context.Context, topics []string) (*wire.Metadata, error)
	// Refresh asks for new metadata soon.
	Refresh()
	Send(ctx context.Context, broker int32, req kmsg.Request) (kmsg.Response, error)
	SendToCoordinator(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error)
	ForgetCoordinator(group string)
	Exchange(ctx context.Context, broker int32, key int16, exchange func(rw io.ReadWriter, version int16) error) error
}

// Hooks tell of what happens, for metrics. They are called without the engine's lock, and may
// call it; what happened waits for them, so they must not block.
type Hooks struct {
	Assigned func(topic string, partition int32)
	Dropped  func(topic string, partition int32, count int64)
	// Committing is told of a commit that begins, with the topic where it covers
	// only one, and gives what is to be told of its end.
	Committing func(topic string, partitions int) (ended func(result string))
	Committed  func(result string) // ok, stale, failed
	// Drained tells how long a drain took, from its beginning to the last commit.
	Drained func(took time.Duration)
	// Rebalanced is told of each rebalance that changed what this member owns.
	Rebalanced func()
	// Owns tells how many partitions of each topic this member owns, and how
	// many there are, a topic of which that is not known left out: when it has
	// joined, when that has changed, and with nothing owned when it gave them up.
	Owns            func(owned, all map[string]int)
	MetadataIgnored func()
}

const (
	// recordOverhead is what a waiting record costs beside its bytes: the
	// delivery, its key queue and their place in maps and queues.
	recordOverhead = 512

	// fetchWait is the long poll's length.
	fetchWait = 500 * time.Millisecond

	// requestTimeout bounds one request to Kafka.
	requestTimeout = 10 * time.Second

	// joinInterval is the least time between two joins of the group, and
	// between tries of anything else that failed.
	joinInterval = time.Second

	// settleTime is how long a committed offset must have stood above the
	// log's end before that is believed: a new leader may lag (KIP-207).
	settleTime = 30 * time.Second

	// watchInterval is how often the number of partitions is looked at.
	watchInterval = 5 * time.Second
)
