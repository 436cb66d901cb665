// Package progress knows which records of one partition's log are finished, and the format in which a commit
// carries that. It does not know who reads, who finishes records, when to commit, or whether a log is the one
// that was read before. It is pure: no lock, no clock, no Kafka.
//
// A [Progress] stores only the unfinished records, ordered by offset, and the position behind all that was
// read. The first unfinished offset, or the position if all is finished, is the watermark: it is committed.
// What is finished beyond the watermark is the commit's [Knowledge]. [Encode] writes it into the commit's
// metadata, [Decode] reads it for the partition's next owner, [Parse] for people. A Progress is not safe for
// concurrent use. It allocates nothing for a record: each record brings its [Item].
//
// A leader epoch is that of the leader that wrote a record (KIP-101). If two logs have the same epoch below an
// offset, they are the same up to that offset. So each offset that is written carries the epoch below it, by
// which the reader verifies that the log is still the same.
//
// # Metadata of a commit
//
// Text of at most 4,096 bytes, the brokers' default of offset.metadata.max.bytes:
//
//	"rf3:" + the topic's ID as Kafka prints it (base64url without padding; empty if brokers have none)
//	+ ":" + base64url without padding of:
//	    8 bytes    the first of SHA-256 over
//	                   uvarint length + bytes of each: "rf3:", the cluster's ID, the topic
//	                   partition (uint32, big-endian), committed offset (uint64, big-endian)
//	                   uvarint length + bytes of the topic's ID as written
//	                   all that follows
//	    uvarint    1 + the leader epoch of the last record below the end of what follows; 0: not known
//	    uvarint    1 + how far below that end the epoch began; 0: not known. If known, uvarint: 1 + the epoch below that
//	    the runs; none if nothing beyond the committed offset is finished (the end is that offset):
//	    uvarints   lengths of runs, from the committed offset on:
//	                   unfinished (0 if the committed offset is finished), finished,
//	                   unfinished, finished, …, finished
//
// The number of lengths is even. All up to their sum is finished except the unfinished runs; beyond it nothing
// is known. Runs that do not fit are left out from the end, at an offset whose epoch is known: less is
// remembered, never something wrong. [MaxRuns] runs always fit.
//
// The digest is the checksum and binds the runs to their [CommitKey]. Metadata that does not match its commit
// key byte for byte is ignored as a whole: records repeat, none is skipped. Metadata with another topic's ID
// is of a topic that was deleted ([ErrAnotherTopic]).
//
// Earlier versions wrote "rf1:" and "rf2:", without ID and epoch; they are ignored too. An epoch of 0 beside
// "rf2:" or empty metadata is no evidence ([TellsNoEpoch]): kafka-go writes 0 if it knows none.
//
// While open records might leave more runs than fit ([Progress.Fits]), only the first unfinished record may be
// delivered. For a broker that takes less metadata, [Progress.Evidence] has no runs: at most [EvidenceLimit]
// bytes.
package progress
