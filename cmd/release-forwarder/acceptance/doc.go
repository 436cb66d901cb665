// Package acceptance holds the black-box suite: the forwarder's binary, run as
// a user runs it, against a Kafka and a double of the platform.
//
// The binary is its own process and is told everything by environment
// variables. A case believes only what others recorded: the committed offsets
// and the records of Kafka, read with another client library than the
// forwarder's, and the requests that the platform's double saw. The forwarder's
// own word (logs, metrics, pages) is looked at only where it is the thing
// promised: the probes, the names of the metrics, and that nothing personal
// stands in it, which is checked for every process of every case.
//
// The same cases run on two backends:
//
//	go test ./cmd/release-forwarder/acceptance
//	    on kfake, in the test's process but over the network
//	ACCEPTANCE_KAFKA=real go test ./cmd/release-forwarder/acceptance
//	    on Apache Kafka, started by .ci/kafka/kafka.sh for this run
//
// Three real brokers also show what becomes of a log that is not what it was, and of
// brokers that are not where they were. Those cases print a second table: what
// happened, who noticed, what was said, what was lost.
//
// A case that a backend cannot run is left out there and the table at the end
// says why; nothing is skipped.
//
// Variables, for the real backend: ACCEPTANCE_BROKERS (1 or 3, default 1) and
// KAFKA_VERSION. For both: ACCEPTANCE_FORWARDER, a binary to use instead of
// building one; ACCEPTANCE_RESULTS, the directory in which each run leaves its
// results, so that the table shows the backends side by side (default: in the
// user's cache); ACCEPTANCE_PARALLEL, how many cases run at once.
package acceptance
