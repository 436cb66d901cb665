// Package gate says when a request to the platform may go out. It joins the circuit, the
// adaptive limit, the rate and the pauses that the platform asks for, for all deliveries
// of one process together.
//
// It knows slots, how deliveries ended and how long attempts took. It does not know
// records, their order or their lots, HTTP, or what an answer means: who calls it says
// what counts against the platform. It writes no log and counts no metric. It imports
// only the standard library.
//
// # Slots
//
// A slot is the permission for one delivery. It is taken with Acquire before a record is
// chosen for it, and given back with Release at the end of the delivery. So the gate alone
// paces an outage, and no record needs a timer of its own. Slots are given in the order of
// asking. The wait before a quick retry keeps the slot, so these waits use up a small
// UPSTREAM_MAX_IN_FLIGHT.
//
// A slot may be given back unused: an event cannot be mapped, or only a dead letter is to
// be written. That costs nothing: its turn of the rate and, while the circuit is open, its
// second go to the next caller.
//
// The caller reports what came of its deliveries: Accepted, Failed for one that counts
// against the platform as a whole, Pause for a throttled one. A permanent code is an
// answer about the record and is not reported. A delivery that waits for another attempt
// asks with Retry for its turn, and with Paused whether the platform still allows it. Begin
// and Observe enclose each attempt; the limit learns from them.
//
// # The circuit
//
//	phase   slots are given                     event                         then
//	closed  while fewer than MaxInFlight are    the 5th different record      open
//	        in use                              fails, none accepted between
//	                                            Accepted                      closed, failures forgotten
//	open    one a second, the first a second    Accepted, even for an old     ramp, limit 1 (closed if
//	        after the opening; never more than  request                       MaxInFlight is 1)
//	        MaxInFlight in use                  Failed                        open
//	                                            Release(false)                open, the next slot at once
//	ramp    while fewer than the limit are in   Accepted                      limit doubled; at MaxInFlight
//	        use (those of the outage apart)                                   closed
//	                                            the 5th different record      open
//	                                            fails, none accepted between
//	any     none before the end of a pause      Pause                         the later end of a pause holds
//	        (Retry-After)
//
// While the circuit is open several slots may be in use at once: a request to a platform
// that hangs lasts until its time-out, and the next still begins after a second. Failures
// count by record: one record that fails five times says nothing about the platform.
//
// # After an outage
//
// A request that hangs when the circuit closes runs into its time-out. It belongs to the
// past outage: its slot does not count against the limit, its end does not change the
// limit, and the caller tries the record again without reporting a failure. The same holds
// for any failure of a delivery that began before the circuit closed (see RecoveredSince).
//
// # The limit
//
// Refusals for load (429, 503, a time-out, a connection refused or reset, no resources on
// this host) lower the limit, attempt by attempt. Answers raise it while it is what holds
// requests back. A delivery whose last attempt was refused for load counts for the circuit
// too, unless it counts against the record. So a platform that refuses some requests and
// accepts others lowers the limit, and its circuit stays closed. If it refuses all, the
// circuit opens; while it is open, the limit does not change. When the circuit closes the
// limit starts again, with at most 8. Of the circuit's limit and this one the lower counts.
// docs/explanation/limits.md has the rules and what was measured; TestLimitAgainstTheBestFixedOne
// checks both.
//
// # The rate and pauses
//
// SetRate spaces attempts evenly. Each attempt takes a turn, one interval after the turn
// before it; unused turns are not saved up. A pause ends at the latest time that
// was asked for. Both hold in every phase of the circuit, also for quick retries.
//
// # Invariants
//
//   - The slots in use are never more than MaxInFlight, and while the circuit is not open
//     those that count are given only below the limit.
//   - In any n seconds of an open circuit at most n slots are given and used.
//   - No caller waits while a slot may be given: each change of state gives slots to those
//     who wait. A slot given to a caller whose context has ended goes to the next.
//   - The slots from before the outage's end are never more than the slots in use.
//   - OnOpen and OnClose are called one at a time and in order, without the gate's lock.
package gate
