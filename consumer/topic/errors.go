package topic

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
)

// Error says that an operation on a topic failed, and what to do.
type Error struct {
	Op     string // "read", "write to", …
	Topic  string
	Remedy string // for a person; may be empty
	Err    error
}

func (e *Error) Error() string {
	cause := e.Err.Error()
	switch { // Kafka's texts repeat themselves
	case errors.Is(e.Err, kafka.UnknownTopicOrPartition):
		cause = "it does not exist, or this user may not describe it"
	case errors.Is(e.Err, kafka.TopicAuthorizationFailed):
		cause = kafka.TopicAuthorizationFailed.Title()
	}
	text := fmt.Sprintf("cannot %s topic %s: %s", e.Op, e.Topic, cause)
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Explain wraps Kafka's error about an operation on a topic as an [*Error], with a remedy if a
// person can do something. It leaves nil, a cancelled context and an [*Error] as they are.
func Explain(op, topic string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, already := errors.AsType[*Error](err); already {
		return err
	}
	e := &Error{Op: op, Topic: topic, Err: err}
	switch {
	case errors.Is(err, kafka.TopicAuthorizationFailed):
		right := "Read"
		if strings.HasPrefix(op, "write") {
			right = "Write"
		}
		e.Remedy = "grant this user " + right + " on the topic"
	case errors.Is(err, fetch.ErrCorrupt):
		e.Remedy = "the log is damaged there; see the broker's log"
	}
	return e
}
