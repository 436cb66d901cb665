package consumer

import (
	"time"

	"release-forwarder/consumer/offsets"
)

// commitFacts are what is known of one partition's commits. They outlive generations: while the
// partition is not owned, they are in the cached progress.
type commitFacts struct {
	// member is the member ID under which the commits were sent.
	member string
	// last is the last accepted commit; offset −1: none.
	last offsets.Commit
	// sent are the last mostSent commits sent since: each may have been accepted although no
	// answer came.
	sent []offsets.Commit
	// late is until when an abandoned commit may land; zero: none may.
	late time.Time
	// renewed is when a commit was last accepted; zero: unknown.
	renewed time.Time
}

// mostSent bounds the unanswered commits that are kept: some seconds of them.
const mostSent = 16

// begins sets the member ID of the commits from now on. A commit of another ID cannot land any
// more: the group refuses it.
func (f *commitFacts) begins(member string) {
	if f.member != member {
		f.member, f.late = member, time.Time{}
	}
}

// found notes the commit that the coordinator reported.
func (f *commitFacts) found(m offsets.Commit) { f.last, f.sent = m, nil }

func (f *commitFacts) sends(m offsets.Commit) {
	if f.sent = append(f.sent, m); len(f.sent) > mostSent {
		f.sent = f.sent[1:]
	}
}

// taken notes an accepted commit. Until late, an abandoned one may still replace it.
func (f *commitFacts) taken(m offsets.Commit, now time.Time) {
	f.last, f.renewed = m, now
	if now.Before(f.late) {
		return
	}
	f.sent, f.late = nil, time.Time{}
}

// ours reports whether a commit is among the last that this process sent: no one else has
// committed since.
func (f *commitFacts) ours(m offsets.Commit) bool {
	if m == f.last {
		return true
	}
	for _, s := range f.sent {
		if m == s {
			return true
		}
	}
	return false
}

// due reports whether a commit must be sent although nothing has changed.
func (f *commitFacts) due(now time.Time, ph phase) bool {
	return !f.late.IsZero() || (ph == reading || ph == parked) && now.Sub(f.renewed) >= commitRenewal
}

func (g *member) noteSent(commits []commitment) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	for _, c := range commits {
		c.part.facts.sends(c.Commit)
	}
}

// noteUnanswered notes abandoned commits: they may land after later ones.
func (g *member) noteUnanswered(commits []commitment) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	until := time.Now().Add(commitLate)
	for _, c := range commits {
		c.part.facts.late = until
	}
}
