package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// claim is what a commit says: everything below offset is finished, and so is
// everything in done. It is read by a decoder of the simulation's own, written
// from the format's description in ARCHITECTURE.md: a mistake in the service's
// encoder must not be undone by the same mistake in its decoder.
type claim struct {
	offset int64
	done   map[int64]bool // at or beyond offset
}

func (c claim) says(offset int64) bool { return offset < c.offset || c.done[offset] }

// unsays tells whether it says less than one before.
func (c claim) unsays(before claim) bool {
	for done := range before.done {
		if !c.says(done) {
			return true
		}
	}
	return c.offset < before.offset
}

var errClaim = errors.New("the metadata does not belong to this commit")

func decodeClaim(cluster, topic string, partition int32, offset int64, metadata string) (claim, error) {
	c := claim{offset: offset, done: map[int64]bool{}}
	if metadata == "" {
		return c, nil
	}
	version, text, _ := strings.Cut(metadata, ":")
	if len(metadata) > 4096 || version != "rf1" && version != "rf2" {
		return c, errClaim
	}
	raw, err := base64.URLEncoding.WithPadding(base64.NoPadding).DecodeString(text)
	if err != nil || len(raw) < 10 {
		return c, errClaim
	}
	if string(digest(version+":", cluster, topic, partition, offset, raw[8:])) != string(raw[:8]) {
		return c, errClaim
	}
	rest := raw[8:]
	if version == "rf2" { // an anchor: how far below, and 8 bytes
		_, size := binary.Uvarint(rest)
		if size <= 0 || len(rest) < size+8 {
			return c, errClaim
		}
		rest = rest[size+8:]
	}
	at, finished := offset, false
	for ; len(rest) > 0; finished = !finished {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > 1<<22 {
			return c, errClaim
		}
		rest = rest[size:]
		for end := at + int64(n); at < end; at++ {
			if finished {
				c.done[at] = true
			}
		}
	}
	if finished {
		return c, errClaim // the number of lengths is odd
	}
	return c, nil
}

// encode writes metadata that says what the claim says, for the mistakes that
// need it well-formed.
func (c claim) encode(partition int32) string {
	last := c.offset
	for done := range c.done {
		last = max(last, done+1)
	}
	var runs []byte
	at, finished := c.offset, false
	for at < last || finished {
		begun := at
		for at < last && c.done[at] == finished {
			at++
		}
		runs = binary.AppendUvarint(runs, uint64(at-begun))
		finished = !finished
	}
	return "rf1:" + base64.RawURLEncoding.EncodeToString(append(digest("rf1:", clusterID, eventTopic, partition, c.offset, runs), runs...))
}

func digest(version, cluster, topic string, partition int32, offset int64, runs []byte) []byte {
	sum := sha256.New()
	for _, part := range []string{version, cluster, topic} {
		sum.Write(binary.AppendUvarint(nil, uint64(len(part))))
		sum.Write([]byte(part))
	}
	var place [12]byte
	binary.BigEndian.PutUint32(place[:4], uint32(partition))
	binary.BigEndian.PutUint64(place[4:], uint64(offset))
	sum.Write(place[:])
	sum.Write(runs)
	return sum.Sum(nil)[:8]
}
