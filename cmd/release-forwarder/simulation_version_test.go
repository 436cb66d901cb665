package main

import (
	"strings"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/offsetcommit"
	"github.com/segmentio/kafka-go/protocol/offsetfetch"

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
	cfg.Transport = &wired{
		RoundTripper: cfg.Transport, last: map[int32]partitionCommit{},
		edit: func(_ *wired, p *offsetcommit.RequestPartition) {
			p.CommittedMetadata = rename(p.CommittedMetadata, ourFormat, otherFormat)
		},
		after: func(_ *wired, _, res protocol.Message) {
			found, ok := res.(*offsetfetch.Response)
			if !ok {
				return
			}
			for i := range found.Topics {
				for j := range found.Topics[i].Partitions {
					p := &found.Topics[i].Partitions[j]
					if strings.HasPrefix(p.Metadata, otherFormat) {
						p.Metadata = rename(p.Metadata, otherFormat, ourFormat)
					} else {
						p.Metadata = rename(p.Metadata, ourFormat, otherFormat)
					}
				}
			}
		},
	}
}
