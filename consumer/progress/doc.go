// Package progress knows what of one partition's log is finished, and tells it in a commit.
//
// A [Progress] keeps the offsets that are unfinished, in order, and the position behind all that was
// read. The first unfinished offset is the watermark, which is committed; what is finished beyond it
// is the commit's [Knowledge]. [Encode] writes that into a commit's metadata, [Decode] reads it for
// the partition's next owner, and [Parse] for people.
//
// All of it is pure: no lock, no clock, no Kafka. A Progress is not safe for concurrent use, and
// allocates nothing for a record: each brings its [Item].
//
// A leader epoch is that of the leader that wrote a record (KIP-101). Each offset that is told
// stands with the epoch below it, by which its reader verifies that the log is the same up to there.
//
// What it leaves to others: who reads, who finishes, when to commit, and whether a log is the one
// that was read before.
package progress
