// Package wire is the one way from this program to a Kafka cluster: its connections, the
// addresses by which brokers are found, and what the cluster last told of itself.
//
// Messages are kmsg's ([Client.Send], [Client.SendToCoordinator]), the caller's own
// ([Client.Exchange], for Fetch), or kafka-go's ([Client.RoundTrip], for what its Client does
// well: produce and administration). kafka-go's Transport is not used: it knows no topic IDs
// and no leader epochs, hides newer APIs, asks for the coordinator before every request to a
// group, and waits for an address that accepts connections and never answers.
//
// # Finding brokers
//
// An address is judged by its first answer, not by TCP: one that refuses, does not answer within
// 8 s, or belongs to another cluster is passed over for a while, and the next is tried. The order:
//
//	brokers the cluster named last, in random order
//	the addresses of KAFKA_BROKERS, in random order (KIP-899)
//	those of both that were passed over, in any case
//
// # What is believed of the metadata
//
// A cluster is ours once it has told of one of our topics; another one's answers are passed over
// from then on, until for a minute nobody else answers.
//
// A partition whose leader epoch is lower than one told before, whatever came between, is an
// answer from a broker that lags: the former stays (KIP-320), until for 30 s nobody tells it.
//
// A topic whose ID is another one is believed when a second broker says so, or the only one says
// it again (KIP-516); at the start a second one is asked, and awaited for 100 ms. An ID that was
// replaced is a lagging broker's, until for a minute nobody tells the present one.
package wire
