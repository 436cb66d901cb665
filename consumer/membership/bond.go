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

// bond is what a member of either protocol knows of its membership: its identity, its lease, and whether all
// is lost.
type bond struct {
	cfg  Config
	pace *rate.Limiter // of joins
	wake chan struct{} // there is something to do, or all is lost

	mu sync.Mutex
	// The rest is guarded by mu.
	id      Identity
	calm    time.Time // when the last answered request was sent while the group asked nothing of the member
	known   bool      // to the coordinator
	fencing bool      // the owner is being told that all is lost
	lost    error     // why all is lost, once the owner knows
}

func newBond(cfg Config) bond {
	return bond{cfg: cfg, pace: rate.NewLimiter(rate.Every(joinInterval), joinBurst), wake: make(chan struct{}, 1)}
}

func (b *bond) poke() { Poke(b.wake) }

// Poke wakes the reader of a channel that holds one element. It does not block: a second poke before the
// reader wakes adds nothing.
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

// unknown reports whether the coordinator does not know the member's ID.
func unknown(err error) bool {
	return errors.Is(err, kafka.UnknownMemberId) || errors.Is(err, kafka.FencedInstanceID)
}

// fence notes that all that a member ID owned is lost. It returns false if that was known, or if the member has
// another ID by now.
func (b *bond) fence(request, member string, err error) (first bool) {
	b.mu.Lock()
	first = b.id.Member == member && b.lost == nil && !b.fencing
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

// renew renews the lease: until its end no other member can own the partitions. The coordinator forgets a
// member that is silent for the session time-out, and one that has not done what a rebalance asks of it within
// the rebalance time-out, even if it sends heartbeats.
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

func (b *bond) ofGroup(code int16, message *string) error {
	return CodeError(b.cfg.Wire, b.cfg.Group, code, message)
}

// CodeError returns the error of a code from the group's coordinator, with the coordinator's text; nil for 0.
// If the broker is not, or no longer, the coordinator, the next request looks it up.
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

// heartbeats is the word by which Judge knows a heartbeat: only a heartbeat's answer says what a rebalance
// asks of the member. A commit that is refused for a rebalance may be late.
const heartbeats = "heartbeat"

// Answered reports whether an error (or nil) is an answer of the group's coordinator.
func Answered(err error) bool {
	code, is := errors.AsType[kafka.Error](err)
	return err == nil || is && !wire.Moved(code)
}

// send sends a request to the coordinator and waits for the answer for the time within.
func (b *bond) send(ctx context.Context, within time.Duration, req kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return b.cfg.Wire.SendToCoordinator(ctx, b.cfg.Group, req)
}

// depart sends the request that leaves the group; code reads the answer's code.
func (b *bond) depart(req kmsg.Request, code func(kmsg.Response) error) {
	err := error(kafka.NotCoordinatorForGroup)
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	for try := 0; try < 2 && !Answered(err); try++ { // the coordinator may have just moved, or the connection be stale
		var res kmsg.Response
		if res, err = b.cfg.Wire.SendToCoordinator(ctx, b.cfg.Group, req); err == nil {
			err = code(res)
		}
	}
	if err != nil && !unknown(err) {
		eventLeaveSlow.Log(b.cfg.Log, slog.String("timeout", b.cfg.SessionTimeout.String()), slog.String("error", err.Error()))
	}
}
