package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
)

const (
	// LeaseTime is how long a run may be silent before another takes over.
	LeaseTime = 15 * time.Second
	// RenewAfter is when a run renews its lease.
	RenewAfter = LeaseTime / 3
	// sendWithin is the part of a lease in which records may be sent.
	sendWithin = LeaseTime * 2 / 3
	// lookAgain is how often a waiting run reads the ledger.
	lookAgain = 500 * time.Millisecond
	// lockTime bounds the writing of one link, retries included.
	lockTime = LeaseTime * 2 / 3
)

// ErrTakenOver ends a run after another one took the lock, because this one was silent for
// longer than the lease. Confirmed letters stay confirmed.
var ErrTakenOver = errors.New("another replay has taken over: this one was silent for too long")

// chain is the state of the lock, according to the ledger as far as it was read.
type chain struct {
	head  int64 // offset of the last link that counts; −1: none
	link  lockEntry
	links []int64 // offsets of all links that were read, ascending
}

// apply reads the next link. If compaction has removed the link that it names, it counts.
func (c *chain) apply(offset int64, l *lockEntry) {
	_, known := slices.BinarySearch(c.links, l.After)
	c.links = append(c.links, offset)
	if c.head < 0 || l.After == c.head || l.After >= 0 && !known {
		c.head, c.link = offset, *l
	}
}

// free reports whether no run holds the lock.
func (c *chain) free() bool { return c.head < 0 || c.link.Released }

// Lease is a run's hold on the lock.
type Lease struct {
	ledger *Ledger
	token  string
	until  time.Time // before this no other run can have taken over
}

// Unconfirmed are letters (partition/offset) that an earlier run may have sent.
type Unconfirmed struct {
	By      string
	Letters []string
}

// Lock waits until this run has the lock. It calls waiting once for each other holder, and
// returns the letters that an earlier run left unconfirmed.
func (l *Ledger) Lock(ctx context.Context, waiting func(by string)) (*Lease, Unconfirmed, error) {
	lease := &Lease{ledger: l, token: rand.Text()}
	seen, since, told := int64(-1), time.Time{}, ""
	for {
		if err := l.follow(ctx); err != nil {
			return nil, Unconfirmed{}, err
		}
		c := &l.chain
		if !c.free() && c.head != seen {
			seen, since = c.head, time.Now()
		}
		if c.free() || time.Since(since) > LeaseTime {
			left := Unconfirmed{c.link.By, l.open(c.link.Sending)}
			held, err := lease.link(ctx, nil, false)
			if err != nil {
				return nil, Unconfirmed{}, err
			}
			if held {
				return lease, left, nil
			}
			continue
		}
		if c.link.Holder != told {
			told = c.link.Holder
			waiting(c.link.By)
		}
		if err := topic.Pause(ctx, lookAgain); err != nil {
			return nil, Unconfirmed{}, err
		}
	}
}

// open returns the letters without entries.
func (l *Ledger) open(letters []string) []string {
	return slices.DeleteFunc(slices.Clone(letters), func(short string) bool {
		id, err := dlq.ParseID(short, "", 1<<31-1)
		if err != nil {
			return true
		}
		_, decided := l.marks[id.Partition][id.Offset]
		return decided
	})
}

// Renew extends the lease and says what this run sends next. It returns ErrTakenOver if
// another run has the lock.
func (l *Lease) Renew(ctx context.Context, sending []string) error {
	if l.ledger.chain.link.Holder != l.token {
		return ErrTakenOver
	}
	held, err := l.link(ctx, sending, false)
	if err == nil && !held {
		return ErrTakenOver
	}
	return err
}

// Release frees the lock. If it fails, others wait for a lease.
func (l *Lease) Release(ctx context.Context) {
	if l.ledger.chain.link.Holder == l.token {
		_, _ = l.link(ctx, nil, true)
	}
}

// KeepAlive renews the lease if that is due. The end of ctx does not cut it.
func (l *Lease) KeepAlive(ctx context.Context) error {
	if time.Until(l.until) >= LeaseTime-RenewAfter {
		return nil
	}
	return l.Renew(context.WithoutCancel(ctx), nil)
}

// Until is the time before which no other run can have taken over.
func (l *Lease) Until() time.Time { return l.until }

// SendUntil is the time after which nothing may be sent.
func (l *Lease) SendUntil() time.Time { return l.until.Add(sendWithin - LeaseTime) }

// link writes a link and reads whether it counts. If the result of writing is unknown,
// reading tells. A link that arrives late does not count: it names one that is no longer
// the last.
func (l *Lease) link(ctx context.Context, sending []string, released bool) (held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	begun := time.Now() // of the first try: it may count although it seemed to fail
	after := l.ledger.chain.head
	for n := 1; ; n++ {
		key, value := encodeLock(lockEntry{Holder: l.token, By: l.ledger.cfg.By, At: begun.UTC(), After: after, Released: released, Sending: sending})
		err = l.ledger.append(ctx, keyed{key, value})
		c := &l.ledger.chain
		if err == nil || topic.Retriable(err) || !topic.Unwritten(err) {
			if c.head == after { // another run wrote too, or the answer was lost
				if err2 := l.ledger.follow(ctx); err2 != nil {
					return false, err2
				}
			}
			if c.head != after {
				if c.link.Holder != l.token {
					return false, nil
				}
				l.until = begun.Add(LeaseTime)
				return true, nil
			}
		}
		if err == nil {
			err = fmt.Errorf("the ledger, topic %s, does not show what was written to it", l.ledger.log.Topic())
		}
		if n == topic.Tries || !topic.Retriable(err) {
			return false, err
		}
		if err2 := topic.Pause(ctx, topic.TryPause*time.Duration(n)); err2 != nil {
			return false, errors.Join(err, err2)
		}
	}
}
