package replay

import (
	"context"

	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
	"release-forwarder/dlq/ledger"
)

// Config configures a Replayer.
type Config struct {
	// Wire must keep the metadata of the dead letters, the ledger and the topics that
	// replays are sent to.
	Wire     topic.Wire
	ClientID string
	Reader   *dlq.Reader
	Ledger   ledger.Config
	// OrderKey returns the order key of an event, within which order is kept, or "" if it
	// cannot be read. nil: every event is an order key of its own.
	OrderKey func(s *dlq.Stored, value []byte) string
}

// Replayer chooses letters and sends their events again. Use it from one goroutine at a time.
type Replayer struct{ cfg Config }

// New makes a replayer. It opens no connection.
func New(cfg Config) *Replayer { return &Replayer{cfg} }

// Target is a topic that replays send to.
type Target struct {
	Topic      string
	Partitions int32
}

// Target describes a topic that replays may send to.
func (d *Replayer) Target(ctx context.Context, to string) (Target, error) {
	t, err := topic.NewLog(d.cfg.Wire, d.cfg.ClientID, to).Describe(ctx)
	if err != nil {
		return Target{}, topic.Explain("write to", to, err)
	}
	return Target{to, int32(len(t.Partitions))}, nil
}

// Partition returns the partition for a letter's event: its original partition, modulo the
// topic's partitions. A letter that cannot be replayed has none.
func (t Target) Partition(s *dlq.Stored) (int32, error) {
	if err := s.Unfit(); err != nil {
		return 0, err
	}
	return s.Partition % t.Partitions, nil
}
