package apptest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// CommittedProgress is what a commit says is finished: all below Offset, and all in Done. Its decoder is the tests' own,
// written from the format's description alone (package consumer/progress): a mistake in the service's encoder must not be
// undone by the same mistake in its decoder.
type CommittedProgress struct {
	Offset  int64          // the watermark
	Done    map[int64]bool // the finished offsets above Offset, as far as they fit into 4096 bytes of metadata
	TopicID string         // of the topic, 22 characters of base64; "" where the brokers know none
	Epoch   uint64         // the leader epoch of the last record below the end of Done, plus one; 0: unknown
}

// Covers says whether the commit says that the record at an offset is finished.
func (c CommittedProgress) Covers(offset int64) bool { return offset < c.Offset || c.Done[offset] }

// Retracts says whether the commit covers less than one before it.
func (c CommittedProgress) Retracts(before CommittedProgress) bool {
	for done := range before.Done {
		if !c.Covers(done) {
			return true
		}
	}
	return c.Offset < before.Offset
}

var errMetadata = errors.New("the metadata does not belong to this commit")

// DecodeCommit reads a commit of a partition as Kafka holds it. Without metadata only what lies below the offset is
// finished. Metadata that is malformed, or was written for another cluster, topic, partition or offset, is an error:
// Done may then lack offsets.
func DecodeCommit(cluster, topic string, partition int32, offset int64, metadata string) (CommittedProgress, error) {
	c := CommittedProgress{Offset: offset, Done: map[int64]bool{}}
	if metadata == "" {
		return c, nil
	}
	part := strings.Split(metadata, ":")
	if len(metadata) > 4096 || len(part) != 3 || part[0] != "rf3" || part[1] != "" && len(part[1]) != 22 {
		return c, errMetadata
	}
	text := part[2]
	c.TopicID = part[1]
	raw, err := base64.URLEncoding.WithPadding(base64.NoPadding).DecodeString(text)
	if err != nil || len(raw) < 9 {
		return c, errMetadata
	}
	if string(digest("rf3:", cluster, topic, partition, offset, withLength(c.TopicID), raw[8:])) != string(raw[:8]) {
		return c, errMetadata
	}
	epoch, size := binary.Uvarint(raw[8:])
	if size <= 0 || epoch > 1<<31 {
		return c, errMetadata
	}
	c.Epoch = epoch
	rest := raw[8+size:]
	below, size := binary.Uvarint(rest) // how far below the end the epoch began, plus one
	if size <= 0 {
		return c, errMetadata
	}
	if rest = rest[size:]; below > 0 {
		before, size := binary.Uvarint(rest)
		if size <= 0 || before > epoch {
			return c, errMetadata
		}
		rest = rest[size:]
	}
	at, finished := offset, false
	for ; len(rest) > 0; finished = !finished {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > 1<<22 {
			return c, errMetadata
		}
		rest = rest[size:]
		for end := at + int64(n); at < end; at++ {
			if finished {
				c.Done[at] = true
			}
		}
	}
	if finished {
		return c, errMetadata // the number of lengths is odd
	}
	return c, nil
}

// runs are the lengths of what is unfinished and finished in turn.
func (c CommittedProgress) runs() []byte {
	last := c.Offset
	for done := range c.Done {
		last = max(last, done+1)
	}
	var runs []byte
	at, finished := c.Offset, false
	for at < last || finished {
		begun := at
		for at < last && c.Done[at] == finished {
			at++
		}
		runs = binary.AppendUvarint(runs, uint64(at-begun))
		finished = !finished
	}
	return runs
}

// Encode writes well-formed metadata that says this of a partition of EventTopic in the cluster ClusterID. It leaves out
// how far below the end the leader epoch began.
func (c CommittedProgress) Encode(partition int32) string {
	body := append(binary.AppendUvarint(nil, c.Epoch), 0)
	body = append(body, c.runs()...)
	sum := digest("rf3:", ClusterID, EventTopic, partition, c.Offset, withLength(c.TopicID), body)
	return "rf3:" + c.TopicID + ":" + base64.RawURLEncoding.EncodeToString(append(sum, body...))
}

func withLength(s string) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(s))), s...)
}

func digest(version, cluster, topic string, partition int32, offset int64, id, body []byte) []byte {
	sum := sha256.New()
	for _, part := range []string{version, cluster, topic} {
		sum.Write(withLength(part))
	}
	var at [12]byte // partition and offset
	binary.BigEndian.PutUint32(at[:4], uint32(partition))
	binary.BigEndian.PutUint64(at[4:], uint64(offset))
	sum.Write(at[:])
	sum.Write(id)
	sum.Write(body)
	return sum.Sum(nil)[:8]
}
