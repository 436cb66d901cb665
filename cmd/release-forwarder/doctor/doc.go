// Package doctor examines all that the service depends on and reports, check by check, ok, warning, wrong or
// unknown, each with what was found and, if something must be done, the remedy. It does not know what follows:
// the command prints a [Report] and exits with 1 if something is wrong; the service logs it at its start.
//
// [Kafka] examines the cluster: each broker (reachable, certificate, log-in, protocol versions), the topics
// (partitions, replicas, settings that lose records), this user's rights, and the group (type, protocol,
// members, partitions without an owner, commits and their age). [Credentials] reports what requests would be
// signed with. [Platform] sends one request that the platform must refuse; it is called only if a person asks
// for it.
//
// Promises:
//
//   - It changes nothing in the cluster, joins no group, commits and produces nothing, and creates no topic, except
//     Kafka's own topic of commits, which the request for a group's coordinator creates in a new cluster. If the
//     ledger of dead letters is missing, one request has the brokers validate its creation, without creating it. Only
//     Platform sends something to the platform. Of each partition that waits one batch is read, only for its
//     first record's timestamp.
//   - What this user may not see is unknown, never wrong. Rights are read from what the brokers say is allowed
//     (KIP-430), not tried by writes.
//   - A finding holds addresses, names of topics, groups, settings and rights, numbers and remedies. It never
//     holds anything of a record, a secret, a text of the platform, or a URL's query.
//   - It ends with its context; each request has an end of its own.
//
// Wrong: as things are, records do not flow, or are lost. Warning: that happens in a case that does occur,
// such as a lost broker, a full disk, a long outage, a certificate's end.
package doctor
