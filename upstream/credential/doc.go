// Package credential knows what requests are signed with: which lot has which app_id and
// secret, and which of two secrets is in use while one replaces the other.
//
// It does not know how a request is signed or sent, what an answer means, which files and
// settings the credentials come from, or how a lot may be shown: it is told. It opens no
// file and writes nothing. It imports only the standard library.
//
// # A lot's credential
//
// A Set is immutable. For a lot it gives
//
//	the lot has an entry   there is an entry *   a fallback has a secret   its credential
//	yes                                                                    its own entry
//	no                     yes                                             the entry *
//	no                     no                    yes                       the fallback
//	no                     no                    no                        none: nothing is sent
//
// A lot never gets another lot's credential. When a file has changed, Set.Changes says
// which lots sign otherwise than before.
//
// # Two secrets
//
// A credential may have a second secret, Next, while the platform changes from one to the
// other. Rotations keeps for each such credential which of the two is in use:
//
//	state      signs first   event                             then
//	the first  Secret        a request with Next is accepted   the second
//	the second Next          one with Secret is accepted       the first
//
// An answer to a request from before a change does not revert it. What is signed first
// differs from the state in two cases: the request of a lot that was refused takes the
// secret that was not refused, and a probe takes the one that the last refused probe did
// not take. An acceptance ends both.
//
// # Invariants
//
//   - A Secret prints as *** in every way to print it; only Reveal returns its text.
//   - Memory is bounded, whatever lots and files there are: at most 4,096 refusals and
//     4,096 credentials are remembered. Then all are forgotten, which may cost a
//     refused request for each.
package credential
