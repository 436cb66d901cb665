package consumer

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/wire"
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
	req := kmsg.NewPtrHeartbeatRequest()
	req.SetVersion(heartbeatVersion)
	req.Group, req.Generation, req.MemberID = e.cfg.GroupID, g.id, g.member
	res, err := e.cfg.Wire.SendToCoordinator(request, e.cfg.GroupID, req)
	if err == nil {
		err = e.ofGroup(res.(*kmsg.HeartbeatResponse).ErrorCode)
	}
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

// heartbeatVersion: from 4 on the answer is flexible and brings nothing that is needed here.
const heartbeatVersion = 3

// ofGroup is the error of a code from the group's coordinator, nil for 0. One that is not, or
// no longer, the coordinator is not asked again.
func (e *Engine) ofGroup(code int16) error {
	if code == 0 {
		return nil
	}
	err := kafka.Error(code)
	if wire.Moved(err) {
		e.cfg.Wire.ForgetCoordinator(e.cfg.GroupID)
	}
	return err
}
