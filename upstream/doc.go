// Package upstream speaks to the parking platform: it signs a record's parameters,
// sends them, and says what the answer means. docs/platform-api.md describes the
// platform's API.
//
// It knows one delivery at a time. It does not know Kafka, the order of records, budgets or
// dead letters. When a delivery may begin is the business of upstream/gate, which a Client
// knows only as a Gate: it asks before each further attempt, and tells what each attempt
// says about the platform's load. Which secret signs a lot's request is the business of
// upstream/credential. Imports go downwards alone: neither of the two knows this package.
//
// # One delivery
//
// Client.Deliver makes one HTTP attempt, on a record's first delivery also a few
// quick retries, and returns an Answer. Each attempt has Config.Timeout, from the
// connection to the last byte of the body. The body decides, not the HTTP status. It
// must be one JSON object with exactly one code; any other body is unreadable. Only
// the verdict Accepted is a yes, and every doubt is a no: a wrong no is sent twice,
// which the platform ignores, and a wrong yes is lost.
//
// The package promises that nothing of a record, an answer or a secret appears in its
// errors, that it follows no redirect, and that memory and connections stay within
// bounds for any input. It keeps no record, counts no budget and writes nothing. The
// caller decides what follows from a verdict (waiting, a dead letter) and tells the
// gate.
//
// # The slow and the strange
//
// What may come from the platform, or from a host on the way, and the verdict on the
// attempt. Each row is a case of TestTheSlowAndTheStrange.
//
//	what comes                                                  verdict
//	an answer that trickles, whole in time                      accepted
//	an answer that trickles longer than that                    timeout
//	headers that trickle                                        timeout
//	a whole object in a body that does not end                  timeout
//	a request that no one reads                                 timeout
//	an interim answer (100 to 103), then the answer             accepted
//	interim answers without end                                 unreachable
//	a switch of protocols (101) that was not asked for          unreadable
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
// Bytes that come on an HTTP/1.1 connection between a request's answer and the next request
// are stray. They end the connection, and the next request uses another: see wire. Bytes that
// come after that request's first byte cannot be recognized by its answer; only HTTP/2 solves
// that. TestStrayAnswerBeforeNetHTTPHasLooked and the tests beside it check this.
//
// Connections are used for at most five minutes; then names are looked up again, so that the
// platform's new addresses are used. An idle one is closed after 45s. After five exchanges in
// a row without an answer all connections are closed: a device that silently forgets one
// connection has mostly forgotten all.
package upstream
