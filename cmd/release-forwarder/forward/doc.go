// Package forward joins consumer, mapping, upstream and dlq: one delivery of one
// record, from its bytes to the outcome that the engine acts on.
//
// What it promises: a record is done only when the platform accepted it or its
// dead letter is acknowledged; only permanent failures become dead letters.
//
// # Outcomes
//
//	the delivery                          | outcome
//	--------------------------------------+----------------------------------------
//	cannot be mapped                      | letter (stage mapping); no request
//	accepted                              | done
//	permanent                             | letter (stage upstream, refused)
//	cut                                   | none: the partition's next owner sends it
//	throttled, with Retry-After           | the platform is paused; again in turn
//	  … again, while others were accepted | held alone, at least so long; may count
//	hung in an outage that is over        | again at once; counts for nothing
//	any other failure, circuit open       | again in turn: the gate alone paces it
//	any other failure, circuit closed     | held for the backoff; may count
//	  … and it was the last one allowed   | letter (stage upstream, budget-exhausted)
//	letter not written                    | held; then the letter alone is tried again
//
// # Budget
//
// A failure counts only where there is proof that the platform is up and mostly
// accepts, and the record is the trouble (see evidence): since the record's last
// failure that counted, at first since its delivery began, at least 10 first
// deliveries of other records were accepted on this replica and at least four
// times as many as failed, permanent answers left out. A record answered 401 or
// 403 also needs an acceptance of its lot. With the circuit open nothing counts.
// RETRY_BUDGET failures that count make a letter; 3, while records that wait
// crowd the partition. What does not count is told to the circuit instead.
package forward
