// Package replay sends the events of dead letters again: it chooses letters, puts them into
// the order of their events, sends them, records each confirmed one in the ledger, and follows
// the events to their outcome.
//
// It writes records to a topic, and no more: the service delivers them to the platform like any
// other event. It does not know the platform, how an event is mapped, or what may be shown of a
// letter. Those who may send, and what was decided, are the ledger's.
//
// # A run
//
//	the lock is ours ──▶ link: "I send these next" ──▶ events, acks=all ──▶ an entry for each ──▶ link …
//
// [Replayer.Run] first reads all letters and records where each lies and where its event lay
// ([Order]). Then it reads the letters again in the order of the events, some MiB at a time,
// and sends them in batches of at most 100.
//
// What it promises:
//
//   - An event whose sending a broker confirmed is not sent again unless requested, even with
//     several runs at once: the others wait for the lock.
//   - If a run is killed or cannot learn the result of its last batch, at most that batch, 100
//     letters, is sent twice.
//   - Events are sent in their original order, by topic, partition and offset of the first
//     record, wherever their letters are. If an event cannot be sent, later ones of its order
//     key are held back and stay open.
//   - Each event goes to its original partition, modulo the topic's partitions.
//   - Letters that are written after the choice are not sent, not even the next letter of a
//     replayed event.
//   - Memory holds 8 MiB of letters (or one larger letter), one batch, and 24 bytes for each
//     letter that may be sent, beside the ledger.
//
// What can go wrong with a batch, and the result:
//
//	killed before its link counts          nothing was sent
//	killed after that, before its entries  up to a batch is sent again by the next run
//	killed after its entries               nothing is sent again
//	frozen before sending, for long        the run sees that its lease is over, and sends nothing
//	frozen during the request              up to a batch arrives twice
//	the link's outcome unknown             the ledger is read; if it is not there it is written again
//	the records' outcome unknown           the topic is read: what is there is confirmed; else
//	                                       the run ends (ErrUncertain): the batch stays open
//	the entries' outcome unknown           they are written again with the same content
//
// # The outcome
//
// A [Tracker] learns the outcome of an event from two sources: the group's commits say that
// it is finished, and a new dead letter says that it failed again. A letter is acknowledged
// before its record is finished. So reading the commits first and the letters after them
// misses no failure.
package replay
