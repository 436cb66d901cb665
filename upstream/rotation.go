package upstream

import "sync"

// rotations knows, of the credentials that have two secrets, which of them is in
// use. It begins with the first; the platform's acceptance of the other makes
// that the one in use.
//
// A refused lot notes which secret it was refused with, so that its next request
// takes the other. Of lots without such a note the probes of an open circuit take
// turns: with many lots each would else begin with the same one.
type rotations struct {
	mu sync.Mutex
	// byCredential has a few entries for each file that was ever in force.
	byCredential map[rotationKey]*rotation
	refused      map[string]refusal // by lot; at most refusalsKept
}

// rotationKey is a credential by what it holds, not by where.
type rotationKey struct{ appID, secret, next string }

// rotation is what is known of one credential. Guarded by rotations.mu.
type rotation struct {
	next     bool // the next secret is in use
	switches int  // how often that has changed
	// The secret of the last probe, where that was refused.
	probed, probedNext bool
}

// refusal is what a lot was refused with last.
type refusal struct {
	of       *rotation
	switches int // older ones are out of date
	next     bool
}

const (
	refusalsKept     = 4096
	credentialsKnown = 4096
)

// choice is one secret of a credential; zero for one that has but one.
type choice struct {
	of       *rotation
	switches int
	next     bool
}

// secret returns the one chosen.
func (ch choice) secret(c Credential) Secret {
	if ch.next {
		return c.Next
	}
	return c.Secret
}

// other returns the choice of the other secret.
func (ch choice) other() choice { ch.next = !ch.next; return ch }

// choose says with which secret of c a request of lot is signed first.
func (r *rotations) choose(lot string, c Credential, probe bool) choice {
	if c.Next.IsZero() {
		return choice{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.of(c)
	next := of.next
	if last, is := r.refused[lot]; is && last.of == of && last.switches == of.switches {
		next = !last.next
	} else if probe && of.probed {
		next = !of.probedNext
	}
	return choice{of, of.switches, next}
}

func (r *rotations) of(c Credential) *rotation {
	key := rotationKey{c.AppID, c.Secret.Reveal(), c.Next.Reveal()}
	of := r.byCredential[key]
	if of == nil {
		if r.byCredential == nil || len(r.byCredential) >= credentialsKnown {
			r.byCredential = map[rotationKey]*rotation{}
		}
		of = &rotation{}
		r.byCredential[key] = of
	}
	return of
}

// refuse notes that the platform did not take the signature.
func (r *rotations) refuse(lot string, ch choice, probe bool) {
	if ch.of == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if ch.switches != ch.of.switches {
		return
	}
	if r.refused == nil || len(r.refused) >= refusalsKept {
		r.refused = map[string]refusal{}
	}
	r.refused[lot] = refusal(ch)
	if probe {
		ch.of.probed, ch.of.probedNext = true, ch.next
	}
}

// accept notes that the platform took it, and reports whether another secret is
// in use since.
func (r *rotations) accept(lot string, ch choice) (switched bool) {
	if ch.of == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.refused, lot)
	ch.of.probed = false
	if ch.next == ch.of.next || ch.switches != ch.of.switches {
		return false // an answer of before the change does not turn it back
	}
	ch.of.next = ch.next
	ch.of.switches++
	return true
}
