// Package dlq writes dead letters: records that can never be delivered, set aside
// in a Kafka topic as they came, with headers that say why. And it is the reader
// with which people work them off: read, replayed, closed, until none is open.
//
// What [Publisher] promises: a letter that is reported as written is acknowledged
// by all in-sync replicas of the topic; key, value and headers are those of the
// record, byte for byte, and never cut, but that of more than 4,096 headers the first
// alone are kept; the letter lies in the source partition
// modulo the topic's partitions, and carries the time of writing, because
// retention counts by it: with an old record's time Kafka would delete the letter
// at once.
//
// What [Reader] promises: it changes nothing in the dead-letter topic. An event whose
// sending a broker confirmed is not sent again unless that is asked for, whoever
// replays, and however many at once; of a run that was killed, or that could not
// learn what became of its last batch, at most the last 100 unconfirmed letters are
// sent twice. Events are sent in the order in which they lay, by topic, partition and
// offset of where each came first, wherever their letters lie. Memory holds one
// letter, one answer of a broker, one batch, and some 30 bytes for each letter that was
// decided about; in a replay 8 MiB of letters (or one larger) and 24 bytes for each
// that it may send.
//
// What it leaves to others: when to try a letter again that could not be written (it
// is reported as an error and kept nowhere; until it is written, its record must
// not be committed over); what of a letter may be shown; whether an event can be
// mapped, and what it is changed to.
//
// # The ledger
//
// What was decided stands in a topic beside the letters', <DLQ_TOPIC>.ledger: one
// partition, cleanup.policy=compact, min.compaction.lag.ms=86400000. A record is one
// of two kinds, by its key. A letter's:
//
//	key    1/letter/<partition>/<offset>          of the letter
//	value  {"v":1,"written":1767225600000,"state":"replayed","at":"2026-01-01T00:00:00Z","by":"ann@ops-1","to":"events/0/42"}
//	value  {"v":1,"written":1767225600000,"state":"closed","at":"2026-01-01T00:00:00Z","by":"ann@ops-1","why":"tests of the vendor"}
//
//	v        the format's version
//	written  the letter's timestamp, in milliseconds: the entry counts for a letter
//	         with just this one, so that a topic that was made anew hides nothing
//	state    replayed: its event was sent to the place "to", and confirmed;
//	         closed: a person dealt with it otherwise, "why" says how
//	at, by   when, and who decided: a user's name, and the host's
//	changed  true where the event was sent with other fields than the letter's
//
// The last entry of a letter counts. A letter without one is open. A null value takes
// an entry back: a replay does so for letters that retention has taken. And the
// lock's, a chain in the order of the log (lease.go has its states):
//
//	key    1/lock
//	value  {"v":1,"holder":"5VQ…","by":"ann@ops-1","at":"2026-01-01T00:00:00Z","after":17,"sending":["0/7","0/8"]}
//
//	holder    a token of one run
//	after     the offset of the last link that counted when this one was written,
//	          −1 for none: a link that names another does not count
//	sending   the letters that are sent once this link counts
//	released  true where the run has ended
//
// Readers ignore members that they do not know. What they cannot read, a value of
// another version or a key that begins otherwise, they pass over and leave as it
// is: a later version uses keys of its own, "2/…", which compaction never replaces
// by ours. Either way a letter counts as open, and the worst that follows is that
// it is sent again.
package dlq
