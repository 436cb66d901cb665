package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
)

// Close records in the ledger that a person dealt with letters otherwise; why says how.
// It closes those that are open and returns how many. If a letter is being replayed,
// Close waits for the end; the letter is then no longer open, unless that replay was
// killed.
func Close(ctx context.Context, cfg Config, reader *dlq.Reader, ids []dlq.ID, why string) (closed int, err error) {
	if why == "" || len(why) > MaxWhy {
		return 0, fmt.Errorf("a dead letter is closed for a reason of 1 to %d bytes", MaxWhy)
	}
	// Look up all first, so that a mistyped ID closes nothing.
	var letters []*dlq.Stored
	for s, err := range reader.Pick(ctx, ids...) {
		if err != nil {
			return 0, err
		}
		s.Value, s.Key, s.Headers = nil, nil, fetch.Headers{}
		letters = append(letters, s)
	}
	l, err := Open(ctx, cfg)
	if err != nil {
		return 0, err
	}
	if err := l.Ensure(ctx); err != nil {
		return 0, err
	}
	for chunk := range slices.Chunk(letters, entriesMost) {
		if err := l.settled(ctx, chunk); err != nil {
			return closed, err
		}
		var decisions []Decision
		for _, s := range chunk {
			if l.State(s) == dlq.Open {
				decisions = append(decisions, Decision{s, Entry{State: dlq.Closed, Why: why}})
			}
		}
		if len(decisions) == 0 {
			continue
		}
		if err := l.Enter(ctx, decisions...); err != nil {
			return closed, err
		}
		closed += len(decisions)
	}
	return closed, nil
}

// settled reads the ledger until none of the letters is being sent, or the run that sends
// them has been silent for a lease. That run was killed, and it is unknown whether they
// arrived. The person who closes them decides.
func (l *Ledger) settled(ctx context.Context, letters []*dlq.Stored) error {
	seen, since := int64(-1), time.Time{}
	for {
		if err := l.follow(ctx); err != nil {
			return err
		}
		sending := l.sending()
		if !slices.ContainsFunc(letters, func(s *dlq.Stored) bool { return slices.Contains(sending, s.ID.Short()) }) {
			return nil
		}
		if head := l.chain.head; head != seen {
			seen, since = head, time.Now()
		}
		if time.Since(since) > LeaseTime {
			return nil
		}
		if err := topic.Pause(ctx, lookAgain); err != nil {
			return err
		}
	}
}

// sending are the letters that a running replay is sending, by its link.
func (l *Ledger) sending() []string {
	if l.chain.free() {
		return nil
	}
	return l.chain.link.Sending
}
