package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	produceapi "github.com/segmentio/kafka-go/protocol/produce"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/topic"
	"release-forwarder/consumer/wire"
	"release-forwarder/dlq"
	"release-forwarder/dlq/dlqtest"
	"release-forwarder/dlq/ledger"
)

// hall is a cluster with dead letters, and people who work on them.
type hall struct{ *dlqtest.Hall }

// inHall runs a test with 2 partitions of dead letters and 3 of events.
func inHall(t *testing.T, test func(h *hall), more ...kfake.Opt) {
	t.Helper()
	dlqtest.In(t, func(h *dlqtest.Hall) { test(&hall{h}) }, more...)
}

// errCut ends a person's connection to Kafka: see power.
var errCut = errors.New("the power is cut")

// power passes requests until it is cut: before a request is sent, or before its answer is
// read. From then on nothing passes.
type power struct {
	topic.Wire
	at    int64 // the request at which it is cut; 0: never
	late  bool  // its answer is lost, not the request
	count atomic.Int64
	// before, unless nil, sees each request and may refuse it; dead is for its use.
	before func(req any) error
	dead   bool
}

// pass sends one request, or refuses it.
func (p *power) pass(req any, send func() error) error {
	n := p.count.Add(1)
	if p.before != nil {
		if err := p.before(req); err != nil {
			return err
		}
	}
	if p.at > 0 && n >= p.at {
		if n == p.at && p.late {
			_ = send()
		}
		return errCut
	}
	return send()
}

func (p *power) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (res kafka.Response, err error) {
	err = p.pass(req, func() (err error) { res, err = p.Wire.RoundTrip(ctx, addr, req); return err })
	return res, err
}

func (p *power) Send(ctx context.Context, broker int32, req kmsg.Request) (res kmsg.Response, err error) {
	err = p.pass(req, func() (err error) { res, err = p.Wire.Send(ctx, broker, req); return err })
	return res, err
}

func (p *power) Exchange(ctx context.Context, broker int32, key int16, exchange func(io.ReadWriter, int16) error) error {
	return p.pass(kmsg.Key(key), func() error { return p.Wire.Exchange(ctx, broker, key, exchange) })
}

func (p *power) MetadataOf(ctx context.Context, topics []string) (m *wire.Metadata, err error) {
	err = p.pass(kmsg.Metadata, func() (err error) { m, err = p.Wire.MetadataOf(ctx, topics); return err })
	return m, err
}

// person is one who replays and closes letters.
type person struct{ *Replayer }

func (h *hall) person(by string) *person { return h.personOver(by, &power{}) }

func (h *hall) personOver(by string, p *power) *person {
	p.Wire = h.Wire()
	return h.personWith(by, h.ReaderConfig(p))
}

// personWith opens a person's reader of another configuration.
func (h *hall) personWith(by string, c dlq.ReaderConfig) *person {
	return &person{New(Config{
		Wire: c.Wire, Reader: dlq.NewReader(c),
		Ledger:   ledger.Config{Wire: c.Wire, Brokers: h.Cluster.ListenAddrs(), Topic: c.Topic, By: by},
		OrderKey: func(_ *dlq.Stored, value []byte) string { s, _, _ := strings.Cut(string(value), ":"); return s },
	})}
}

func (d *person) ledger(ctx context.Context, watch ...dlq.ID) (*ledger.Ledger, error) {
	return ledger.Open(ctx, d.cfg.Ledger, watch...)
}

func (d *person) close(ctx context.Context, ids []dlq.ID, why string) (int, error) {
	return ledger.Close(ctx, d.cfg.Ledger, d.cfg.Reader, ids, why)
}

// ledger creates the ledger, like a replay.
func (h *hall) ledger() {
	h.T.Helper()
	l, err := h.person("nobody").ledger(h.Ctx)
	if err == nil {
		err = l.Ensure(h.Ctx)
	}
	if err != nil {
		h.T.Fatal(err)
	}
}

// states counts the letters by state.
func (h *hall) states() map[dlq.State]int {
	h.T.Helper()
	d := h.person("observer")
	ledger, err := d.ledger(h.Ctx)
	if err != nil {
		h.T.Fatal(err)
	}
	spans, err := d.cfg.Reader.Spans(h.Ctx)
	if err != nil {
		h.T.Fatal(err)
	}
	counts := map[dlq.State]int{}
	for s, err := range d.cfg.Reader.Letters(h.Ctx, spans, nil) {
		if err != nil {
			h.T.Fatal(err)
		}
		counts[ledger.State(s)]++
	}
	return counts
}

// all replays all open letters.
func all() *Plan { return &Plan{To: To{dlqtest.Events}, MaxRedrives: -1} }

// account counts how often each value of n letters arrived, and checks that the
// first arrivals of each order key came in order.
func (h *hall) account(n int) (missing, repeated int) {
	h.T.Helper()
	times := map[string]int{}
	last := map[string]int{}
	for _, r := range h.Read(dlqtest.Events) {
		value := string(r.Value)
		orderKey, number, _ := strings.Cut(value, ":")
		i, _ := strconv.Atoi(number)
		if times[value]++; times[value] == 1 {
			if i < last[orderKey] {
				h.T.Errorf("%s came after %d of its order key", value, last[orderKey])
			}
			last[orderKey] = i
		}
	}
	for i := range n {
		if got := times[fmt.Sprintf("s-%d:%d", i%7, i)]; got == 0 {
			missing++
		} else {
			repeated += got - 1
		}
	}
	return missing, repeated
}

// sendsTo reports whether a request writes to a topic.
func sendsTo(req any, topic string) bool {
	p, is := req.(*produceapi.Request)
	return is && p.Topics[0].Topic == topic
}

// valuesOf reads the values in a request, and leaves the request unchanged.
func valuesOf(req any) (values []string) {
	records := &req.(*produceapi.Request).Topics[0].Partitions[0].RecordSet
	var all []protocol.Record
	for {
		r, err := records.Records.ReadRecord()
		if err != nil {
			break
		}
		value, _ := protocol.ReadAll(r.Value)
		values = append(values, string(value))
		key, _ := protocol.ReadAll(r.Key)
		all = append(all, protocol.Record{Time: r.Time, Key: protocol.NewBytes(key), Value: protocol.NewBytes(value), Headers: r.Headers})
	}
	records.Records = protocol.NewRecordReader(all...)
	return values
}
