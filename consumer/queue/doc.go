// Package queue knows which of a partition's unfinished records may be delivered next.
//
// Each record joins the key queue of its order key, of which only the head is ever taken: records of
// one order key are delivered one after the other, in offset order. Key queues whose heads are ready
// stand in [Fresh], [Due] or [Turn] of their partition's [Queues]. Records that wait for a time lie in
// a [Timetable], which serves all partitions.
//
//	state    | entered by                     | left by
//	---------+--------------------------------+-----------------------------------------
//	Waiting  | Join, behind others of its key | the one before leaves -> Ready
//	Ready    | it is its key queue's head     | Next, Take or Open -> Open;
//	         |                                | where it is Unloaded, Load -> Loading
//	Open     | Open                           | Leave -> Gone; Add -> Held; Turn -> Ready
//	Held     | Timetable.Add                  | Remove or Hasten, and then: Due -> Ready; Open
//	         |                                | -> Open; Add -> Held
//	Loading  | Load                           | Loaded or Unload -> Ready; Open -> Open;
//	         |                                | Add -> Held; Leave -> Gone
//	Gone     | Leave, Drop                    |
//
// A record whose next try is another one blocks its key queue ([Queues.Block]): all that are in it count
// as held back, and against the quota that the record names. Who must make room for the others of a
// quota is [Queues.Longest].
//
// All of it is pure: no lock, no clock, no Kafka. Nothing here is safe for concurrent use. A record
// brings its [Item]; one allocation is made for each key queue.
//
// What it leaves to others: why a record waits and for how long, what the bounds are, and who delivers.
package queue
