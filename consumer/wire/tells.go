package wire

import "github.com/twmb/franz-go/pkg/kmsg"

// Tells is what a broker can report of a log, by the versions that it takes. If a field is false the matching
// changes go unnoticed there: docs/reference/kafka-versions.md says what follows.
type Tells struct {
	// Epochs: the leader epoch of a partition, and where an epoch ended (KIP-320; Metadata 7,
	// OffsetForLeaderEpoch 3).
	Epochs bool
	// Diverging: with each fetch, whether its log has what was read before (KIP-320; Fetch 12).
	Diverging bool
	// IDs: a topic's ID (KIP-516; Metadata 10).
	IDs bool
	// FetchByID: a topic can be read by its ID alone (Fetch 13).
	FetchByID bool
	// CommitByID: a commit can name the topic's ID (OffsetCommit 10).
	CommitByID bool
}

// TellsBy returns what a broker can report that has these newest versions; −1: it does not have the API.
func TellsBy(newest func(key int16) int16) Tells {
	return Tells{
		Epochs:     newest(int16(kmsg.Metadata)) >= 7 && newest(int16(kmsg.OffsetForLeaderEpoch)) >= 3,
		Diverging:  newest(int16(kmsg.Fetch)) >= 12,
		IDs:        newest(int16(kmsg.Metadata)) >= 10,
		FetchByID:  newest(int16(kmsg.Fetch)) >= 13,
		CommitByID: newest(int16(kmsg.OffsetCommit)) >= 10,
	}
}
