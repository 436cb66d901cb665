package consumer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// heartbeatLoop sends heartbeats of our own beside kafka-go's, whose answers
// nobody can see and which end with the generation, before it has drained. What
// they prove is the lease: as long as the coordinator knows this member, no
// other owns its partitions.
func (g *generation) heartbeatLoop(ctx context.Context) {
	tick := time.NewTicker(g.engine.cfg.HeartbeatInterval)
	defer tick.Stop()
	for {
		g.heartbeat(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (g *generation) heartbeat(ctx context.Context) {
	e := g.engine
	request, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	sent := time.Now()
	_, err := e.cfg.Transport.RoundTrip(request, e.client.Addr, &heartbeatRequest{
		clientID: e.cfg.ClientID, group: e.cfg.GroupID, generation: g.id, member: g.member,
	})
	if ctx.Err() != nil && !answered(err) {
		return // given up by the drain's end, which says nothing of the coordinator
	}
	g.judge("heartbeat", sent, err)
}

// judge draws the conclusions from the coordinator's answer to a request that
// carries generation and member; about says what the request was about.
func (g *generation) judge(request string, sent time.Time, err error, about ...any) {
	e := g.engine
	if answered(err) {
		e.heard()
	}
	switch {
	case err == nil:
		e.renew(g, sent)
	case isStale(err):
		g.fence(request, err)
	case errors.Is(err, kafka.RebalanceInProgress):
		// The member is known, so its session goes on; it has to join again.
		e.renew(g, sent)
		g.end(errRebalance)
	default:
		e.log.Warn("the group's coordinator did not take a request; it is sent again", append([]any{"request", request, "error", err.Error()}, about...)...)
	}
}

// answered tells whether an error is an answer of the group's coordinator.
func answered(err error) bool {
	var code kafka.Error
	if err == nil {
		return true
	}
	return errors.As(err, &code) && code != kafka.GroupCoordinatorNotAvailable && code != kafka.NotCoordinatorForGroup
}

// heartbeatRequest is Kafka's Heartbeat, version 3. kafka-go's own type is not
// sent to the group's coordinator, and its answer's error cannot be read (the
// fields are declared in the wrong order).
type heartbeatRequest struct {
	clientID, group, member string
	generation              int32
}

const (
	heartbeatVersion = 3
	// heartbeatMax bounds the answer: throttle time and error code.
	heartbeatMax = 64
)

// ApiKey implements protocol.Message.
func (*heartbeatRequest) ApiKey() protocol.ApiKey { return protocol.Heartbeat }

// Group implements protocol.GroupMessage: the transport asks for the
// coordinator.
func (r *heartbeatRequest) Group() string { return r.group }

// Required implements protocol.RawExchanger.
func (*heartbeatRequest) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange implements protocol.RawExchanger. The error of the answer is
// returned as an error; the connection is closed then, which a fenced member
// can afford.
func (r *heartbeatRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	const correlation = 1
	buf := make([]byte, 4, 128)
	buf = binary.BigEndian.AppendUint16(buf, uint16(protocol.Heartbeat))
	buf = binary.BigEndian.AppendUint16(buf, heartbeatVersion)
	buf = binary.BigEndian.AppendUint32(buf, correlation)
	buf = appendString(buf, r.clientID)
	buf = appendString(buf, r.group)
	buf = binary.BigEndian.AppendUint32(buf, uint32(r.generation))
	buf = appendString(buf, r.member)
	buf = binary.BigEndian.AppendUint16(buf, 0xffff) // group.instance.id: null
	binary.BigEndian.PutUint32(buf, uint32(len(buf)-4))
	if _, err := rw.Write(buf); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 10 || size > heartbeatMax {
		return nil, fmt.Errorf("heartbeat: an answer of %d bytes", size)
	}
	answer := make([]byte, size)
	if _, err := io.ReadFull(rw, answer); err != nil {
		return nil, err
	}
	if !bytes.Equal(answer[:4], []byte{0, 0, 0, correlation}) {
		return nil, errors.New("heartbeat: the answer is to another request")
	}
	if code := int16(binary.BigEndian.Uint16(answer[8:])); code != 0 {
		return nil, kafka.Error(code)
	}
	return r, nil
}

func appendString(buf []byte, s string) []byte {
	buf = binary.BigEndian.AppendUint16(buf, uint16(len(s)))
	return append(buf, s...)
}
