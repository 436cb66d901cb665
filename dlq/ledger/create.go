package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/topic"
)

// Error says that there is no usable ledger, and how to make one.
type Error struct {
	Topic   string
	Why     string
	Command string // creates or fixes it with Kafka's own tools; may be empty
	Err     error  // may be nil
}

func (e *Error) Error() string {
	text := "the ledger, topic " + e.Topic + ", " + e.Why
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Command != "" {
		text += "; somebody with the right to must run: " + e.Command
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Ensure creates the ledger if it is missing, and checks that Kafka will keep its records.
func (l *Ledger) Ensure(ctx context.Context) error {
	if !l.exists {
		if err := l.create(ctx); err != nil {
			return err
		}
	}
	conf, err := l.log.Configs(ctx, "cleanup.policy")
	if err != nil {
		return nil //nolint:nilerr // no right to look is no fault of the ledger
	}
	if policy := conf["cleanup.policy"]; policy != "" && !strings.Contains(policy, "compact") || strings.Contains(policy, "delete") {
		return &Error{
			Topic: l.log.Topic(), Why: "is not kept: its cleanup.policy is " + policy + ", so that it would forget what was replayed",
			Command: fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --topic %s --add-config cleanup.policy=compact", l.bootstrap(), l.log.Topic()),
		}
	}
	return nil
}

func (l *Ledger) bootstrap() string { return strings.Join(l.cfg.Brokers, ",") }

// Configuration of a new ledger. Records younger than the lag are not compacted, so that
// the chain of locks is complete while it matters.
const (
	cleanupPolicy = "compact"
	compactionLag = "86400000"
)

// create creates the ledger with as many replicas as the dead-letter topic.
func (l *Ledger) create(ctx context.Context) error {
	name := l.log.Topic()
	replicas, err := l.replicas(ctx)
	if err != nil {
		return topic.Explain("read", l.cfg.Topic, err)
	}
	refused := &Error{
		Topic: name, Why: "does not exist and cannot be made",
		Command: fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions 1 --replication-factor %d --config cleanup.policy=%s --config min.compaction.lag.ms=%s",
			l.bootstrap(), name, replicas, cleanupPolicy, compactionLag),
	}
	res, err := topic.Client(l.cfg.Wire, topic.RequestTimeout).CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: name, NumPartitions: 1, ReplicationFactor: replicas,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "cleanup.policy", ConfigValue: cleanupPolicy}, {ConfigName: "min.compaction.lag.ms", ConfigValue: compactionLag}},
	}}})
	if err == nil {
		err = res.Errors[name]
	}
	if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
		refused.Err = err
		return refused
	}
	// The cluster's metadata may be old, and the leader may not know the topic yet.
	for n := range 4 * topic.Tries {
		if _, err = l.log.Describe(ctx); err == nil {
			l.exists = true
			if err = l.follow(ctx); !errors.Is(err, kafka.UnknownTopicOrPartition) {
				return err
			}
		}
		if err := topic.Pause(ctx, topic.TryPause*time.Duration(min(n+1, 4))); err != nil {
			return err
		}
	}
	return topic.Explain("read", name, err)
}

// replicas returns the number of replicas of the dead-letter topic. If it is unknown, no
// ledger is created: one with a single replica would stay so.
func (l *Ledger) replicas(ctx context.Context) (most int, err error) {
	letters := topic.NewLog(l.cfg.Wire, l.cfg.ClientID, l.cfg.Topic)
	err = topic.Retry(ctx, func() error {
		t, err := letters.Describe(ctx)
		if err != nil {
			return err
		}
		for _, p := range t.Partitions {
			most = max(most, p.Replicas)
		}
		if most == 0 {
			return kafka.LeaderNotAvailable
		}
		return nil
	})
	return most, err
}
