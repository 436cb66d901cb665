// Package topic reads one topic of Kafka without a group: its log between two offsets or from
// a time on, the bounds of its partitions, how long it keeps records. It also appends records
// to one partition and says whether a failed request is proven to have written nothing.
//
// It knows Kafka's log format (consumer/fetch) and the way to the cluster (consumer/wire), and
// no more: not what the records mean, not consumer groups, commits or dead letters. The engine
// (package consumer) does not use it, and it does not use the engine. Dead letters, the ledger,
// the command find and the service's view of retention read through it.
//
// What [Log] promises:
//
//   - It reads like a consumer with isolation.level=read_committed: no record of an aborted
//     transaction, and none after the beginning of an open one. Only [Log.Peek] looks further,
//     at a batch's header.
//   - It asks leaders only, by the leader's epoch and the topic's ID. A leader that was replaced
//     and does not know it refuses, and so does a topic that was deleted and created again.
//   - It holds one answer of a broker (1 MiB before unpacking, or one larger batch) in memory.
//     A record that unpacks to more than 128 MiB is an error.
//   - Retriable errors are tried again, 8 times at most. One request takes 10 s at most.
//   - A partition whose leader does not answer hides no other partition's bounds.
//   - It writes nothing, except by [Log.Append].
//
// Needed rights: Read on the topic, which implies Describe; DescribeConfigs for [Log.Retention];
// Write for [Append].
package topic
