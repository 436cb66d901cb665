// Package receipt defines what a receipt is: a small record in a topic of its own that says what became
// of one event, long after the event is gone. [Writer] writes receipts, [Reader] reads them.
//
// # The record
//
//	key        HMAC-SHA256, with the newest key of RECEIPTS_KEY_FILE, over the lot, a zero byte and
//	           flow_no ([Digester]); empty for an event in which one of them cannot be read
//	partition  by the key as Kafka's default partitioner does (murmur2); without a key the event's
//	           partition modulo the topic's partitions
//	value      a JSON object; docs/reference/receipts.md has its members
//	timestamp  the time of writing, because retention uses it
//
// Nothing in it is of a person, and nothing can be guessed from its digests without the key. The lot, the code
// and the sequence number are as in a log line: a text of another form is "?".
//
// # What Writer promises
//
// A receipt that is reported as written is acknowledged by all in-sync replicas. One that was not is tried again
// each second until its limit, or its context, ends. Each try may have been written although it failed, so a
// receipt may be there more than once, and also after it was reported as not written. All that are
// there for one event say what is true; the first one is the valid one.
//
// Its memory is that of the receipts that it has not reported. The caller bounds them.
package receipt
