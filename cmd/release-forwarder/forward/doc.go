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
//	begun before an outage was over       | again at once; counts for nothing
//	  … throttled                         | as above; counts for nothing
//	no byte of it left this host          | as below; counts against no record
//	any other failure, circuit open       | again in turn: the gate alone paces it
//	any other failure, circuit closed     | held for the backoff; may count
//	  … and it was the last one allowed   | letter (stage upstream, budget-exhausted)
//	letter not written                    | held; then the letter alone is tried again
//
// # Budget
//
// A failure counts only where there is proof that the platform is up and mostly
// accepts, and the record is the trouble (see evidence). Others are first deliveries
// of other records on this replica since the record's last failure that counted, at
// first since its delivery began. The first row that fits holds. The last two are
// cases of TestTheLastFailureOfTheBudgetMakesTheLetter, the refused lot's is held by
// TestARefusedLotStopsNobodyAndItsRecordsArriveInOrderWhenItIsMended (no letter, however
// often it is refused), that no byte left by TestWhatNeverLeftThisHostCountsAgainstNoRecord,
// each other is a case of TestWhichFailuresCountForTheBudget.
//
//	the failure                                       | counts
//	--------------------------------------------------+-------------------------------
//	begun before an outage was over                   | no
//	of a lot that alone is refused                    | no: the lot waits (see lots)
//	no byte of the request left this host             | no: ours, not the record's
//	throttled, nothing accepted since it last was     | no
//	the circuit is open                               | no
//	less than 10 others were accepted                 | no
//	less than four times as many others as failed     | no; permanent answers left out
//	401 or 403, its lot was not accepted since        | no
//	any other                                         | yes; the proof is used up
//	  … the RETRY_BUDGET-th that counts               | yes, and makes a letter
//	  … the third, while waiting records crowd        | the same
//	    the partition                                 |
//
// What does not count is told to the circuit instead, but for the first two.
package forward
