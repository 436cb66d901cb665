// Package dlq writes dead letters: records that can never be delivered, set aside
// in a Kafka topic as they came, with headers that say why.
//
// What it promises: a letter that is reported as written is acknowledged by all
// in-sync replicas of the topic; key, value and headers are those of the record,
// byte for byte, and never cut; the letter lies in the source partition modulo the
// topic's partitions, and carries the time of writing, because retention counts by
// it: with an old record's time Kafka would delete the letter at once.
//
// What it leaves to others: when to try again. A letter that could not be written
// is reported as an error and kept nowhere; until it is written, its record must
// not be committed over.
package dlq
