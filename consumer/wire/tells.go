package wire

import "github.com/twmb/franz-go/pkg/kmsg"

// Tells is what a broker can tell of a log, by the versions that it takes. What is false cannot
// be noticed there: docs/kafka-versions.md says what follows.
type Tells struct {
	// Epochs: under which leader epoch a partition is led, and where an epoch ended (KIP-320;
	// Metadata 7, OffsetForLeaderEpoch 3).
	Epochs bool
	// Diverging: with each fetch, whether what was read before is in its log (KIP-320; Fetch 12).
	Diverging bool
	// IDs: a topic's ID (KIP-516; Metadata 10).
	IDs bool
	// FetchByID: it lets a topic be read by its ID alone (Fetch 13).
	FetchByID bool
	// CommitByID: it takes commits by the topic's ID (OffsetCommit 10).
	CommitByID bool
}

// TellsBy is what a broker can tell whose newest versions are these; −1: it does not have the API.
func TellsBy(newest func(key int16) int16) Tells {
	return Tells{
		Epochs:     newest(int16(kmsg.Metadata)) >= 7 && newest(int16(kmsg.OffsetForLeaderEpoch)) >= 3,
		Diverging:  newest(int16(kmsg.Fetch)) >= 12,
		IDs:        newest(int16(kmsg.Metadata)) >= 10,
		FetchByID:  newest(int16(kmsg.Fetch)) >= 13,
		CommitByID: newest(int16(kmsg.OffsetCommit)) >= 10,
	}
}
