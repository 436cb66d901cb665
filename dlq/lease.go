package dlq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"release-forwarder/consumer/topic"
)

// At any time at most one run replays the letters of a topic. Kafka has no locks, but all
// readers see the ledger's records in the same order. The lock is a chain in that order: a
// link counts only if it names the last link that counted before it. If two runs write at
// the same time, both name the same link. The record that comes first counts, and the other
// run sees that its own does not.
//
//	a run is   | entered by                         | left by
//	-----------+------------------------------------+-----------------------------------
//	waiting    | the last link is another's,        | that one released -> claiming
//	           | not released                       | no new link for a lease -> claiming
//	claiming   | it writes a link                   | it counts -> holding
//	           |                                    | it does not -> waiting
//	holding    | its link is the last that counts   | it writes a link that releases -> gone
//	           |                                    | another's link counts -> taken over
//	           |                                    | a lease since its last link -> silent
//	silent     | see above: nothing is sent         | its next link counts -> holding
//	taken over | see above: the run ends            |
//
// Times of different machines are never compared. A waiting run counts a lease from the
// moment when it saw the last link. The writer counts from the earlier moment when it began
// to write that link, and sends nothing in the last third.
//
// What can go wrong with a batch, and the result:
//
//	killed before its link counts          nothing was sent
//	killed after that, before its entries  up to a batch is sent again by the next run
//	killed after its entries               nothing is sent again
//	frozen before sending, for long        the run sees that its lease is over, and sends nothing
//	frozen during the request              up to a batch arrives twice
//	the link's outcome unknown             the ledger is read; if it is not there it is written again
//	the records' outcome unknown           the topic is read: what is there is confirmed; else
//	                                       the run ends (ErrUncertain): the batch stays open
//	the entries' outcome unknown           they are written again with the same content
//
// So at most one batch, the letters sent between two links, is sent twice.
const (
	// leaseTime is how long a run may be silent before another takes over.
	leaseTime = 15 * time.Second
	// renewAfter is when a run renews its lease.
	renewAfter = leaseTime / 3
	// sendWithin is the part of a lease in which records may be sent.
	sendWithin = leaseTime * 2 / 3
	// lookAgain is how often a waiting run reads the ledger.
	lookAgain = 500 * time.Millisecond
	// lockTime bounds the writing of one link, retries included.
	lockTime = leaseTime * 2 / 3
)

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

// lease is a run's hold on the lock.
type lease struct {
	ledger *Ledger
	token  string
	by     string
	until  time.Time // before this no other run can have taken over
}

func newLease(ledger *Ledger, by string) *lease {
	return &lease{ledger: ledger, token: rand.Text(), by: by}
}

// unconfirmed are letters that an earlier run may have sent.
type unconfirmed struct {
	by      string
	letters []string
}

// acquire waits until this run has the lock. It calls waiting once for each other holder,
// and returns the letters that an earlier run left unconfirmed.
func (l *lease) acquire(ctx context.Context, waiting func(by string)) (unconfirmed, error) {
	seen, since, told := int64(-1), time.Time{}, ""
	for {
		if err := l.ledger.follow(ctx); err != nil {
			return unconfirmed{}, err
		}
		c := &l.ledger.chain
		if !c.free() && c.head != seen {
			seen, since = c.head, time.Now()
		}
		if c.free() || time.Since(since) > leaseTime {
			left := unconfirmed{c.link.By, l.open(c.link.Sending)}
			held, err := l.link(ctx, nil, false)
			if err != nil || held {
				return left, err
			}
			continue
		}
		if c.link.Holder != told {
			told = c.link.Holder
			waiting(c.link.By)
		}
		if err := topic.Pause(ctx, lookAgain); err != nil {
			return unconfirmed{}, err
		}
	}
}

// open returns the letters without entries.
func (l *lease) open(letters []string) []string {
	return slices.DeleteFunc(slices.Clone(letters), func(short string) bool {
		id, err := ParseID(short, "", 1<<31-1)
		if err != nil {
			return true
		}
		_, decided := l.ledger.marks[id.Partition][id.Offset]
		return decided
	})
}

// renew extends the lease and says what this run sends next. It returns ErrTakenOver if
// another run has the lock.
func (l *lease) renew(ctx context.Context, sending []string) error {
	if l.ledger.chain.link.Holder != l.token {
		return ErrTakenOver
	}
	held, err := l.link(ctx, sending, false)
	if err == nil && !held {
		return ErrTakenOver
	}
	return err
}

// release frees the lock. If it fails, others wait for a lease.
func (l *lease) release(ctx context.Context) {
	if l.ledger.chain.link.Holder == l.token {
		_, _ = l.link(ctx, nil, true)
	}
}

// due reports whether to renew now.
func (l *lease) due() bool { return time.Until(l.until) < leaseTime-renewAfter }

// sendUntil is the time after which nothing may be sent.
func (l *lease) sendUntil() time.Time { return l.until.Add(sendWithin - leaseTime) }

// link writes a link and reads whether it counts. If the result of writing is unknown,
// reading tells. A link that arrives late does not count: it names one that is no longer
// the last.
func (l *lease) link(ctx context.Context, sending []string, released bool) (held bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	begun := time.Now() // of the first try: it may count although it seemed to fail
	after := l.ledger.chain.head
	for n := 1; ; n++ {
		key, value := encodeLock(lockEntry{Holder: l.token, By: l.by, At: begun.UTC(), After: after, Released: released, Sending: sending})
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
				l.until = begun.Add(leaseTime)
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

// sending are the letters that a running replay is sending, by its link.
func (l *Ledger) sending() []string {
	if l.chain.free() {
		return nil
	}
	return l.chain.link.Sending
}
