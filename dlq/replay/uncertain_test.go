package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/segmentio/kafka-go"
	produceapi "github.com/segmentio/kafka-go/protocol/produce"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/topic"
	"release-forwarder/dlq/dlqtest"
)

// unproven are answers that Kafka may give after an append, one that it never gives to this
// request, and an unknown one.
var unproven = []kafka.Error{
	kafka.NotLeaderForPartition, kafka.LeaderNotAvailable, kafka.RequestTimedOut, kafka.NotEnoughReplicasAfterAppend, kafka.KafkaStorageError,
	kafka.NetworkException, kafka.Unknown, kafka.UnknownTopicOrPartition, kafka.PolicyViolation, kafka.Error(9999),
}

// proven are answers that Kafka gives only before an append.
var proven = []kafka.Error{
	kafka.TopicAuthorizationFailed, kafka.UnsupportedCompressionType, kafka.InvalidRequiredAcks, kafka.InvalidTopic, kafka.NotEnoughReplicas,
	kafka.MessageSizeTooLarge, kafka.InvalidMessage, kafka.RecordListTooLarge, kafka.InvalidRecord, kafka.InvalidTimestamp,
	kafka.UnsupportedForMessageFormat,
}

// answering lets a broker write, and then answer each third request that writes to a topic with
// an error.
type answering struct {
	topic.Wire
	topic string
	code  kafka.Error
	n     int
}

func (a *answering) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	res, err := a.Wire.RoundTrip(ctx, addr, req)
	if err == nil && sendsTo(req, a.topic) {
		if a.n++; a.n%3 == 1 {
			res.(*produceapi.Response).Topics[0].Partitions[0].ErrorCode = int16(a.code)
		}
	}
	return res, err
}

// readerAnswered opens a person's reader at such a broker.
func (h *hall) personAnswered(by string, p *power, topic string, code kafka.Error) *person {
	d := h.personOver(by, p)
	p.Wire = &answering{Wire: p.Wire, topic: topic, code: code}
	return d
}

// A leader that loses its partition while it waits for the replicas answers with an error after
// the append. If the topic can be read the replay continues, else it ends. In both cases the
// events are in the topic once.
func TestAnAnswerThatProvesNothingSendsNothingTwice(t *testing.T) {
	for _, code := range unproven {
		for _, blind := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d blind=%t", code, blind), func(t *testing.T) {
				inHall(t, func(h *hall) {
					const n = 60
					h.Post(dlqtest.Many(n)...)
					p := &power{}
					if blind {
						p.before = func(req any) error {
							if l, is := req.(*kmsg.ListOffsetsRequest); is && l.Topics[0].Topic == dlqtest.Events {
								return kafka.TopicAuthorizationFailed
							}
							return nil
						}
					}
					err := h.personAnswered("alice", p, dlqtest.Events, code).Run(h.Ctx, all())
					missing, repeated := h.account(n)
					if blind != errors.Is(err, ErrUncertain) || !blind && (err != nil || missing != 0) || repeated != 0 {
						t.Errorf("%d missing, %d repeated: %v", missing, repeated, err)
					}
				})
			})
		}
	}
}

// If a broker refuses before the append, the batch is sent again or the replay ends with a named
// reason; in both cases it is certain that nothing was written.
func TestWhatIsRefusedBeforeTheAppendIsNotInDoubt(t *testing.T) {
	for _, code := range proven {
		t.Run(fmt.Sprint(int(code)), func(t *testing.T) {
			inHall(t, func(h *hall) {
				const n = 60
				h.Post(dlqtest.Many(n)...)
				answer, is := errors.AsType[*kerr.Error](kerr.ErrorForCode(int16(code)))
				if !is {
					t.Fatalf("no error has the code %d", code)
				}
				h.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: dlqtest.Events, Err: answer, Count: 2})
				err := h.person("alice").Run(h.Ctx, all())
				missing, repeated := h.account(n)
				if errors.Is(err, ErrUncertain) || repeated != 0 || code == kafka.NotEnoughReplicas && (err != nil || missing != 0) {
					t.Errorf("%d missing, %d repeated: %v", missing, repeated, err)
				}
			})
		})
	}
}

// forgetful removes the partition from each answer about a topic's end.
type forgetful struct {
	topic.Wire
	topic string
}

func (f forgetful) Send(ctx context.Context, broker int32, req kmsg.Request) (kmsg.Response, error) {
	res, err := f.Wire.Send(ctx, broker, req)
	if l, is := res.(*kmsg.ListOffsetsResponse); is && err == nil && l.Topics[0].Topic == f.topic {
		l.Topics[0].Partitions = nil
	}
	return res, err
}

// An answer without the partition does not mean that it is empty.
func TestAnEndThatIsNotToldIsNoEmptyTopic(t *testing.T) {
	inHall(t, func(h *hall) {
		const n = 60
		h.Post(dlqtest.Many(n)...)
		p := &power{}
		d := h.personAnswered("alice", p, dlqtest.Events, kafka.NotLeaderForPartition)
		p.Wire = forgetful{p.Wire, dlqtest.Events}
		err := d.Run(h.Ctx, all())
		if _, repeated := h.account(n); repeated != 0 || !errors.Is(err, ErrUncertain) {
			t.Errorf("%d repeated: %v", repeated, err)
		}
	})
}

