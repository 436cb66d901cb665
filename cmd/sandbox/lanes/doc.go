// Package lanes simulates what stands at the gates of many parking lots: a
// [Street] makes believable events of abnormal releases, a [Sender] puts them
// into a Kafka topic at a steady rate.
//
// Each lot was fitted out by some vendor, so it has habits: how it writes times
// and codes, what it keys its records with, how its serial numbers look. All
// forms of docs/event.md, occur, and so do the ordinary defects of
// the field: a few per cent of the events cannot be mapped, and each of these
// carries the reason for which it must be dead-lettered.
//
// An [Event] also says what the platform must receive for it. That is the
// truth the event was made from, not what a decoder read out of its bytes, so a
// forwarder that misreads a form is found out.
//
// The same seed gives the same lots and the same sequence of events, but for
// the times, which are those of the clock handed in.
//
// Left to others: whether the events arrive. See the package account.
package lanes
