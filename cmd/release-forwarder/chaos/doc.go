// Command chaos breaks a real cluster under load and settles the account.
//
// Three Kafka brokers and three forwarders run as processes on this machine,
// with a steady producer and a double of the platform. For as long as it is
// asked, brokers and forwarders are killed (SIGKILL) and started again, frozen
// (SIGSTOP) for longer than their sessions last, and cut off from one another by
// a TCP proxy that refuses connections or swallows what is sent. What happens
// when is drawn from a seed. Processes and networks are not deterministic, so
// the same seed gives the same faults, not the same run.
//
// At the end every event is accounted for, from what others recorded: Kafka's
// log, read whole with another client library; the commits in the coordinator's
// own log, of which none escapes, however short it stood; and the requests that
// the platform's double saw, each with the forwarder that sent it. The run fails
// unless
//
//   - every record of the log was accepted, and none became a dead letter;
//   - no commit, nor what its metadata reports beyond it, was ahead of an
//     acceptance, none fell back, and the last ones are the log's end;
//   - the first request of an order key's record came after the acceptance of the
//     one before;
//   - every repeat is explained by a fault of the forwarder that had the record
//     accepted, or of a broker: the acceptance lies within the fault, or at most
//     one commit interval before it; or the request was on its way while its
//     forwarder was frozen or cut off. There are not more than P4 of
//     docs/explanation/guarantees.md allows;
//   - every accepted event has a receipt, which tells what the platform's double saw: by its key, its place, the
//     answer's seqno and the string that was signed. If receipts are not required, events may lack one that the
//     forwarders' metrics count as missing. If they are required, no commit is ahead of one. No receipt tells of
//     anything else, and release-forwarder audit --verify counts the same;
//   - no forwarder ended by itself, and the group's lag reached 0;
//   - a run of two minutes or more held at least 5 kills, 2 pauses and 2 cuts.
//
// The files: main (flags), stage (a run from start to verdict), plan (faults from
// a seed), inject (faults carried out), proxy (cuts), cluster and forwarders
// (processes), load (events), ledger (the platform), kafkalog (what the brokers
// hold), account, repeats and receipts (the verdict, a pure function of the records),
// report.
package main
