package simulation

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app"
	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/consumer"
)

// ourFormat begins the metadata of all versions there are; otherFormat that of one
// that is none of them: these cannot read it, and it cannot read theirs.
const ourFormat, otherFormat = "rf", "xf"

// otherVersion makes a replica one of another version, at the wire: what it writes
// carries another format's name, and only that does it understand.
func otherVersion(_ *app.Parts, cfg *consumer.Config) {
	rename := func(metadata, from, to string) string {
		if rest, has := strings.CutPrefix(metadata, from); has {
			return to + rest
		}
		return metadata
	}
	renamed := func(metadata *string, from, to string) *string {
		if metadata == nil {
			return nil
		}
		return kmsg.StringPtr(rename(*metadata, from, to))
	}
	cfg.Wire = &apptest.InterceptedWire{
		Wire: cfg.Wire, LastCommits: map[int32]apptest.PartitionCommit{},
		EditCommit: func(_ *apptest.InterceptedWire, p *apptest.PartitionCommit) {
			p.Metadata = renamed(p.Metadata, ourFormat, otherFormat)
		},
		AfterSend: func(_ *apptest.InterceptedWire, _ string, _ kmsg.Request, res kmsg.Response) {
			found, ok := res.(*kmsg.OffsetFetchResponse)
			if !ok {
				return
			}
			eachFound(found, func(_ *int64, metadata **string) {
				if *metadata != nil && strings.HasPrefix(**metadata, otherFormat) {
					*metadata = renamed(*metadata, otherFormat, ourFormat)
				} else {
					*metadata = renamed(*metadata, ourFormat, otherFormat)
				}
			})
		},
	}
}

// eachFound goes through the commits that an answer tells of, in the form that either protocol asks for.
func eachFound(found *kmsg.OffsetFetchResponse, edit func(offset *int64, metadata **string)) {
	for i := range found.Topics {
		for j := range found.Topics[i].Partitions {
			edit(&found.Topics[i].Partitions[j].Offset, &found.Topics[i].Partitions[j].Metadata)
		}
	}
	for g := range found.Groups {
		for i := range found.Groups[g].Topics {
			for j := range found.Groups[g].Topics[i].Partitions {
				edit(&found.Groups[g].Topics[i].Partitions[j].Offset, &found.Groups[g].Topics[i].Partitions[j].Metadata)
			}
		}
	}
}
