package dlq

import (
	"context"
	"fmt"
	"slices"
	"time"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/topic"
)

// Close records in the ledger that a person dealt with letters otherwise; why says how.
// It closes those that are open and returns how many. If a letter is being replayed,
// Close waits for the end; the letter is then no longer open, unless that replay was
// killed.
func (d *Reader) Close(ctx context.Context, ids []ID, why string) (closed int, err error) {
	if why == "" || len(why) > MaxWhy {
		return 0, fmt.Errorf("a dead letter is closed for a reason of 1 to %d bytes", MaxWhy)
	}
	// Look up all first, so that a mistyped ID closes nothing.
	var letters []*Stored
	for s, err := range d.Pick(ctx, ids...) {
		if err != nil {
			return 0, err
		}
		s.Value, s.Key, s.Headers = nil, nil, fetch.Headers{}
		letters = append(letters, s)
	}
	ledger, err := d.Ledger(ctx)
	if err != nil {
		return 0, err
	}
	if err := ledger.ensure(ctx); err != nil {
		return 0, err
	}
	for chunk := range slices.Chunk(letters, batchMost) {
		if err := ledger.settled(ctx, chunk); err != nil {
			return closed, err
		}
		now := time.Now().UTC()
		var entries []keyed
		for _, s := range chunk {
			if ledger.State(s) != Open {
				continue
			}
			key, value := encodeLetter(s.ID, s.Written, Entry{State: Closed, At: now, By: d.cfg.By, Why: why})
			entries = append(entries, keyed{key, value})
		}
		if len(entries) == 0 {
			continue
		}
		if err := ledger.enter(ctx, entries...); err != nil {
			return closed, err
		}
		closed += len(entries)
	}
	return closed, nil
}

// settled reads the ledger until none of the letters is being sent, or the run that sends
// them has been silent for a lease. That run was killed, and it is unknown whether they
// arrived. The person who closes them decides.
func (l *Ledger) settled(ctx context.Context, letters []*Stored) error {
	seen, since := int64(-1), time.Time{}
	for {
		if err := l.follow(ctx); err != nil {
			return err
		}
		sending := l.sending()
		if !slices.ContainsFunc(letters, func(s *Stored) bool { return slices.Contains(sending, s.ID.Short()) }) {
			return nil
		}
		if head := l.chain.head; head != seen {
			seen, since = head, time.Now()
		}
		if time.Since(since) > leaseTime {
			return nil
		}
		if err := topic.Pause(ctx, lookAgain); err != nil {
			return err
		}
	}
}
