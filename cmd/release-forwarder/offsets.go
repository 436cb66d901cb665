package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/consumer/offsets"
)

type offsetsCommand struct {
	JSON    bool          `name:"json" help:"Print one JSON object, with every run of offsets."`
	Topics  []string      `name:"topic" help:"Topics to show instead of KAFKA_TOPIC and KAFKA_REPLAY_TOPIC; may be given several times."`
	Timeout time.Duration `default:"20s" help:"How long Kafka may take to answer everything."`
}

// Help implements kong's HelpProvider.
func (offsetsCommand) Help() string {
	return `Prints for each partition what KAFKA_GROUP_ID has committed and what the commit tells:

  COMMITTED  every record below it is finished
  LAG        from there to the log's end, as Kafka's tools show it
  DONE       how much of the lag is finished already and will not be sent again
  OPEN       the rest: held, waiting, under way, or not read yet
  WAITING    offsets that were not finished when the commit was written although later
             ones were: held records and those behind them in their order keys. The first
             one is what the committed offset waits for

Below the table it says where an open transaction holds back records.

It reads only, and does so whether the group runs or is stopped; a running group is
behind by CONSUMER_COMMIT_INTERVAL. It uses the KAFKA_ settings alone. The user needs
Describe on the group and the topic. Ends with 1 where something cannot be told.

Example:

  KAFKA_BROKERS=kafka:9092 KAFKA_TOPIC=abnormal-release KAFKA_GROUP_ID=release-forwarder \
  release-forwarder offsets`
}

// Run shows the group's progress.
func (c *offsetsCommand) Run(stop stopper, out *output) error {
	return c.Do(stop, standardScreen(stop, out), nil)
}

// Do runs the command on a screen. A nil dial is the network.
func (c *offsetsCommand) Do(ctx context.Context, sc screen, dial connect.DialFunc) error {
	s, warnings, err := settings.Load(settings.GroupKafka)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		sc.say("warning: %s", w)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	topics, optional := c.Topics, ""
	if len(topics) == 0 {
		topics, optional = []string{s.Kafka.Topic}, s.Kafka.ReplayTopic
	}
	shown, err := readProgress(ctx, s, dial, topics, optional)
	if err != nil {
		return err
	}
	if c.JSON {
		err = shown.json(sc.out)
	} else {
		err = shown.table(sc.out)
	}
	if err == nil && shown.failed {
		err = errSomeFailed
	}
	return err
}

// readProgress reads the progress on topics, which must be there, and on an
// optional one.
func readProgress(ctx context.Context, s *settings.Settings, dial connect.DialFunc, topics []string, optional string) (shownOffsets, error) {
	var none shownOffsets
	connected, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	known := slices.Clone(topics)
	if optional != "" {
		known = append(known, optional)
	}
	k, err := connect.New(connected, connect.Config{Kafka: s.Kafka, Topics: known, Dial: dial})
	if err != nil {
		return none, err
	}
	defer k.Wire.Close()
	// The transport's own errors do not tell a wrong password from a closed
	// connection, and it tries for ever.
	if err := k.Reach(ctx); err != nil {
		return none, fmt.Errorf("Kafka cannot be reached: %w", err) //nolint:staticcheck // a name begins it
	}
	progress, err := offsets.ReadProgress(ctx, k.Wire, s.Kafka.GroupID, topics)
	if err != nil {
		return none, explainOffsets(err)
	}
	absent := ""
	if optional != "" {
		more, err := offsets.ReadProgress(ctx, k.Wire, s.Kafka.GroupID, []string{optional})
		switch {
		case errors.Is(err, kafka.UnknownTopicOrPartition):
			absent = optional
		case err != nil:
			return none, explainOffsets(err)
		}
		progress = append(progress, more...)
	}
	shown := describeOffsets(s.Kafka.GroupID, progress)
	shown.Absent = absent
	return shown, nil
}

// explainOffsets adds the remedy to what Kafka refused, and says the cause once.
func explainOffsets(err error) error {
	code, _ := errors.AsType[kafka.Error](err)
	cause := code.Title()
	var remedy string
	switch {
	case errors.Is(err, kafka.UnknownTopicOrPartition):
		cause, remedy = "it does not exist, or this user may not describe it", "check KAFKA_TOPIC, or --topic"
	case errors.Is(err, kafka.TopicAuthorizationFailed):
		remedy = "grant this user Describe on the topic"
	case errors.Is(err, kafka.GroupAuthorizationFailed):
		remedy = "grant this user Describe on the group"
	case errors.Is(err, kafka.GroupCoordinatorNotAvailable), errors.Is(err, kafka.NotCoordinatorForGroup), errors.Is(err, kafka.GroupLoadInProgress):
		remedy = "the group's coordinator is moving; try again"
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w; Kafka took too long; raise --timeout, or look at the brokers", err)
	default:
		return err
	}
	return &retold{err, strings.Replace(err.Error(), code.Error(), cause, 1) + "; " + remedy}
}

// retold is an error in other words.
type retold struct {
	error
	text string
}

func (e *retold) Error() string { return e.text }
func (e *retold) Unwrap() error { return e.error }
