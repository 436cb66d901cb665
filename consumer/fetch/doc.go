// Package fetch reads Kafka's log: one request to the leader of some
// partitions, and the records of the answer one by one. It also asks leaders where
// logs begin and end, and up to where they hold what was written under a leader epoch.
//
// The exchange runs over a connection that an [Exchanger] lends. The answer is read
// and decoded here, field by field, since the decoders of libraries take a page of
// 64 KiB for each batch, or the answer whole, hide errors, or do not say where a batch
// ends. The request is kmsg's, and so are other messages, which go through a [Sender].
//
// A request names the topic by its ID (KIP-516), the epoch of the leader that is
// asked, and the epoch of the last record read (KIP-320), as far as they are known
// and the broker can tell: a topic recreated by the same name, a leader that was
// deposed, and a log that lost what was read before are answers of their own.
//
// What the package promises:
//
//   - A [Reader] yields what a read_committed consumer may see, each record once,
//     offsets ascending: no transaction marker, no aborted record, nothing below
//     the offset asked for.
//   - [Reader.Position] is where to go on. It moves over markers, aborted and empty
//     batches and what compaction removed, but never over a record that was not
//     returned.
//   - [Reader.Epoch] is the leader epoch of what lies just below Position, which the
//     next fetch is to name.
//   - An answer that says the log diverges ([Answer.Diverges]) holds no records.
//   - Whatever bytes a broker sends, nothing here panics, and no length or count is
//     believed before it was held against what is there and what is allowed. A
//     compressed batch is unpacked record by record: memory follows the largest
//     record, not what the batch unpacks to. The exception is a snappy block, whose
//     format wants it whole; its size is bounded beforehand.
//   - A record's bytes are its own, so that keeping one keeps no answer in memory.
//   - Errors are values (see [ErrCorrupt] and its neighbours) and hold no contents.
//
// Format: record batches (magic 2) with the codecs they know, as the Kafka protocol
// guide, KIP-98 and KIP-110 describe them. Checksums are checked. The message sets of
// before Kafka 0.11 (magic 0 and 1) are an [*UnsupportedError].
//
// Memory: an [Answer] holds its bytes as they came until it is dropped; an open
// Reader holds beside it a decompressor, which is between 8 KiB (uncompressed)
// and about 8 MiB (zstd at its highest levels), or a whole unpacked snappy block.
// So a partition that pauses should close its Reader, drop the Answer, and fetch
// again from Position.
//
// What it leaves to others: which broker leads a partition, when to ask again,
// back-off and throttling, how much may be fetched at once, and what to do about
// an offset that is not in the log.
package fetch
