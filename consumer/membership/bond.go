package membership

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/time/rate"

	"release-forwarder/consumer/wire"
)

// bond is what a member of either protocol knows of its membership: who it is, for how long, and
// whether all is lost.
type bond struct {
	cfg  Config
	pace *rate.Limiter // of joins
	wake chan struct{} // there is something to do, or all is lost

	mu sync.Mutex
	// The rest is guarded by mu.
	id      Identity
	calm    time.Time // when a request was sent that was answered while nothing was asked of the member
	known   bool      // to the coordinator
	fencing bool      // the owner is being told that all is lost
	lost    error     // why all is lost, once the owner knows
}

func newBond(cfg Config) bond {
	return bond{cfg: cfg, pace: rate.NewLimiter(rate.Every(joinInterval), joinBurst), wake: make(chan struct{}, 1)}
}

func (b *bond) poke() { Poke(b.wake) }

// Poke wakes the reader of a channel that holds one element. It does not block: a second poke before the reader
// wakes adds nothing.
func Poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (b *bond) identity() Identity {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.id
}

// unknown tells whether the coordinator does not know the member, by its ID.
func unknown(err error) bool {
	return errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.FencedInstanceID)
}

// fence says that all is lost, and reports whether that is news.
func (b *bond) fence(request string, err error) (first bool) {
	b.mu.Lock()
	first = b.lost == nil && !b.fencing
	known := b.known
	b.fencing = b.fencing || first
	b.mu.Unlock()
	if !first {
		return false
	}
	if known {
		b.cfg.Owner.Fenced(request, err)
	}
	b.mu.Lock()
	b.lost, b.fencing = err, false // not before: Lost follows Fenced
	b.mu.Unlock()
	b.poke()
	return true
}

// renew tells for how long others cannot own the partitions. The coordinator forgets a member of which
// it has heard nothing for the session time-out, and one that has not done what a rebalance asks of it
// when the rebalance time-out has passed since, whatever else it hears of it.
func (b *bond) renew(sent time.Time, calm bool) {
	b.mu.Lock()
	if calm && sent.After(b.calm) {
		b.calm = sent
	}
	until, least := sent.Add(b.cfg.SessionTimeout), b.calm.Add(b.cfg.RebalanceTimeout)
	b.mu.Unlock()
	if least.Before(until) {
		until = least
	}
	b.cfg.Owner.Renewed(until)
}

// ofGroup is CodeError for this group.
func (b *bond) ofGroup(code int16, message *string) error {
	return CodeError(b.cfg.Wire, b.cfg.Group, code, message)
}

// CodeError is the error of a code from the group's coordinator, with what it says of it; nil for 0. One
// that is not, or no longer, the coordinator is not asked again.
func CodeError(w Wire, group string, code int16, message *string) error {
	if code == 0 {
		return nil
	}
	err := kafka.Error(code)
	if wire.Moved(err) {
		w.ForgetCoordinator(group)
	}
	if message != nil && *message != "" {
		return fmt.Errorf("%w: %s", err, *message)
	}
	return err
}

// heartbeats are judged by this word: they alone tell what a rebalance asks of the member. A commit that is
// refused for one may be late.
const heartbeats = "heartbeat"

// Answered tells whether an error is an answer of the group's coordinator.
func Answered(err error) bool {
	code, is := errors.AsType[kafka.Error](err)
	return err == nil || is && !wire.Moved(code)
}

// send sends a request to the coordinator and waits so long for the answer.
func (b *bond) send(ctx context.Context, within time.Duration, req kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return b.cfg.Wire.SendToCoordinator(ctx, b.cfg.Group, req)
}

// depart sends the request that leaves the group; what it answers is for code to read.
func (b *bond) depart(req kmsg.Request, code func(kmsg.Response) error) {
	err := error(kafka.NotCoordinatorForGroup)
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	for try := 0; try < 2 && !Answered(err); try++ { // it may have moved just now, or the connection be old
		var res kmsg.Response
		if res, err = b.cfg.Wire.SendToCoordinator(ctx, b.cfg.Group, req); err == nil {
			err = code(res)
		}
	}
	if err != nil && !unknown(err) {
		eventLeaveSlow.Log(b.cfg.Log, slog.String("timeout", b.cfg.SessionTimeout.String()), slog.String("error", err.Error()))
	}
}
