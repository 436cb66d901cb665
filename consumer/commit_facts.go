package consumer

import "time"

// commitFacts are what is known of one partition's commits. They live as long as the member is
// in the group and this process knows of the partition, through any generation: in the engine's
// cached progress while the partition is not owned.
type commitFacts struct {
	// member is the ID under which they were sent: the group refuses what another one sent.
	member string
	// last is the last commit that was taken; offset −1: none.
	last mark
	// sent are those sent since: each may have been taken although no answer came. At most mostSent,
	// the last ones.
	sent []mark
	// late is until when one that was given up unanswered may take effect; zero: none may.
	late time.Time
	// renewed is when one was taken last; zero: nobody here knows.
	renewed time.Time
}

// mostSent bounds what is remembered of commits without an answer: some seconds of them.
const mostSent = 16

// begins tells the facts under whose name commits are sent from now on. What another member
// sent cannot take effect any more.
func (f *commitFacts) begins(member string) {
	if f.member != member {
		f.member, f.late = member, time.Time{}
	}
}

// found notes the commit that the coordinator told.
func (f *commitFacts) found(m mark) { f.last, f.sent = m, nil }

func (f *commitFacts) sends(m mark) {
	if f.sent = append(f.sent, m); len(f.sent) > mostSent {
		f.sent = f.sent[1:]
	}
}

// taken notes a commit that was taken. One that was given up before may still overtake it.
func (f *commitFacts) taken(m mark, now time.Time) {
	f.last, f.renewed = m, now
	if now.Before(f.late) {
		return
	}
	f.sent, f.late = nil, time.Time{}
}

// ours tells whether a commit is one that this process sent last: nobody has committed since.
func (f *commitFacts) ours(m mark) bool {
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

// due tells whether a commit is to be sent although it says nothing new.
func (f *commitFacts) due(now time.Time, ph phase) bool {
	return !f.late.IsZero() || (ph == reading || ph == parked) && now.Sub(f.renewed) >= commitRenewal
}

func (g *member) noteSent(commits []commitment) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	for _, c := range commits {
		c.part.facts.sends(c.mark)
	}
}

// noteUnanswered notes commits that were given up: they may take effect after later ones.
func (g *member) noteUnanswered(commits []commitment) {
	g.engine.mu.Lock()
	defer g.engine.mu.Unlock()
	until := time.Now().Add(commitLate)
	for _, c := range commits {
		c.part.facts.late = until
	}
}
