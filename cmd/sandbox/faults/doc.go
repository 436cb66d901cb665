// Package faults breaks the platform's double on a schedule that a person can
// follow: a [Schedule] is written as text, a [Player] plays it and says aloud
// what begins and what ends.
//
// The text is a list of faults, separated by commas:
//
//	KIND[*COUNT]@START[+LENGTH][/EVERY]
//
// With a LENGTH the fault hits every request of that span. Without, it hits the
// next COUNT events that the platform has not seen before (1 when left out).
// EVERY repeats it. All times count from the start of play.
//
//	errors@8s+2s           from second 8 on, two seconds of 500s
//	outage@15s+5s/1m       five seconds without any answer, every minute
//	timeout@12s/20s        one request that hangs until the client gives up
//	reject*2@4s            two events that are refused with 400
//	forbid@24s+5s          five seconds in which one lot is refused with 403
//
// Some kinds stay with the event they hit: a poisoned event is answered 500, a
// rejected one 400, each time it comes, until the player stops. One hits a lot: of
// the first event that comes in its span, all events of that lot are answered 403
// until the span ends.
package faults
