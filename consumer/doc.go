// Package consumer delivers the records of Kafka topics to a handler, at least
// once and hardly ever twice, in order within each order key.
//
// What it promises:
//
//   - Below a committed offset all records are finished. Only two other things set a commit:
//     the start of a partition without one, and a reset after Kafka dropped what was
//     committed. Both are logged.
//   - Records with the same order key in one partition are delivered one after
//     the other, in offset order. Order keys do not wait for one another.
//   - The commit's metadata says what is finished beyond the committed offset, and the
//     next owner of the partition passes over it.
//   - Memory, goroutines and requests are bounded by Config, however long the backlog and however
//     long records wait. A record that waits has no goroutine and no timer of its own.
//
// What it leaves to others: what a record means, whether it may be sent now (the
// Gate), and what becomes of one that fails (the Handler).
//
// # Files
//
// The engine is one package because it has one lock, and each decision under it needs the whole
// state. Pure parts are packages of their own: queue, progress, fetch, offsets, membership,
// wire, logevent.
//
// The engine and its lock:
//
//	engine.go        the lock, the workers, how a delivery begins and ends
//	partition.go     one partition: its phase, its bounds, what may be delivered
//	record.go        what the handler and the gate see: Delivery, Hold
//	config.go        what an engine needs
//	events.go        the log events
//
// Reading:
//
//	reader.go        which fetch goes to which broker, and when
//	intake.go        an answer's records become deliveries
//	ahead.go         how far to read ahead
//	near.go          a nearer replica instead of the leader
//	large.go         records above Config.MaxRecordBytes
//	unread.go        what the log holds beyond the position
//
// Evidence about a log:
//
//	evidence.go      is it the log that was read before
//	parting.go       what follows if it is not
//
// Holding:
//
//	held.go          records that wait for their next delivery
//	settle.go        records that are delivered, and for which the commit still waits
//
// Commits:
//
//	commit.go        when to commit and what an answer means
//	commit_facts.go  what is known of a partition's commits
//	commit_size.go   how much one request may hold
//	cached.go        the progress of partitions that were given up
//
// Membership events:
//
//	member.go        what the group assigns and takes away
//	group.go         the engine's run; topics; why a join failed
//	start.go         where an assigned partition starts
//	firsts.go        the first offsets of logs
//	drain.go         how partitions are given up
//	counts.go        how many partitions a topic has
//	trouble.go       retries and log lines of what Kafka refuses
//
// Status:
//
//	status.go        what the engine does now
//	alive.go         whether deliveries move
//
// # Delivering
//
// A worker waits until a key queue is ready, takes a slot from the gate, and only then chooses the
// record. So the gate alone paces an outage: records take turns as probes, those never
// tried go first, and all are ready when the circuit closes. Partitions take turns. Workers are
// started as they are needed, up to Config.Workers. A delivery keeps its slot while it waits for
// a quick retry. A record without a readable order key has a key queue of its own.
//
// The handler ends a delivery by Done, AgainAt (held until a time) or AgainInTurn (ready again, and
// the gate paces it); or by Delivered, and then Done: between the two the record settles, and only the
// commit and a drain wait for it. Package queue has the table of a record's states. All held records are in
// one timetable with one timer. A record whose next delivery sends nothing (Hold.NoSlot) starts
// without a slot as soon as it is due. Any state ends when the partition is revoked: the next owner
// reads the record again.
//
// Records of one quota (Hold.Quota) may take half of each of a partition's bounds. Beyond that the
// longest waiting one is evicted. Delivery.OverHalf says that all blocked records together
// take more than half of a bound; the handler decides what follows.
//
// # Reading
//
// Each partition with room has a fetch to its leader under way; partitions of one broker share a
// request. A broker gets at most one request a millisecond. Two may be long polls; a third asks
// only for partitions that are known to have records, and never waits. A partition asks for half
// of its share of bytes, or for its next batch if that is larger.
//
// Reading of a partition pauses at a bound of its unfinished records:
//
//	records  Config.MaxPending
//	bytes    an equal share of three quarters of Config.MaxPendingBytes; the last quarter is for
//	         answers. A record costs its bytes as in the log, its order key, and 512 bytes
//	gaps     what a commit's metadata holds: 500 unfinished runs always fit
//	ahead    while nothing is blocked: what the workers need (ahead.go)
//
// It resumes when a quarter of what blocked records leave of a bound is free. A partition without
// unfinished records always has room for one. At the bound of gaps only the first unfinished
// record is delivered; it makes the metadata shorter.
//
// # From assignment to revocation
//
// Package membership reports what this process owns. A rebalance does not touch partitions that
// stay. An assigned partition goes through the phases in partition.go:
//
//   - It starts. One OffsetFetch covers all new partitions. For those without a commit, one
//     ListOffsets goes to each leader, and one OffsetCommit stores all first offsets known by
//     then. A leader that does not answer delays only its own partitions.
//   - Its log is verified by topic ID and leader epoch before anything is read, and again when
//     the leader, its epoch or the topic ID change, and after any error (evidence.go). If the log
//     parts, what was finished above is forgotten. When no unfinished record is left
//     there, the cut progress is committed, and only then reading goes on. A kill at any time
//     between leaves a commit whose own epoch shows the next owner the same.
//   - It is revoked and drains: reading stops, no delivery starts, and open ones have until
//     Config.DrainTimeout to end, dead letters included. Then the last commit is sent. What
//     is open at the limit is cut and not committed. Other partitions go on.
//   - Or it is lost, because the coordinator no longer knows this member: its deliveries are cut at
//     once and nothing is committed, since it may have another owner.
//
// Past the lease another member may own the partitions: no delivery and no new request starts until
// the coordinator knows this member again.
//
// An answer is a list, and a partition's item may be an error, missing, or there twice. None of
// these means an empty log, no commit or no partition. Partitions that Kafka does not let start are
// tried again after 1 s, then after twice as long each time, up to 30 s. The log names the
// cause once a minute, the status always. A topic's larger number of partitions is believed
// at once, a smaller one after 5 s (counts.go).
//
// # Progress and commits
//
// Package progress keeps a partition's unfinished records and its position, and has the format of a
// commit's metadata. The watermark is the first unfinished offset, or the position if there is none.
// Offsets without a record (transaction markers, compacted ones) are below the position and
// not in the list, so that the lag reaches 0.
//
// Once per Config.CommitInterval, if something changed, a commit carries each changed partition's
// watermark and, as metadata, what is finished beyond it. One commit is in flight at a time. A
// commit unanswered for 10 s is abandoned; it may still land later. So its partitions are committed in
// each interval for 30 s, changed or not. A commit is also sent again when it is six hours old, and
// by a new owner. From Kafka 4.2 on it names the topic by ID, so that a late one cannot land on
// a recreated topic.
//
// The progress of a partition that is given up is cached. If this process gets it back and Kafka
// still has the commit that it last sent, no record is repeated, even if later commits failed.
// Delivery.Read and Delivery.Note are cached too, until a generation has passed without the
// partition. So hold limits and retry budgets count through rebalances.
//
// A broker that refuses the metadata (OFFSET_METADATA_TOO_LARGE) gets from then on some 40 bytes of it,
// the topic ID and the epoch; if it refuses these too, the watermark alone. The coordinator
// refuses a whole request that is too large for its log, so a request holds at most 512 KiB and is
// halved after a refusal (commit_size.go). A limit that a refusal has shown with certainty counts
// until the restart. UNKNOWN_SERVER_ERROR is not certain: that search starts over each time. An
// interval makes at most 16 refused requests.
package consumer
