// Package doctor looks at everything the service depends on and says, check by
// check, whether it is as it must be: ok, warning, wrong or unknown, each with
// what was found and, where something is to be done, the remedy.
//
// [Kafka] looks at the cluster: each broker (reachable, certificate, log-in,
// protocol versions), the topics (partitions, replicas, the settings that lose
// records), the rights of this user, and the group (type, protocol, members, partitions that
// nobody owns, commits and how old they are). [Credentials] tells what requests would be signed with. [Platform],
// which is called only when a person asks for it, sends one request that the
// platform must refuse.
//
// What the package promises:
//
//   - Nothing is changed in the cluster, no group is joined, nothing is committed or
//     produced, no topic comes into being (but for Kafka's own that keeps commits, which asking for a group's
//     coordinator creates in a new cluster), and nothing goes to the platform but by
//     Platform. One batch of each partition that waits is read, for its first
//     record's timestamp alone.
//   - What this user may not see is unknown and never wrong. Rights are told from
//     what the brokers say is allowed (KIP-430), not by trying writes.
//   - A finding holds addresses, names of topics, groups, settings and rights,
//     numbers and remedies. It never holds anything of a record, a secret, a text of
//     the platform, or a URL's query.
//   - It ends with its context; each single request ends by itself.
//
// A wrong finding means that records would not flow, or be lost, as things stand. A
// warning means that they would in a case that does happen: a broker lost, a full
// disk, a long outage, a certificate's end.
//
// It leaves to its callers what follows: the command prints a [Report] and ends with
// 1 where something is wrong; the service logs it at its start.
package doctor
