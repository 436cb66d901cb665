// Package ledger holds what was decided about dead letters, and the lock of those who send
// them again. It is stored in a topic beside the letters', <DLQ_TOPIC>.ledger: one partition,
// cleanup.policy=compact, min.compaction.lag.ms=86400000. [Ledger.Ensure] creates it.
//
// It does not know how events are sent, and it sends none: that is package replay. Closing is
// here and not there, because closing a letter is an entry and nothing else. A ledger holds
// nothing of an event, since more people may read it than may read letters.
//
// # Letters
//
//	a letter is | when its last entry                | and
//	------------+------------------------------------+---------------------------------
//	open        | does not exist, or was deleted     | a replay sends it
//	replayed    | says that its event was sent, and  | it is sent again only on request
//	            | that a broker confirmed it         |
//	closed      | says how a person dealt with it    | it is sent again only on request
//
// In doubt a letter is open; at worst its event is sent again. An entry counts only for a
// letter with the timestamp that the entry names. A letter that is being sent cannot be
// closed: [Close] waits until it has an entry, or until its sender was silent for a lease.
//
// # The lock
//
// At any time at most one run sends the letters of a topic. Kafka has no locks, but all
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
// to write that link, and sends nothing in the last third ([Lease.SendUntil]).
//
// Before a run sends letters, it writes a link that names them ([Lease.Renew]). If the run
// is killed, the next holder learns from that link which letters may have been sent
// ([Unconfirmed]). So at most the letters between two links are sent twice.
//
// # The records
//
// They are of two kinds, by their key. A letter's:
//
//	key    1/letter/<partition>/<offset>          of the letter
//	value  {"v":1,"written":1767225600000,"state":"replayed","at":"2026-01-01T00:00:00Z","by":"ann@ops-1","to":"events/0/42"}
//	value  {"v":1,"written":1767225600000,"state":"closed","at":"2026-01-01T00:00:00Z","by":"ann@ops-1","why":"tests of the vendor"}
//
//	v        the format's version
//	written  the letter's timestamp, in milliseconds: the entry counts only for a letter
//	         with this timestamp, so that it hides no letter of a recreated topic
//	state    replayed: its event was sent to the place "to", and confirmed;
//	         closed: a person dealt with it otherwise, "why" says how
//	at, by   when, and who decided: the names of user and host
//	changed  true if the event was sent with other fields than the letter's
//
// The last entry of a letter counts. A letter without one is open. A null value deletes
// an entry: [Lease.Forget] does so for letters that retention has deleted. And the lock's:
//
//	key    1/lock
//	value  {"v":1,"holder":"5VQ…","by":"ann@ops-1","at":"2026-01-01T00:00:00Z","after":17,"sending":["0/7","0/8"]}
//
//	holder    a token of one run
//	after     the offset of the last link that counted when this one was written,
//	          −1 for none: a link that names another does not count
//	sending   the letters that are sent once this link counts
//	released  true if the run has ended
//
// Readers ignore members that they do not know. They skip what they cannot read, a value
// of another version or a key that begins differently, and leave it unchanged: a later
// version uses keys of its own, "2/…", which compaction never replaces by ours. A skipped
// letter counts as open; at worst it is sent again.
//
// Memory: about 30 bytes for each letter that is not open, and one answer of a broker.
package ledger