// A broker is no longer the leader and wrote nothing: the new leader's log does not hold the
// events.
func TestAReplayGoesOnAfterTheLeaderHasMoved(t *testing.T) {
	inHall(t, func(h *hall) {
		const n = 60
		h.Post(dlqtest.Many(n)...)
		h.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: dlqtest.Events, Err: kerr.NotLeaderForPartition, Count: 4})
		err := h.person("alice").Run(h.Ctx, all())
		if missing, repeated := h.account(n); err != nil || missing != 0 || repeated != 0 {
			t.Errorf("%d missing, %d repeated: %v", missing, repeated, err)
		}
	})
}

// The records may be in the leader's log above the visible end, or still on their way.
func TestWhatIsNotSeenAfterATimeOutIsNotSentAgain(t *testing.T) {
	for _, answer := range []error{kafka.RequestTimedOut, kafka.Unknown, kafka.KafkaStorageError, kafka.Error(9999), io.ErrUnexpectedEOF, context.DeadlineExceeded} {
		inHall(t, func(h *hall) {
			h.Post(dlqtest.Many(9)...)
			sent := 0
			p := &power{before: func(req any) error {
				if !sendsTo(req, dlqtest.Events) {
					return nil
				}
				sent++
				valuesOf(req)
				return answer
			}}
			if err := h.personOver("alice", p).Run(h.Ctx, all()); !errors.Is(err, ErrUncertain) || !errors.Is(err, answer) || sent != 1 {
				t.Errorf("%v: sent %d times: %v", answer, sent, err)
			}
		})
	}
}

// It is certain that a request which was never sent wrote nothing, for any error.
func TestWhatWasNeverSentIsSentAgain(t *testing.T) {
	for _, kept := range []error{&net.OpError{Op: "dial", Err: errCut}, kafka.BrokerNotAvailable, context.DeadlineExceeded} {
		inHall(t, func(h *hall) {
			const n = 60
			h.Post(dlqtest.Many(n)...)
			failures := 0
			p := &power{before: func(req any) error {
				if sendsTo(req, dlqtest.Events) && failures < 3 {
					failures++
					return kept
				}
				return nil
			}}
			err := h.personOver("alice", p).Run(h.Ctx, all())
			if missing, repeated := h.account(n); err != nil || missing != 0 || repeated != 0 {
				t.Errorf("%v: %d missing, %d repeated: %v", kept, missing, repeated, err)
			}
		})
	}
}

// The ledger's entries can be written again with the same content, and reading the ledger tells
// whether a link counts.
func TestTheLedgerIsWrittenWhateverItsBrokerAnswers(t *testing.T) {
	for _, code := range unproven {
		inHall(t, func(h *hall) {
			const n = 60
			h.Post(dlqtest.Many(n)...)
			for _, by := range []string{"alice", "bob"} {
				if err := h.personAnswered(by, &power{}, dlqtest.Ledger, code).Run(h.Ctx, all()); err != nil {
					t.Errorf("%d: %v", code, err)
				}
			}
			if missing, repeated := h.account(n); missing != 0 || repeated != 0 {
				t.Errorf("%d: %d missing, %d repeated", code, missing, repeated)
			}
		})
	}
}

// Records after an open transaction cannot be read, so it is unknown whether they are there.
func TestWhatLiesBehindAnOpenTransactionIsNotSentAgain(t *testing.T) {
	inHall(t, func(h *hall) {
		producer, err := kgo.NewClient(kgo.SeedBrokers(h.Cluster.ListenAddrs()...), kgo.Dialer(h.Net.Dial), kgo.TransactionalID("open"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		defer producer.Close()
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for partition := range int32(3) {
			if err := producer.ProduceSync(h.Ctx, &kgo.Record{Topic: dlqtest.Events, Partition: partition, Value: []byte("s-9:0")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		const n = 60
		h.Post(dlqtest.Many(n)...)
		if err := h.personAnswered("alice", &power{}, dlqtest.Events, kafka.NotLeaderForPartition).Run(h.Ctx, all()); !errors.Is(err, ErrUncertain) {
			t.Error(err)
		}
		if err := producer.EndTransaction(h.Ctx, kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		values := map[string]int{}
		log := topic.NewLog(h.Wire(), "", dlqtest.Events)
		spans, err := log.Spans(h.Ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, span := range spans {
			for rec, err := range log.Read(h.Ctx, span.Partition, span.First, span.End) {
				if err != nil {
					t.Fatal(err)
				}
				value := string(rec.Value)
				if values[value]++; values[value] > 1 && value != "s-9:0" {
					t.Errorf("%s was sent %d times", value, values[value])
				}
			}
		}
		if len(values) < 2 {
			t.Error("nothing was sent")
		}
	})
}
