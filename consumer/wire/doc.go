// Package wire is the only way from this program to a Kafka cluster. It knows connections to brokers, how
// brokers are found, the cluster's metadata, and what Kafka's errors mean ([Cause], [Remedy]). It does not
// know the rules of groups, or records.
//
// Messages are kmsg's ([Client.Send], [Client.SendToCoordinator]), the caller's own ([Client.Exchange], for
// Fetch), or kafka-go's ([Client.RoundTrip], for produce and administration). kafka-go's Transport is not
// used: it knows no topic IDs and no leader epochs, hides newer APIs, asks for the coordinator before every
// request to a group, and waits for an address that accepts connections and never answers.
//
// # Connections
//
// An exchange has a connection for itself. It ends with its context, or after 30 s if that has no deadline.
// Opening ends after 8 s (name resolution, TCP, TLS, the answer to ApiVersions) and 10 s for the log-in. Idle
// connections are kept for 30 s, and not beyond nine tenths of the log-in's lifetime (KIP-368).
//
// # Finding brokers
//
// An address is judged by its first answer, not by TCP. An address that does not answer within 8 s, or belongs
// to another cluster, is passed over for 30 s; one that refuses, for 1 s. The order:
//
//	the brokers of the last metadata, in random order
//	the addresses of KAFKA_BROKERS, in random order (KIP-899)
//	those of both that are passed over
//
// # What is believed of the metadata
//
// Metadata is asked for every 2 s, and after each refusal that shows it is old.
//
//	an answer                       | is believed
//	--------------------------------+----------------------------------------------------------
//	of another cluster than ours    | after 1 min in which no one else answers. Ours is the first
//	                                | that named one of our topics
//	with a lower leader epoch than  | after 30 s in which no one reports the higher one: the broker
//	before                          | lags, so the former leader stays (KIP-320)
//	with another ID of a topic      | when a second broker reports it, or the cluster's only broker
//	(KIP-516)                       | again, or after 30 s. At the start a second one is asked, for 100 ms
//	with an ID that was replaced    | after 1 min in which no one reports the present ID
package wire
