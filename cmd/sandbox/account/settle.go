package account

import (
	"cmp"
	"slices"

	"release-forwarder/cmd/testkit/platform"
)

// Account is what became of every record of the event topic. All counts but
// those of repeats are of records.
type Account struct {
	// Produced records lie in the event topic: Accepted + DeadLettered +
	// Waiting + Lost + Both. Foreign ones of them were not the lanes'.
	Produced, Foreign int
	// Accepted were taken by the platform, DeadLettered lie in the dead-letter
	// topic, by reason.
	Accepted, DeadLettered int
	Reasons                map[string]int
	// Waiting are neither, and not committed: the next start delivers them.
	Waiting int
	// Lost are neither, and committed or gone from Kafka: no one will ever
	// deliver them.
	Lost int
	// Both were accepted and dead-lettered.
	Both int

	// Uncommitted have their outcome, but the commit does not stand behind it.
	Uncommitted int
	// Repeats counts acceptances beyond a record's first; DeadLettersAgain dead
	// letters beyond a record's first. Both are harmless: the platform ignores a
	// repeated flow number.
	Repeats, DeadLettersAgain int

	// Altered dead letters are not byte for byte what they are dead letters of;
	// Stray dead letters are of no record; Misjudged records were sent though they
	// cannot be mapped, or dead-lettered for a reason that is not theirs.
	Altered, Stray, Misjudged int
	// Distorted records reached the platform with other values than the lane
	// meant; DistortedFields says which parameters.
	Distorted       int
	DistortedFields map[string]int
	// Disordered records were sent before one that stands ahead of them in
	// their order key.
	Disordered int
	// Receipts were written, several perhaps of one record; Unreceipted records are accepted or dead-lettered and
	// have none although they should; Contradicted receipts are of no record, or say what is not so.
	Receipts, Unreceipted, Contradicted int
	// Invented flow numbers were accepted but are in no record.
	Invented int
}

// Closes reports whether something was produced and every record has exactly
// the one outcome it should have, with the commit behind it.
func (a *Account) Closes() bool {
	return a.Produced > 0 && len(a.troubles()) == 0
}

// Settle lays the book and the evidence of the event topic side by side.
func Settle(b *Book, topic string, e Evidence) Account {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := settlement{
		book: b, evidence: e, receipts: map[Place][]Receipt{}, deadLetters: map[Place][]DeadLetter{}, records: map[platform.Flow]int{}, ahead: map[keyQueue]int{},
		Account: Account{Reasons: map[string]int{}, DistortedFields: map[string]int{}},
	}
	for _, l := range e.DeadLetters {
		if l.Topic != topic {
			s.Stray++
			continue
		}
		s.deadLetters[l.Of] = append(s.deadLetters[l.Of], l)
	}
	for _, r := range e.Receipts {
		s.Receipts++
		if r.Topic != topic {
			s.Contradicted++
			continue
		}
		s.receipts[r.Of] = append(s.receipts[r.Of], r)
	}
	slices.SortFunc(e.Records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Place.Partition, b.Place.Partition), cmp.Compare(a.Place.Offset, b.Place.Offset))
	})
	for _, r := range e.Records {
		s.records[s.entryOf(r).flow]++
	}
	for _, r := range e.Records {
		s.record(r)
	}
	s.leftovers()
	return s.Account
}

// entryOf is what the book says of a record, or for a foreign one its value.
func (s *settlement) entryOf(r Record) entry {
	if e, ours := s.book.places[r.Place]; ours {
		return e
	}
	return entry{flow: r.Flow, orderKey: r.OrderKey}
}

// keyQueue is an order key within a partition: there its order holds.
type keyQueue struct {
	partition int32
	orderKey  string
}

// settlement is an account being settled.
type settlement struct {
	Account
	book     *Book
	evidence Evidence
	// deadLetters are those whose record was not met yet.
	deadLetters map[Place][]DeadLetter
	// receipts are the same.
	receipts map[Place][]Receipt
	// records counts those of each flow number.
	records map[platform.Flow]int
	// ahead is the request that had the last accepted record of an order key
	// accepted.
	ahead map[keyQueue]int
}

