package producer

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/topic"
	"release-forwarder/consumer/wire"
)

// mute is a cluster that answers only metadata requests.
type mute struct{ topic.Wire }

func (mute) RoundTrip(ctx context.Context, _ net.Addr, req kafka.Request) (kafka.Response, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (mute) MetadataOf(context.Context, []string) (*wire.Metadata, error) {
	return &wire.Metadata{Topics: map[string]wire.Topic{letterTopic: {Partitions: map[int32]wire.Partition{0: {}}}}}, nil
}

const letterTopic = "events.dlq"

// letter is an empty message.
type letter struct{}

func (letter) Partition([]int) int  { return 0 }
func (letter) Record() kafka.Record { return kafka.Record{} }
func (letter) Size() int            { return 1024 }

// However many letters wait for a topic that takes none, each is reported within Limit. Only
// requests count as refusals of the topic, not letters that were never sent.
func TestALetterIsNeverKeptLongerThanItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 20 * batchMessages // 200 s, one request after the other
		done := make(chan error, many)
		p := New(Config{Wire: mute{}, Timeout: 10 * time.Second, Topic: letterTopic, Done: func(messages []Message, err error) {
			for range messages {
				done <- err
			}
		}})
		begun := time.Now()
		for range many {
			p.Publish(t.Context(), letter{})
		}
		behind := 0
		for range many {
			if errors.Is(<-done, errBehind) {
				behind++
			}
		}
		if d := time.Since(begun); d > p.Limit() {
			t.Errorf("told after %s, the limit is %s", d, p.Limit())
		}
		if behind < many/2 || behind > many-3*batchMessages {
			t.Errorf("%d of %d were not sent", behind, many)
		}
		if since := p.RefusingSince(); since.Sub(begun) != 10*time.Second {
			t.Errorf("refusing since %s", since.Sub(begun))
		}
		p.Close()
	})
}
