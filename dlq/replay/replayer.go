package replay

import (
	"context"
	"fmt"
	"slices"
	"strings"

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

// To are the topics that replays may send to: with one, every event goes there; with several,
// each goes to the topic in which it began. In the topic it goes into its original partition,
// modulo the topic's partitions.
type To []string

// Of returns the topic for a letter's event, or a [*NoTopicError].
func (t To) Of(s *dlq.Stored) (string, error) {
	if len(t) == 1 {
		return t[0], nil
	}
	began, _, _ := strings.Cut(s.Origin, "/")
	if !slices.Contains(t, began) {
		return "", &NoTopicError{ID: s.ID, Began: began}
	}
	return began, nil
}

// String names the topics.
func (t To) String() string { return strings.Join(t, ", ") }

// NoTopicError says that a letter's event began in none of the topics that replays may send to.
type NoTopicError struct {
	ID    dlq.ID
	Began string
}

func (e *NoTopicError) Error() string {
	return fmt.Sprintf("dead letter %s: its event began in topic %q, which is not one of the event topics; choose one by --to", e.ID, e.Began)
}

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

// Targets describes topics that replays may send to, by name.
func (d *Replayer) Targets(ctx context.Context, to To) (map[string]Target, error) {
	targets := map[string]Target{}
	for _, name := range to {
		t, err := d.Target(ctx, name)
		if err != nil {
			return nil, err
		}
		targets[name] = t
	}
	return targets, nil
}

// Partition returns the partition for a letter's event: its original partition, modulo the
// topic's partitions. A letter that cannot be replayed has none.
func (t Target) Partition(s *dlq.Stored) (int32, error) {
	if err := s.Unfit(); err != nil {
		return 0, err
	}
	return s.Partition % t.Partitions, nil
}
