package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"time"
)

// How long an address is tried last: after no answer or another cluster's, and after a refusal, which costs
// little to repeat.
const (
	passedOverFor = 30 * time.Second
	refusedFor    = time.Second
)

// book orders the addresses by which the cluster may be reached.
type book struct {
	named []string             // of KAFKA_BROKERS
	until map[string]time.Time // of those that are passed over
}

// passOver puts an address last that could not be used.
func (c *Client) passOver(ctx context.Context, address string, err error) {
	if ctx.Err() != nil {
		return // the caller gave up: that says nothing of the address
	}
	passed := refusedFor
	if silence(err) || errors.Is(err, errForeign) {
		passed = passedOverFor
		eventAddressPassedOver.Log(c.cfg.Logger, slog.String("address", address), slog.String("error", err.Error()))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.book.until[address] = time.Now().Add(passed)
}

// passedOver reports whether an address is tried last for now. Before the first answer none is.
func (c *Client) passedOver(address string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.told.last != nil && time.Now().Before(c.book.until[address])
}

// silence reports whether nothing came when an answer was awaited.
func silence(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// addresses returns the addresses to try, in order.
func (c *Client) addresses() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var known []string
	if c.told.last != nil {
		for _, b := range c.told.last.Brokers {
			known = append(known, b.Address())
		}
		rand.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
	}
	all := known
	for _, a := range c.book.named {
		if !slices.Contains(known, a) {
			all = append(all, a)
		}
	}
	now := time.Now()
	var last []string
	all = slices.DeleteFunc(all, func(a string) bool {
		over := now.Before(c.book.until[a])
		if over {
			last = append(last, a)
		}
		return over
	})
	slices.SortStableFunc(last, func(a, b string) int { return c.book.until[a].Compare(c.book.until[b]) })
	return append(all, last...)
}

// takeAny returns a connection to whichever broker answers.
func (c *Client) takeAny(ctx context.Context) (*conn, error) {
	var failed []error
	for _, address := range c.addresses() {
		k, err := c.to(ctx, address)
		if err == nil {
			return k, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("no broker answers: %w", errors.Join(failed...))
}
