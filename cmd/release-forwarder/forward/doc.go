// Package forward connects consumer, mapping, upstream and dlq: it makes one delivery of
// one record, from its bytes to the outcome that the engine acts on.
//
// What it promises (P1 and P5 of docs/explanation/guarantees.md): a record is finished only when the
// platform accepted it or its dead letter is acknowledged; only permanent failures become
// dead letters.
//
// # What waits, and why
//
// There is one decision, decide, at three moments: before a record is sent, after its delivery,
// and before its dead letter is written. Its only inputs are what happened and what is known of
// the platform, the record's lot and its streaks of dead letters. The first row that applies
// decides. Each row is a case of TestEachRowOfTheTable.
//
//	what happened                                        | then the record
//	-----------------------------------------------------+-----------------------------------------
//	before it is sent
//	  its lot waits                                      | see after its delivery
//	  a storm of its lot, another has the place          | waits for the place
//	  … and it is evicted                                | is sent
//	  nothing in its way                                 | is sent
//	after its delivery
//	  accepted                                           | is finished
//	  permanent                                          | dead letter, refused
//	  cut                                                | is left to its next owner
//	  a person has decided (DLQ_HELD_BEFORE)             | dead letter, by-operator
//	  begun before an outage was over                    | is sent again at once; counts for nothing
//	  its lot waits for LOT_HOLD_MAX, others accepted    | dead letter, lot-refused
//	  its lot waits, it is evicted, others accepted      | dead letter, lot-refused
//	  its lot waits                                      | waits until the lot's next attempt
//	  throttled, with Retry-After                        | waits as asked, like all records
//	  throttled so again, while others were accepted     | backoff, at least as asked; may count
//	  throttled, begun before an outage was over         | waits as asked; counts for nothing
//	  failed, the circuit is open                        | waits for its turn at the gate
//	  failed with Retry-After, the circuit is open       | waits as asked
//	  no byte left this host                             | backoff; counts for the circuit
//	  failed, nothing proves that it is the record's own | backoff; counts for the circuit
//	  failed, and that is proved                         | backoff; counts against its budget
//	  … for the last time allowed                        | dead letter, budget-exhausted
//	before its dead letter is written
//	  no storm, or it has the place                      | is written
//	  a storm of its source, another has the place       | waits for the place
//	  … and it is evicted                                | is written
//	  a storm of all, another has the place              | waits for the place, evicted or not
//
// A dead letter that could not be written waits for its backoff, then the decision is made
// again.
//
// The budget is RETRY_BUDGET, or 3 while held records take more than half of one of the
// partition's bounds. A failure is proved to be the record's own if at least 10 first
// deliveries of other records were accepted, and at least four times as many as failed, since
// the record's last failure that counted (at first since its delivery began). After a 401 or
// 403 its lot must have been accepted too (see evidence). Type lots knows whether a lot waits,
// type storms whether there is a place; each has a table of states.
package forward