// record finds the outcome of one record. Requests name a flow number, not a record:
// of an event that somebody replayed those without a dead letter were accepted,
// where one was.
func (s *settlement) record(r Record) {
	s.Produced++
	_, ours := s.book.places[r.Place]
	if !ours {
		s.Foreign++
	}
	e := s.entryOf(r)
	deadLetters := s.deadLetters[r.Place]
	delete(s.deadLetters, r.Place)
	seen := s.book.seen[e.flow]
	replayed := s.records[e.flow] > 1
	if e.flow == (platform.Flow{}) || seen == nil || replayed && len(deadLetters) > 0 {
		seen = &sighting{}
	}
	if replayed {
		e.orderKey = "" // comes after what it once stood ahead of
	}

	committed := r.Place.Offset < s.evidence.Committed[r.Place.Partition]
	switch accepted := seen.accepted > 0; {
	case accepted && len(deadLetters) > 0:
		s.Both++
	case accepted:
		s.Accepted++
	case len(deadLetters) > 0:
		s.DeadLettered++
	case committed:
		s.Lost++
	default:
		s.Waiting++
	}
	if !committed && (seen.accepted > 0 || len(deadLetters) > 0) {
		s.Uncommitted++
	}
	s.receiptsOf(r, seen.accepted > 0, len(deadLetters) > 0)
	s.acceptance(r, e, seen)
	s.deadLettersOf(r, e, ours, deadLetters)
}

// acceptance looks at what the platform received.
func (s *settlement) acceptance(r Record, e entry, seen *sighting) {
	key := keyQueue{r.Place.Partition, e.orderKey}
	if e.orderKey != "" && seen.first > 0 && seen.first < s.ahead[key] {
		s.Disordered++
	}
	if seen.accepted == 0 {
		return
	}
	s.ahead[key] = max(s.ahead[key], seen.acceptedAt)
	s.Repeats += seen.accepted - 1
	if e.reason != "" {
		s.Misjudged++
	}
	if len(seen.wrong) > 0 {
		s.Distorted++
	}
	for _, name := range seen.wrong {
		s.DistortedFields[name]++
	}
}

// deadLettersOf looks at the dead letters of one record.
func (s *settlement) deadLettersOf(r Record, e entry, ours bool, deadLetters []DeadLetter) {
	if len(deadLetters) == 0 {
		return
	}
	first := deadLetters[0]
	s.Reasons[cmp.Or(first.Reason, "without a reason")]++
	s.DeadLettersAgain += len(deadLetters) - 1
	mapping := first.Stage == "mapping"
	if ours && (mapping != (e.reason != "") || mapping && first.Reason != e.reason) {
		s.Misjudged++
	}
	for _, l := range deadLetters {
		if l.Print != r.Print {
			s.Altered++
		}
	}
}

// receiptsOf looks at the receipts of one record: it has one if its outcome is known, and each says that outcome.
func (s *settlement) receiptsOf(r Record, accepted, deadLettered bool) {
	receipts := s.receipts[r.Place]
	delete(s.receipts, r.Place)
	if s.evidence.Receipted && len(receipts) == 0 && (accepted || deadLettered) {
		s.Unreceipted++
	}
	for _, one := range receipts {
		so := one.Verdict == verdictAccepted && accepted || one.Verdict == verdictDeadLetter && deadLettered
		if !so {
			s.Contradicted++
		}
	}
}

// leftovers are what no record explains.
func (s *settlement) leftovers() {
	for _, deadLetters := range s.deadLetters {
		s.Stray += len(deadLetters)
	}
	for _, receipts := range s.receipts {
		s.Contradicted += len(receipts)
	}
	here := make(map[Place]bool, len(s.evidence.Records))
	for _, r := range s.evidence.Records {
		here[r.Place] = true
	}
	for place := range s.book.places {
		if !here[place] { // acknowledged, and gone from the log
			s.Produced++
			s.Lost++
		}
	}
	for flow, seen := range s.book.seen {
		if seen.accepted > 0 && s.records[flow] == 0 {
			s.Invented++
		}
	}
}
