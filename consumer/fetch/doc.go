// Package fetch reads Kafka's log. It knows one fetch request to a broker and how to decode the answer record
// by record, and it asks leaders where logs begin and end and up to where they hold a leader epoch. It does
// not know which broker leads a partition, when to ask again, back-off, throttling, how much may be fetched at
// once, or what to do about an offset that is not in the log.
//
// The exchange runs over a connection that an [Exchanger] lends. The answer is decoded here, field by field:
// libraries' decoders take 64 KiB for each batch or the whole answer, hide errors, or do not say where a batch
// ends (docs/development/decisions/0001). The request is kmsg's, and so are other messages, which go through a [Sender].
//
// Requests are Fetch versions 11 to 13. As far as known, and if the broker can read it, a request names the
// topic by its ID (KIP-516, from Kafka 3.1 on), the epoch of the leader (KIP-320), and the epoch of the last
// record read (from Kafka 2.7 on). So a recreated topic, a deposed leader, and a log that lost what was read
// are distinct answers.
//
// Promises:
//
//   - A [Reader] returns what a read_committed consumer may see, each record once, offsets ascending: no
//     transaction marker, no aborted record, nothing below the offset asked for.
//   - [Reader.Position] is where to continue. It skips markers, aborted and empty batches and compacted
//     records, but never a record that was not returned.
//   - [Reader.Epoch] is the leader epoch of what lies just below Position; the next fetch names it.
//   - An answer that reports a divergence ([Answer.Diverges]) holds no records.
//   - Whatever bytes a broker sends, nothing here panics, and each length or count is checked against the
//     bytes that are there and against the bounds before memory is taken. A compressed batch is unpacked
//     record by record: memory follows the largest record, not the batch. The exception is a snappy block,
//     which must be unpacked whole; its size is bounded beforehand.
//   - A record's bytes are its own: keeping a record keeps no answer in memory.
//   - Errors are values (see [ErrCorrupt] and its neighbours) and hold no contents.
//
// Format: record batches (magic 2, Kafka 0.11 and later) with all codecs, as the Kafka protocol guide, KIP-98
// and KIP-110 describe them. Checksums are verified. The message sets before Kafka 0.11 (magic 0 and 1) are an
// [*UnsupportedError].
//
// Memory: an [Answer] holds its bytes until it is dropped. An open Reader also holds a decompressor: between 8
// KiB (uncompressed) and about 8 MiB (zstd at its highest levels), or a whole unpacked snappy block. When a
// partition pauses, close its Reader, drop the Answer, and fetch again from Position.
package fetch
