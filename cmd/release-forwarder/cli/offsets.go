package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/consumer/offsets"
)

// OffsetsCommand prints what the group has committed, and what is finished beyond it.
type OffsetsCommand struct {
	JSON    bool          `name:"json" help:"Print one JSON object, with every run of offsets."`
	Topics  []string      `name:"topic" help:"Topics to show instead of KAFKA_TOPIC and KAFKA_REPLAY_TOPIC; may be given several times."`
	Timeout time.Duration `default:"20s" help:"How long Kafka may take to answer everything."`
}

// Help implements kong's HelpProvider.
func (OffsetsCommand) Help() string {
	return `Prints for each partition what KAFKA_GROUP_ID has committed, and what the commit says:

  COMMITTED  every record below it is finished
  LAG        offsets from there to the log's end, as Kafka's tools show it
  DONE       the part of LAG that is finished and will not be sent again
  OPEN       the rest: held, waiting, in flight, or not read yet
  WAITING    offsets that were unfinished at the commit although later ones were finished:
             held records, and those behind them with the same order key. The committed
             offset waits for the first of them

Below the table it names each open transaction that holds back records.

It changes nothing, and works whether the group runs or not. What it shows of a running group
is up to CONSUMER_COMMIT_INTERVAL old. It uses only the KAFKA_ settings. The user needs
Describe on the group and the topics.

Of several topics in KAFKA_TOPIC, one that cannot be read hides no other.

Exits 1 if something is unknown.

Example:

  KAFKA_BROKERS=kafka:9092 KAFKA_TOPIC=abnormal-release KAFKA_GROUP_ID=release-forwarder \
  release-forwarder offsets`
}

// Run shows the group's progress.
func (c *OffsetsCommand) Run(stop console.Stopper, out *console.Output) error {
	return c.Do(stop, console.NewScreen(stop, out), nil)
}

// Do runs the command on a screen. A nil dial is the network.
func (c *OffsetsCommand) Do(ctx context.Context, sc console.Screen, dial connect.DialFunc) error {
	s, warnings, err := settings.Load(settings.GroupKafka)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		sc.Say("warning: %s", w)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	shown, err := readProgress(ctx, s, dial, c.Topics, sc.Say)
	if err != nil {
		return err
	}
	if c.JSON {
		err = shown.json(sc.Out)
	} else {
		err = shown.table(sc.Out)
	}
	if err == nil && shown.failed {
		err = console.ErrSomeFailed
	}
	return err
}

// readProgress reads the progress on the named topics, all of which must exist, or else on the
// service's. Of these at least one event topic must be readable; it says what of the others is not.
func readProgress(ctx context.Context, s *settings.Settings, dial connect.DialFunc, named []string, say func(string, ...any)) (shownOffsets, error) {
	var none shownOffsets
	connected, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	topics := named
	if len(named) == 0 {
		topics = s.Topics()
	}
	k, err := connect.New(connected, connect.Config{Kafka: s.Kafka, Topics: topics, Dial: dial})
	if err != nil {
		return none, err
	}
	defer k.Wire.Close()
	// The transport's own errors do not distinguish a wrong password from a closed
	// connection, and it retries indefinitely.
	if err := k.Reach(ctx); err != nil {
		return none, fmt.Errorf("Kafka cannot be reached: %w", err) //nolint:staticcheck // a name begins it
	}
	var progress []offsets.PartitionProgress
	var absent []string
	var troubles []error
	var first error // why a topic that is needed cannot be read
	readable := false
	for _, topic := range topics {
		more, err := offsets.ReadProgress(ctx, k.Wire, s.Kafka.GroupID, []string{topic})
		progress = append(progress, more...)
		needed := len(named) > 0 || topic != s.Kafka.ReplayTopic
		switch {
		case err == nil:
			readable = readable || needed
			continue
		case errors.Is(err, kafka.UnknownTopicOrPartition):
			absent = append(absent, topic)
		default:
			troubles = append(troubles, session.ExplainOffsets(err))
		}
		if needed {
			first = cmp.Or(first, session.ExplainOffsets(err))
		}
	}
	if first != nil && (len(named) > 0 || !readable) {
		return none, first
	}
	for _, err := range troubles {
		say("warning: %v", err)
	}
	shown := describeOffsets(s.Kafka.GroupID, progress)
	shown.Absent = strings.Join(absent, ", ")
	shown.failed = shown.failed || len(troubles) > 0
	return shown, nil
}
