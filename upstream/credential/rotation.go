package credential

import "sync"

// Rotations records which secret is in use, for credentials that have two. It begins
// with the first; when the platform accepts the other, that one is in use. It is safe for
// concurrent use; the zero value is ready.
//
// For a refused lot it records which secret was refused, so that the lot's next request
// takes the other. For lots without such a record the probes of an open circuit alternate;
// otherwise each of many lots would begin with the same secret.
type Rotations struct {
	mu sync.Mutex
	// byCredential has a few entries for each file that was ever in use.
	byCredential map[rotationKey]*rotation
	refused      map[string]refusal // by lot; at most refusalsKept
}

// rotationKey identifies a credential by its content.
type rotationKey struct{ appID, secret, next string }

// rotation is what is known of one credential. Guarded by Rotations.mu.
type rotation struct {
	next     bool // the next secret is in use
	switches int  // how often next has changed
	// The secret of the last probe, if it was refused.
	probed, probedNext bool
}

// refusal is the secret that was refused last for a lot.
type refusal struct {
	of       *rotation
	switches int // of the rotation at that time: after another switch it is outdated
	next     bool
}

const (
	refusalsKept     = 4096
	credentialsKnown = 4096
)

// Choice is one of a credential's two secrets; the zero Choice is the secret of a credential
// that has only one.
type Choice struct {
	of       *rotation
	switches int
	next     bool
}

// Secret returns the chosen secret of c, the credential that Choose was called with.
func (ch Choice) Secret(c Credential) Secret {
	if ch.next {
		return c.Next
	}
	return c.Secret
}

// HasOther reports whether the credential has another secret.
func (ch Choice) HasOther() bool { return ch.of != nil }

// Other returns the choice of the other secret. Call it only if there is one.
func (ch Choice) Other() Choice { ch.next = !ch.next; return ch }

// Next reports whether it is Credential.Next.
func (ch Choice) Next() bool { return ch.next }

// Choose returns the secret of c that signs a request of lot first. probe says that the
// request tests whether the platform, or the lot, accepts again.
func (r *Rotations) Choose(lot string, c Credential, probe bool) Choice {
	if c.Next.IsZero() {
		return Choice{}
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
	return Choice{of, of.switches, next}
}

func (r *Rotations) of(c Credential) *rotation {
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

// Refuse records that the platform did not take the signature.
func (r *Rotations) Refuse(lot string, ch Choice, probe bool) {
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

// Accept records that the platform took it, and reports whether this changed the secret
// in use.
func (r *Rotations) Accept(lot string, ch Choice) (switched bool) {
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
