package wire

import (
	"context"
	"encoding/binary"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// network is the brokers of a test by address. An address without a broker refuses.
type network struct {
	mu      sync.Mutex
	brokers map[string]*broker
	dials   map[string]int
	open    map[string][]net.Conn
}

// broker answers requests as the test says.
type broker struct {
	node     int32
	hangs    bool // accepts, and never answers
	guarded  bool // requires a log-in; before it one ApiVersions is taken, as in Kafka
	refuses  bool // every log-in
	versions map[int16]int16
	answer   func(req kmsg.Request) kmsg.Response // nil: the connection is closed

	mu    sync.Mutex
	asked map[int16]int
}

func (n *network) dial(_ context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials[address]++
	b := n.brokers[address]
	if b == nil {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	near, far := net.Pipe()
	n.open[address] = append(n.open[address], far)
	go b.serve(far)
	return near, nil
}

// set puts a broker at an address; the connections to the former one end.
func (n *network) set(address string, b *broker) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.brokers[address] = b
	for _, c := range n.open[address] {
		_ = c.Close()
	}
}

func (b *broker) serve(conn net.Conn) {
	defer conn.Close()
	be := binary.BigEndian
	var before []int16 // requests on this connection
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		frame := make([]byte, be.Uint32(size[:]))
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		if b.hangs {
			continue
		}
		req := kmsg.RequestForKey(int16(be.Uint16(frame)))
		req.SetVersion(int16(be.Uint16(frame[2:])))
		body := frame[8+2+int(be.Uint16(frame[8:])):]
		if req.IsFlexible() {
			body = body[1:]
		}
		if err := req.ReadFrom(body); err != nil {
			panic(err)
		}
		b.mu.Lock()
		b.asked[req.Key()]++
		b.mu.Unlock()
		if b.guarded && !guard(before, req.Key()) {
			return
		}
		before = append(before, req.Key())
		res := b.respond(req)
		if res == nil {
			return
		}
		res.SetVersion(req.GetVersion())
		out := append(make([]byte, 4), frame[4:8]...)
		if res.IsFlexible() && res.Key() != apiVersions {
			out = append(out, 0)
		}
		out = res.AppendTo(out)
		be.PutUint32(out, uint32(len(out)-4))
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// guard is Kafka's rule (SaslServerAuthenticator): at most one request for versions, then the log-in, then the
// rest.
func guard(before []int16, key int16) bool {
	switch kmsg.Key(key) {
	case kmsg.ApiVersions:
		return len(before) == 0 || slices.Contains(before, int16(kmsg.SASLAuthenticate))
	case kmsg.SASLHandshake:
		return !slices.Contains(before, key)
	case kmsg.SASLAuthenticate:
		return slices.Contains(before, int16(kmsg.SASLHandshake))
	}
	return slices.Contains(before, int16(kmsg.SASLAuthenticate))
}

func (b *broker) respond(req kmsg.Request) kmsg.Response {
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
	case *kmsg.SASLAuthenticateRequest:
		res := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		if b.refuses {
			res.ErrorCode = 58 // SASL_AUTHENTICATION_FAILED
		}
		return res
	case *kmsg.SASLHandshakeRequest:
		return req.ResponseKind()
	default:
		return b.answer(req)
	}
	res := kmsg.NewPtrApiVersionsResponse()
	for key, newest := range b.versions {
		res.ApiKeys = append(res.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key, MaxVersion: newest})
	}
	return res
}

func (b *broker) count(key kmsg.Key) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[int16(key)]
}

// newest are the versions that brokers of the tests take.
var newest = map[int16]int16{
	int16(kmsg.Metadata): 12, int16(kmsg.FindCoordinator): 4, int16(kmsg.Heartbeat): 4, int16(kmsg.OffsetForLeaderEpoch): 4,
	int16(kmsg.ApiVersions): 3, int16(kmsg.SASLHandshake): 1, int16(kmsg.SASLAuthenticate): 1,
}

// inCluster runs a test in virtual time.
func inCluster(t *testing.T, named []string, test func(t *testing.T, n *network, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &network{brokers: map[string]*broker{}, dials: map[string]int{}, open: map[string][]net.Conn{}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		test(t, n, New(ctx, Config{Brokers: named, ClientID: "test", Topics: []string{"events"}, Dial: n.dial}))
	})
}

// state is what a broker of the tests reports of its cluster.
type state struct {
	mu      sync.Mutex
	cluster string
	id      ID
	epoch   int32
	brokers map[int32]string // addresses are one letter and a port of 1
	missing bool             // the topic
}

// tells makes a broker that reports a state, which may change.
func tells(node int32, s *state) *broker {
	b := &broker{node: node, versions: maps.Clone(newest), asked: map[int16]int{}}
	b.answer = func(req kmsg.Request) kmsg.Response {
		switch req := req.(type) {
		case *kmsg.MetadataRequest:
			return s.metadata(req)
		case *kmsg.FindCoordinatorRequest:
			res := kmsg.NewPtrFindCoordinatorResponse()
			res.NodeID = node
			return res
		}
		return req.ResponseKind()
	}
	return b
}

func (s *state) change(to func(s *state)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to(s)
}

func (s *state) metadata(req *kmsg.MetadataRequest) kmsg.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	res := kmsg.NewPtrMetadataResponse()
	res.ClusterID = kmsg.StringPtr(s.cluster)
	leader := int32(-1)
	for id, host := range s.brokers {
		res.Brokers = append(res.Brokers, kmsg.MetadataResponseBroker{NodeID: id, Host: host, Port: 1})
		leader = max(leader, id)
	}
	for _, asked := range req.Topics {
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.TopicID = asked.Topic, s.id
		if topic.ErrorCode = 0; s.missing {
			topic.ErrorCode, topic.TopicID = 3, [16]byte{}
		} else {
			topic.Partitions = []kmsg.MetadataResponseTopicPartition{{Leader: leader, LeaderEpoch: s.epoch}}
		}
		res.Topics = append(res.Topics, topic)
	}
	return res
}
