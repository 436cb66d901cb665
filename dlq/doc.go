// Package dlq writes dead letters: records that can never be delivered, stored
// unchanged in a Kafka topic, with headers that say why. It also has the reader with
// which people read, replay and close them, until none is open.
//
// What [Publisher] promises: a letter that is reported as written is acknowledged by
// all in-sync replicas of the topic. Key, value and headers are those of the record,
// byte for byte, and never cut; only of more than 4,096 headers just the first are kept.
// The letter is in the source partition modulo the topic's partitions. Its timestamp is
// the time of writing, because retention uses it: with an old record's time Kafka would
// delete the letter at once.
//
// What [Reader] promises: it changes nothing in the dead-letter topic. An event whose
// sending a broker confirmed is not sent again unless requested, even with several
// replays at once. If a run was killed, or could not learn the result of its last
// batch, at most its last 100 unconfirmed letters are sent twice. Events are sent in
// their original order, by topic, partition and offset of the first record, wherever
// their letters are. Memory holds one letter, one answer of a broker, one batch, and
// about 30 bytes for each letter that is not open; in a replay also 8 MiB of letters (or
// one larger letter) and 24 bytes for each letter that it may send.
//
// The caller decides when to retry a letter that could not be written: Publisher reports
// the error and does not keep the letter, and its record must not be committed until it
// is written. The caller also decides what of a letter may be shown, whether an event can
// be mapped, and how it is changed.
//
// # The ledger
//
// Decisions are stored in a second topic, <DLQ_TOPIC>.ledger: one partition,
// cleanup.policy=compact, min.compaction.lag.ms=86400000. Its records are of two kinds,
// by their key. A letter's:
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
// an entry: a replay does so for letters that retention has deleted. And the lock's, a
// chain in the order of the log (lease.go has its states):
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
package dlq
