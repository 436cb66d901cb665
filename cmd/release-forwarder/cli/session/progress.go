package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
)

// GroupProgress is what a group has committed, with what is finished beyond it, ordered by topic and partition.
type GroupProgress []offsets.PartitionProgress

// Done implements replay.Progress: whether an offset is below the commit, or finished beyond it. It is false where the
// partition's commit is missing or could not be read.
func (g GroupProgress) Done(topic string, partition int32, offset int64) bool {
	i, found := slices.BinarySearchFunc(g, offset, func(p offsets.PartitionProgress, _ int64) int {
		return cmp.Or(cmp.Compare(p.Topic, topic), cmp.Compare(p.Partition, partition))
	})
	if !found || g[i].Err != nil || g[i].Committed < 0 {
		return false
	}
	if offset < g[i].Committed {
		return true
	}
	_, done := slices.BinarySearchFunc(g[i].Done, offset, func(r progress.Range, o int64) int {
		switch {
		case r.Last < o:
			return -1
		case r.First > o:
			return 1
		}
		return 0
	})
	return done
}

// ExplainOffsets adds a remedy to an error of reading commits or offsets, with its cause once. Errors that it does not
// know come back as they are.
func ExplainOffsets(err error) error {
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
	return &rewordedError{err, strings.Replace(err.Error(), code.Error(), cause, 1) + "; " + remedy}
}

// rewordedError is an error with another text.
type rewordedError struct {
	error
	text string
}

// Error returns the other text.
func (e *rewordedError) Error() string { return e.text }

// Unwrap returns the error itself.
func (e *rewordedError) Unwrap() error { return e.error }
