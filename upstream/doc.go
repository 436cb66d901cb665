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
// # The slow and the strange
//
// What may come from the platform, or from what stands between, and the verdict on the
// attempt that meets it. Each row is a case of TestTheSlowAndTheStrange.
//
//	what comes                                                  verdict
//	an answer that trickles, whole in time                      accepted
//	an answer that trickles longer than that                    timeout
//	headers that trickle                                        timeout
//	a whole object in a body that does not end                  timeout
//	a request that nobody reads                                 timeout
//	an interim answer (100 to 103), then the answer             accepted
//	interim answers without end                                 unreachable
//	a switch of protocols (101) that nobody asked for           unreadable
//	a body that never ends, as fast as it can                   unreadable, 64 KiB are read
//	chunks without end                                          unreadable
//	a length of 10 GiB                                          unreadable, nothing is read
//	64 MiB packed with gzip                                     unreadable
//	headers of more than 64 KiB                                 unreachable
//	HTML under HTTP 200 (a captive portal)                      unreadable
//	HTML under HTTP 502 (a proxy)                               unreadable
//	HTTP 401 without a readable body                            unreadable
//	HTTP 403 without a readable body                            unreadable
//	a redirect to another host                                  unreadable, nothing is sent there
//	a redirect with an answer in its body                       accepted
//	a proxy that refuses the tunnel (407)                       unreachable
//	code 200 with a hint about the signature                    failed
//	the same where 200 counts as a success                      refused
//	a name that does not exist                                  unreachable
//	a name server that fails                                    unreachable
//	a name server, or a host, that does not answer              timeout
//	closed without an answer                                    unreachable
//	half-open: what is sent goes nowhere                        timeout
//	Connection: close with every answer                         accepted, a connection each
//	cut within the body                                         unreadable
//	TLS, as it should be                                        accepted
//	TLS of an authority that is not trusted (a captive portal)  unreachable, nothing is sent
//	a certificate for another name                              unreachable, nothing is sent
//	a certificate that has ended                                unreachable, nothing is sent
//	no TLS where it is expected                                 unreachable, nothing is sent
//	a handshake that never ends                                 timeout
//	GOAWAY, the request was not looked at                       accepted, on another connection
//	GOAWAY, the request is still answered                       accepted
//	GOAWAY, the request is never answered                       unreachable
//	a stream that is reset                                      unreachable
//	a stream that is refused unseen                             accepted, sent again after a second
//	an HTTP/2 answer without end                                unreadable
//	an HTTP/2 connection on which nothing is heard              timeout
//
// What comes on an HTTP/1.1 connection between a request's answer and the next request was
// asked for by nobody. It ends the connection, and the next request goes out on another: see
// wire. After that request's first byte it cannot be told from its answer; HTTP/2 is the
// remedy. TestStrayAnswerBeforeNetHTTPHasLooked and those beside it hold it.
//
// Connections are used for five minutes at the most, however busy: then names are
// looked up again and the platform's new addresses are used. An idle one is closed after
// 45s. After five exchanges in a row without an answer all connections are given up,
// for what forgets one connection in silence has mostly forgotten all.
//
// # The gate
//
// A slot is taken with Gate.Acquire before a record is chosen for it, and given
// back with Gate.Release when its delivery has ended. The wait before a quick retry
// keeps the slot: a small UPSTREAM_MAX_IN_FLIGHT is shared with those waits, of
// RetryWaitMax at the most. The caller reports what came of its deliveries:
// Accepted, Failed for what counts against the platform as a whole, Pause for a
// throttled one. A permanent code is an answer about the record and is not
// reported.
//
//	phase   slots are given                     event                         then
//	closed  while fewer than MaxInFlight are    the 5th different record      open
//	        in use                              fails, none accepted between
//	                                            Accepted                      closed, failures forgotten
//	open    one a second, the first a second    Accepted, however old the     ramp, limit 1 (closed where
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
// While the circuit is open several slots may be in use at once, since a request to
// a platform that hangs takes a whole Config.Timeout and the next still begins
// after a second. Failures are told apart by record: one record that fails five
// times says nothing about the platform.
//
// Refusals for load (429, 503, a time-out, a connection refused or reset, no room on this
// host) lower the limit, attempt by attempt. A delivery whose last attempt failed so counts
// for the circuit, unless it counts against the record. So a platform that refuses some
// while it accepts others lowers the limit, and its circuit stays closed. Where it refuses
// all, the circuit opens; what is seen while it is open tells the limit nothing.
//
// A request that hangs when the circuit closes runs into its time-out. It tells of the
// outage that is over: the limit does not observe it, and the caller tries the record again
// without counting it or telling the gate, as it does with any other failure of a delivery
// that began before the circuit closed (see Gate.RecoveredSince).
package upstream
