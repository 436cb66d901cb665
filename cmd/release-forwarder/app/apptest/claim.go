package apptest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// Claim is what a commit says: everything below offset is finished, and so is
// everything in done. It is read by a decoder of the simulation's own, written
// from the format's description in ARCHITECTURE.md: a mistake in the service's
// encoder must not be undone by the same mistake in its decoder.
type CommittedProgress struct {
	Offset int64
	Done   map[int64]bool // at or beyond offset
	// Id is the topic's, as written, and epoch the one below the end, plus one.
	TopicID string
	Epoch   uint64
}

func (c CommittedProgress) Covers(offset int64) bool { return offset < c.Offset || c.Done[offset] }

// Unsays tells whether it says less than one before.
func (c CommittedProgress) Retracts(before CommittedProgress) bool {
	for done := range before.Done {
		if !c.Covers(done) {
			return true
		}
	}
	return c.Offset < before.Offset
}

var errMetadata = errors.New("the metadata does not belong to this commit")

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

// Encode writes metadata that says what the claim says, for the mistakes that
// need it well-formed.
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
	var place [12]byte
	binary.BigEndian.PutUint32(place[:4], uint32(partition))
	binary.BigEndian.PutUint64(place[4:], uint64(offset))
	sum.Write(place[:])
	sum.Write(id)
	sum.Write(body)
	return sum.Sum(nil)[:8]
}

// ClusterID is the embedded Kafka's own.
const ClusterID = "kfake"
