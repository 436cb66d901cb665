package upstream

import "sync"

// rotations records which secret is in use, for credentials that have two. It begins
// with the first; when the platform accepts the other, that one is in use.
//
// A refused lot remembers which secret was refused, so that its next request takes the
// other. For lots without that memory the probes of an open circuit alternate; else
// each of many lots would begin with the same secret.
type rotations struct {
	mu sync.Mutex
	// byCredential has a few entries for each file that was ever in use.
	byCredential map[rotationKey]*rotation
	refused      map[string]refusal // by lot; at most refusalsKept
}

// rotationKey identifies a credential by its content.
type rotationKey struct{ appID, secret, next string }

// rotation is what is known of one credential. Guarded by rotations.mu.
type rotation struct {
	next     bool // the next secret is in use
	switches int  // how often next has changed
	// The secret of the last probe, if it was refused.
	probed, probedNext bool
}

// refusal is the secret that was last refused for a lot.
type refusal struct {
	of       *rotation
	switches int // of the rotation at that time: older ones are outdated
	next     bool
}

const (
	refusalsKept     = 4096
	credentialsKnown = 4096
)

// choice is one of a credential's two secrets; zero if it has only one.
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

// choose returns the secret of c that signs a request of lot first.
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

// refuse records that the platform did not take the signature.
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

// accept records that the platform took it, and reports whether this changed the secret
// in use.
func (r *rotations) accept(lot string, ch choice) (switched bool) {
	if ch.of == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.refused, lot)
	ch.of.probed = false
	if ch.next == ch.of.next || ch.switches != ch.of.switches {
		return false // an answer from before the change does not revert it
	}
	ch.of.next = ch.next
	ch.of.switches++
	return true
}
