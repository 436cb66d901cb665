// Command chaos breaks a real cluster under load and settles the account.
//
// Three Kafka brokers and three forwarders run as processes on this machine,
// with a steady producer and a double of the platform. For as long as it is
// told, brokers and forwarders are killed (SIGKILL) and started again, frozen
// (SIGSTOP) for longer than their sessions last, and cut off from one another by
// a TCP proxy that refuses connections or swallows what is sent. What happens
// when is drawn from a seed. Processes and networks are not deterministic, so
// the same seed gives the same faults, not the same run.
//
// At the end every event is accounted for, from what others recorded: Kafka's
// log read whole with another client library, the requests the platform's double
// saw, and the group's commits as Kafka told them, asked for twenty times a
// second. The run fails unless
//
//   - every record of the log was accepted, and none became a dead letter;
//   - no commit that was ever seen, nor what its metadata tells beyond it, was
//     ahead of an acceptance, and none fell back;
//   - the first request of a session's record came after the acceptance of the
//     one before;
//   - every repeat is explained by a fault: the first acceptance lies within the
//     fault, or at most one commit interval before it, and what a commit had told
//     as done was repeated only by requests that were in flight;
//   - no forwarder ended by itself, and the group's lag reached 0.
//
// The files: plan (faults from a seed), proxy (cuts), cluster and forwarders
// (processes), load and watch (events, platform, commits), inject (faults
// carried out), account (the verdict, a pure function of the records), report.
package main
