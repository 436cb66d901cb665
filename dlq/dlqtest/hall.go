// Package dlqtest is a rig for tests of packages that work on dead letters: a cluster in virtual
// time with letters in it, written as the service writes them.
package dlqtest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/topic"
	"release-forwarder/consumer/topic/topictest"
	"release-forwarder/consumer/wire"
	"release-forwarder/dlq"
)

// The topics of a hall. Ledger and Replays do not exist from the start.
const (
	Letters = "events.dlq"
	Events  = "events"
	Ledger  = "events.dlq.ledger"
	Replays = "replay"
)

// Hall is a cluster with dead letters and events.
type Hall struct{ *topictest.Hall }

// In runs a test with 2 partitions of dead letters and 3 of events.
func In(t *testing.T, test func(h *Hall), more ...kfake.Opt) {
	t.Helper()
	options := append([]kfake.Opt{kfake.SeedTopics(3, Events), kfake.SeedTopics(2, Letters)}, more...)
	topictest.In(t, func(h *topictest.Hall) { test(&Hall{h}) }, options...)
}

// Wire is a client of the cluster until the end of the test.
func (h *Hall) Wire() *wire.Client { return h.Hall.Wire(Events, Letters, Ledger, Replays) }

// ReaderConfig is a configuration that sees the letters of the group "group". The lot of an event
// is the beginning of its value, up to a "-".
func (h *Hall) ReaderConfig(w topic.Wire) dlq.ReaderConfig {
	return dlq.ReaderConfig{
		Wire: w, Topic: Letters, Group: "group",
		Lot: func(s *dlq.Stored) string { lot, _, _ := strings.Cut(string(s.Value), "-"); return lot },
	}
}

// Post writes letters like the service.
func (h *Hall) Post(letters ...dlq.Letter) { h.T.Helper(); h.PostOf("group", letters...) }

// PostOf writes letters of another group.
func (h *Hall) PostOf(group string, letters ...dlq.Letter) {
	h.T.Helper()
	p := dlq.NewPublisher(dlq.Config{Wire: h.Wire(), Timeout: 10 * time.Second, Topic: Letters, Group: group})
	defer p.Close()
	done := make(chan error, len(letters))
	for i := range letters {
		p.Publish(h.Ctx, &letters[i], func(err error) { done <- err })
	}
	for range letters {
		if err := <-done; err != nil {
			h.T.Fatal(err)
		}
	}
}

// Foreign writes a record that is no letter of this program.
func (h *Hall) Foreign(partition int32, value string, headers ...kgo.RecordHeader) {
	h.T.Helper()
	h.Produce(&kgo.Record{Topic: Letters, Partition: partition, Value: []byte(value), Headers: headers})
}

// Letter is the n-th of order key s, from a partition of the events. The order key is the
// beginning of the value, up to a ":".
func Letter(partition int32, s string, n int) dlq.Letter {
	return dlq.Letter{
		Topic: Events, Partition: partition, Offset: int64(n), Timestamp: 1700000000000, Key: []byte("k"), Value: fmt.Appendf(nil, "%s:%d", s, n),
		Stage: dlq.StageUpstream, Reason: dlq.ReasonRefused, Code: "400",
	}
}

// Many are n letters, of seven order keys in turn, each order key in one partition.
func Many(n int) []dlq.Letter {
	var all []dlq.Letter
	for i := range n {
		orderKey := i % 7
		all = append(all, Letter(int32(orderKey%3), "s-"+strconv.Itoa(orderKey), i))
	}
	return all
}

// HeadersOf makes headers of names and values in turn.
func HeadersOf(pairs ...string) fetch.Headers {
	var list []fetch.Header
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fetch.Header{Key: pairs[i], Value: []byte(pairs[i+1])})
	}
	return fetch.HeadersOf(list...)
}

// ID is the ID of a letter in a hall.
func ID(partition int32, offset int64) dlq.ID {
	return dlq.ID{Topic: Letters, Partition: partition, Offset: offset}
}
