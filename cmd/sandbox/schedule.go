package main

// defaultFaults is what happens to the platform in a run: within the first half
// minute once everything, then again and again.
const defaultFaults = "poison@2s/1m, reject*2@4s/20s, lost@5s/20s, errors@8s+2s/1m, timeout@11s/20s, throttle@13s/20s, outage@15s+5s/1m, forbid@21s+5s/1m, garbage*3@23s/30s"

// faultsHelp explains schedules on the command line.
const faultsHelp = `Faults are written KIND[*COUNT]@START[+LENGTH][/EVERY], separated by commas. With a LENGTH every request of that span is hit, without one the next COUNT events. Kinds: errors (500), outage (connections closed), timeout (no answer), throttle (429 with Retry-After), garbage (HTML), lost (accepted, the answer lost), poison (500 to one event, always), reject (400 to one event, always), forbid (403 to one lot for a LENGTH).`
