// Package queue knows which of a partition's unfinished records may be delivered next. It is pure: no lock, no
// clock, no Kafka.
//
// It knows order keys, which records are ready and in which order, which are held, and which record is evicted
// for the others of a quota. It does not know why a record waits or for how long, what the bounds are, or who
// delivers.
//
// Each record joins the key queue of its order key. Only the head of a key queue is taken: records of one
// order key are delivered one after the other, in offset order. A key queue whose head is ready stands in
// [Fresh], [Due] or [Turn] of its partition's [Queues]. Records that wait for a time are in a [Timetable], one
// for all partitions.
//
//	state    | entered by                     | left by
//	---------+--------------------------------+-----------------------------------------
//	Waiting  | Join, behind others of its key | the record before it leaves -> Ready
//	Ready    | it is its key queue's head     | Next, Take or Open -> Open;
//	         |                                | if it is Unloaded, Load -> Loading
//	Open     | Open                           | Leave -> Gone; Add -> Held; Turn -> Ready
//	Held     | Timetable.Add                  | Remove or Hasten, and then: Due -> Ready; Open
//	         |                                | -> Open; Add -> Held
//	Loading  | Load                           | Loaded or Unload -> Ready; Open -> Open;
//	         |                                | Add -> Held; Leave -> Gone
//	Gone     | Leave, Drop                    |
//
// A head that was tried and is held blocks its key queue ([Queues.Block]): all records of the key queue count
// as blocked, and against the quota that the head names. [Queues.Longest] is the record of a quota to evict.
//
// Nothing here is safe for concurrent use. Each record brings its [Item]; each key queue costs one allocation.
package queue
