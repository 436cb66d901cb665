// Command sandbox is a place to see the forwarder work, and to work on it: an
// embedded Kafka, a double of the parking platform, a simulator of lanes, and
// the forwarder itself, unmodified, as a process of its own.
//
//	go run ./cmd/sandbox              all of it, until Ctrl-C
//	go run ./cmd/sandbox --for 30s    all of it, for half a minute
//	go run ./cmd/sandbox kafka        one part alone; also platform, lanes
//
// It ends with an account of every event, settled from Kafka's records and the
// platform's own, and exits with 0 only when the account closes: each event was
// accepted or dead-lettered, none lost, and has its receipt.
//
// Nothing outlives it, and nothing listens on other than 127.0.0.1. It is no
// part of the service: nothing in it is meant for production.
package main
