// Package upstream speaks to the parking platform: it signs a record's
// parameters, sends them, and says what the answer means. Its second half, the
// Gate, says when a request may go out.
//
// # One delivery
//
// Client.Deliver makes one HTTP attempt, on a record's first delivery also a few
// quick retries, and returns an Answer. Each attempt has Config.Timeout, from
// the connection to the last byte of the body. What the platform says stands in
// the body, whatever the HTTP status: a body that is wholly one JSON object with
// exactly one code decides, and anything else is no answer to go by. Only the
// verdict Accepted is a yes, and every doubt is a no, for the platform ignores
// what it is sent twice and nobody would miss what was wrongly taken for sent.
//
// The package promises that nothing of a record, of an answer or of a secret
// appears in its errors, that no redirect is followed, and that memory and
// connections stay within bounds whatever the other side sends. It keeps no
// record, counts no budget and writes nothing: what follows from a verdict
// (waiting, a dead letter) is the caller's, and so is telling the Gate.
//
// # The gate
//
// A slot is taken with Gate.Acquire before a record is chosen for it, and given
// back with Gate.Release. The caller reports what came of its deliveries:
// Accepted, Failed for what counts against the platform as a whole, Pause for a
// throttled one. A permanent code is an answer about the record and is not
// reported.
//
//	phase   slots are given                     event                         then
//	closed  while fewer than MaxInFlight are    the 5th different record      open
//	        out                                 fails, none accepted between
//	                                            Accepted                      closed, failures forgotten
//	open    one a second, the first a second    Accepted, however old the     ramp, limit 1 (closed where
//	        after the opening; never more than  request                       MaxInFlight is 1)
//	        MaxInFlight out                     Failed                        open
//	                                            Release(false)                open, the next slot at once
//	ramp    while fewer than the limit are out  Accepted                      limit doubled; at MaxInFlight
//	        (those of the outage apart)                                       closed
//	                                            the 5th different record      open
//	                                            fails, none accepted between
//	any     none before the end of a pause      Pause                         the later end of a pause holds
//	        (Retry-After)
//
// While the circuit is open several slots may be out at once, since a request to
// a platform that hangs takes a whole Config.Timeout and the next still begins
// after a second. Failures are told apart by record: one record that fails five
// times says nothing about the platform.
package upstream
