// Package forward joins consumer, mapping, upstream and dlq: one delivery of one
// record, from its bytes to the outcome that the engine acts on.
//
// What it promises: a record is done only when the platform accepted it or its
// dead letter is acknowledged; only permanent failures become dead letters.
//
// # What waits, and why
//
// One decision, decide, at three moments: before a record is sent, after its delivery, and
// before its dead letter is written. It rests on what happened, on what is known of the
// platform, of the record's lot and of its streaks of dead letters, and on nothing else. The
// first row that fits holds. Each row is a case of TestEachRowOfTheTable.
//
//	what happened                                        | what becomes of the record
//	-----------------------------------------------------+-----------------------------------------
//	before it is sent
//	  its lot waits                                      | as after a delivery
//	  a storm of its lot, another has the place          | waits for the place
//	  … and it is evicted                                | sent
//	  nothing in its way                                 | sent
//	after its delivery
//	  accepted                                           | done
//	  permanent                                          | dead letter, refused
//	  cut                                                | its next owner's
//	  a person has decided (DLQ_HELD_BEFORE)             | dead letter, by-operator
//	  begun before an outage was over                    | again at once; counts for nothing
//	  its lot waits for LOT_HOLD_MAX, others accepted    | dead letter, lot-refused
//	  its lot waits, it is evicted, others accepted      | dead letter, lot-refused
//	  its lot waits                                      | until the lot's next attempt
//	  throttled, with Retry-After                        | so long, and so does the platform
//	  throttled so again, while others were accepted     | backoff, at least so long; may count
//	  throttled, begun before an outage was over         | as asked; counts for nothing
//	  failed, the circuit is open                        | until its turn at the gate
//	  failed with Retry-After, the circuit is open       | so long
//	  no byte left this host                             | backoff; the circuit is told
//	  failed, nothing proves that it is the record's own | backoff; the circuit is told
//	  failed, and that is proved                         | backoff; counts against its budget
//	  … for the last time allowed                        | dead letter, budget-exhausted
//	before its dead letter is written
//	  no storm, or it has the place                      | written
//	  a storm of its source, another has the place       | waits for the place
//	  … and it is evicted                                | written
//	  a storm of all, another has the place              | waits for the place, evicted or not
//
// A dead letter that could not be written waits for its backoff, and is decided on
// again.
//
// The budget is RETRY_BUDGET, and 3 where held records take more than half of one of the
// partition's bounds. That a failure is the record's own is proved where, since its last
// failure that counted (at first since its delivery began), at least 10 first deliveries of
// other records were accepted and four times as many as failed; after a 401 or 403 the lot
// must have been accepted too (see evidence). Whether a lot waits is told by lots, whether
// there is a place by storms, each with its own table of states.
package forward
