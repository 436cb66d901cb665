// Package consumer delivers the records of Kafka topics to a handler, at least
// once and hardly ever twice, in order within each order key.
//
// What it promises:
//
//   - A committed offset stands behind finished records only. Nothing else
//     moves a commit, but the start of a partition that has none and a reset
//     after Kafka itself dropped what was committed; both are logged.
//   - Records with the same order key in one partition are delivered one after
//     the other, in offset order. Order keys do not wait for one another.
//   - What is finished beyond the committed offset stands in the commit's
//     metadata, so that the next owner of the partition passes it over.
//   - Memory, goroutines and requests are bounded by Config, whatever the backlog
//     and however long records wait. A record that waits costs no goroutine and
//     no timer of its own.
//
// What it leaves to others: what a record means, whether it may be sent now (the
// Gate), and what becomes of one that fails (the Handler).
//
// # A record's way
//
// The reader fetches while a partition is within its bounds. Each record joins
// the key queue of its order key; the key queue's head is ready unless it is
// being delivered or held. A worker waits until a key queue is ready, takes a
// slot from the gate, and only then the next key queue, partition by partition in
// turn. The handler ends the delivery: done, again at a time, or again when its
// turn comes. A record that is done leaves the partition's progress; the
// committer writes the watermark and what is done beyond it.
//
// Package queue has the states of a record. Done ends them; AgainAt holds it until its time comes
// or Hasten; AgainInTurn makes it ready again. Any state ends when the partition is revoked: the next
// owner reads the record anew. Package progress has what is finished, and how a commit tells it.
//
// # A partition's way
//
// Package membership tells what this process owns. A rebalance touches nothing that stays. A partition
// that is revoked drains: no delivery of it starts, open ones are waited for up to
// Config.DrainTimeout, and its last commit is sent; the others go on. One that is lost, since
// the coordinator does not know this member any more, is cut at once and not committed: its
// records belong to another replica.
package consumer
