// Package dlq defines what a dead letter is: a record that can never be delivered, stored
// unchanged in a Kafka topic, with headers that say why. [Publisher] writes letters, [Reader]
// reads them back, [Tally] counts them.
//
// It does not know how letters are worked off. Package ledger holds what was decided about
// them, and package replay sends their events again. Both import this package, and this one
// imports neither: the service writes letters and may not read them, so no code for reading a
// ledger or for sending events again is on its way.
//
//	consumer/topic  one topic of Kafka: reads its log, appends records
//	      ▲
//	     dlq        a dead letter: its headers, its state; written, read, counted
//	      ▲
//	  dlq/ledger    what was decided about letters, and who may send now
//	      ▲
//	  dlq/replay    chooses letters, sends their events again, follows them to their outcome
//
// The caller decides when to retry a letter that could not be written: Publisher reports
// the error and does not keep the letter, and its record must not be committed until it
// is written. The caller also decides what of a letter may be shown, whether an event can
// be mapped, and how it is changed.
//
// # What Publisher promises
//
// A letter that is reported as written is acknowledged by all in-sync replicas of the topic.
// Key, value and headers are those of the record, byte for byte, and never cut; only of more
// than 4,096 headers just the first are kept. The letter is in the source partition modulo the
// topic's partitions. Its timestamp is the time of writing, because retention uses it: with an
// old record's time Kafka would delete the letter at once. An error does not prove that the
// letter was not written, so a letter that is written again may be there twice.
//
// # What Reader promises
//
// It changes nothing in the topic. It reads any record: what it cannot read of a letter is
// told in [Stored].Problems, and a letter with problems is not replayed. It does not trust
// the headers of a record that was never replayed: see [ReaderConfig].Replays. It keeps one
// letter and one answer of a broker in memory.
package dlq
