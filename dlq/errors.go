package dlq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"release-forwarder/consumer/fetch"
)

// TopicError says that an operation on a topic failed, and what to do.
type TopicError struct {
	Op     string // "read", "write to", …
	Topic  string
	Remedy string // for a person; may be empty
	Err    error
}

func (e *TopicError) Error() string {
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

func (e *TopicError) Unwrap() error { return e.Err }

// topicError wraps Kafka's error, with a remedy if a person can do something.
func topicError(op, topic string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, already := errors.AsType[*TopicError](err); already {
		return err
	}
	e := &TopicError{Op: op, Topic: topic, Err: err}
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

// MissingError says that there is no letter with an ID.
type MissingError struct {
	ID         ID
	First, End int64 // the partition's offsets: from First, up to but excluding End
}

func (e *MissingError) Error() string {
	if e.First >= e.End {
		return fmt.Sprintf("there is no dead letter %s: the partition is empty", e.ID)
	}
	if e.ID.Offset < e.First {
		return fmt.Sprintf("there is no dead letter %s: retention took it; the partition begins at %d", e.ID, e.First)
	}
	if e.ID.Offset >= e.End {
		return fmt.Sprintf("there is no dead letter %s: the partition ends at %d", e.ID, e.End-1)
	}
	return fmt.Sprintf("there is no dead letter %s: that offset holds no record", e.ID)
}

// OtherGroupError says that a letter is another consumer group's.
type OtherGroupError struct {
	ID    ID
	Group string
}

func (e *OtherGroupError) Error() string {
	return fmt.Sprintf("dead letter %s is of the group %s, not of this one", e.ID, quoted(e.Group))
}

// UnfitError says why a letter cannot be replayed.
type UnfitError struct {
	ID       ID
	Problems []string
}

func (e *UnfitError) Error() string {
	return fmt.Sprintf("dead letter %s cannot be replayed: %s", e.ID, strings.Join(e.Problems, "; "))
}

// LedgerError says that there is no usable ledger, and how to make one.
type LedgerError struct {
	Topic   string
	Why     string
	Command string // creates or fixes it with Kafka's own tools; may be empty
	Err     error  // may be nil
}

func (e *LedgerError) Error() string {
	text := "the ledger, topic " + e.Topic + ", " + e.Why
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Command != "" {
		text += "; somebody with the right to must run: " + e.Command
	}
	return text
}

func (e *LedgerError) Unwrap() error { return e.Err }

// Errors of a replay.
var (
	// ErrTakenOver ends a replay after another one took the lock, because this one was
	// silent for longer than the lease. Confirmed letters stay confirmed.
	ErrTakenOver = errors.New("another replay has taken over: this one was silent for too long")
	// ErrUncertain ends a replay that does not know the result of its last batch and
	// does not find it in the topic. Those letters stay open; the next replay sends
	// them again.
	ErrUncertain = errors.New("it is not known whether the last batch arrived")
)

// passing reports whether the next try may succeed.
func passing(err error) bool {
	if code, is := errors.AsType[kafka.Error](err); is {
		return code.Temporary() && code != kafka.UnknownTopicOrPartition || code == kafka.BrokerNotAvailable
	}
	if errors.Is(err, fetch.ErrLeftOut) || errors.Is(err, fetch.ErrTwice) || errors.Is(err, fetch.ErrNoOffset) ||
		errors.Is(err, fetch.ErrOtherReplica) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, protocol.ErrNoLeader) {
		return true
	}
	if _, is := errors.AsType[net.Error](err); is {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// unwrittenError marks an error that proves that no record of a request was written.
type unwrittenError struct{ err error }

func (e *unwrittenError) Error() string { return e.err.Error() }
func (e *unwrittenError) Unwrap() error { return e.err }

func unwritten(err error) bool {
	_, is := errors.AsType[*unwrittenError](err)
	return is
}

// checkedFirst are the answers to a Produce request that Kafka gives only before the
// append. After any other, also an unknown one, the records may be in the log: a leader
// that loses its partition, or its disk, while the records wait for the replicas
// (acks=all) answers like one that never took them (DelayedProduce.tryComplete:
// NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR, UNKNOWN_TOPIC_OR_PARTITION,
// NOT_ENOUGH_REPLICAS_AFTER_APPEND; REQUEST_TIMED_OUT after the time-out).
var checkedFirst = []kafka.Error{
	kafka.TopicAuthorizationFailed,    // KafkaApis.handleProduceRequest
	kafka.UnsupportedCompressionType,  // ProduceRequest.validateRecords
	kafka.InvalidRequiredAcks,         // ReplicaManager.appendRecords
	kafka.InvalidTopic,                // ReplicaManager.appendToLocalLog
	kafka.NotEnoughReplicas,           // Partition.appendRecordsToLeader
	kafka.MessageSizeTooLarge,         // UnifiedLog.analyzeAndValidateRecords, and .append after recompressing
	kafka.InvalidMessage,              // UnifiedLog.analyzeAndValidateRecords: the checksum
	kafka.RecordListTooLarge,          // UnifiedLog.append: larger than a segment
	kafka.InvalidRecord,               // LogValidator, and ProduceRequest.validateRecords
	kafka.InvalidTimestamp,            // LogValidator
	kafka.UnsupportedForMessageFormat, // LogValidator
}

// recordRefused reports whether a broker refuses the record itself, for good. All of
// these are checked before the append.
func recordRefused(err error) bool {
	code, is := errors.AsType[kafka.Error](err)
	return is && slices.Contains([]kafka.Error{kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidRecord, kafka.InvalidMessage}, code)
}
