package main

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer"
)

// ourFormat begins the metadata of all versions there are; otherFormat that of one
// that is none of them: these cannot read it, and it cannot read theirs.
const ourFormat, otherFormat = "rf", "xf"

// otherVersion makes a replica one of another version, at the wire: what it writes
// carries another format's name, and only that does it understand.
func otherVersion(_ *service, cfg *consumer.Config) {
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
	cfg.Wire = &wired{
		Wire: cfg.Wire, last: map[int32]partitionCommit{},
		edit: func(_ *wired, p *partitionCommit) { p.Metadata = renamed(p.Metadata, ourFormat, otherFormat) },
		after: func(_ *wired, _ string, _ kmsg.Request, res kmsg.Response) {
			found, ok := res.(*kmsg.OffsetFetchResponse)
			if !ok {
				return
			}
			for i := range found.Topics {
				for j := range found.Topics[i].Partitions {
					p := &found.Topics[i].Partitions[j]
					if p.Metadata != nil && strings.HasPrefix(*p.Metadata, otherFormat) {
						p.Metadata = renamed(p.Metadata, otherFormat, ourFormat)
					} else {
						p.Metadata = renamed(p.Metadata, ourFormat, otherFormat)
					}
				}
			}
		},
	}
}
