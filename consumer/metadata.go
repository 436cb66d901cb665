package consumer

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// knowledge is what is known of a log beyond a committed offset: everything
// from that offset up to end is done but the unfinished runs, which are
// ordered, do not touch, and lie between the two.
type knowledge struct {
	unfinished []span
	end        int64
	// anchor is a record by which the log is known again.
	anchor anchor
}

// place is where knowledge was written. It counts nowhere else: tools copy
// commit metadata beside other offsets, topics and clusters (MirrorMaker 2
// does), where its runs would name other records.
type place struct {
	cluster   string
	topic     string
	partition int32
	offset    int64
}

const (
	// metadataLimit is the broker's default for offset.metadata.max.bytes.
	metadataLimit = 4096

	// The versions mark the format: without an anchor, and with one. Another
	// version's metadata is ignored as a whole: its records repeat, none is
	// skipped.
	metadataPlain    = "rf1:"
	metadataAnchored = "rf2:"

	// digestLen bytes of SHA-256 over version, place and runs stand in front of
	// the runs. They are both the checksum and the binding to the place.
	digestLen = 8

	// payloadLimit is how many bytes of anchor and runs fit: the metadata is
	// text (the broker keeps it as a string), so base64 takes a quarter of its
	// room.
	payloadLimit = (metadataLimit-len(metadataPlain))*6/8 - digestLen
)

// errMetadataForeign says that metadata does not belong to the place it was
// found at or cannot be read; it is ignored as a whole.
var errMetadataForeign = errors.New("commit metadata was not written here by this program, or is damaged")

// encodeMetadata writes knowledge for a commit at a place. What does not fit is
// left out from the end, so that less is remembered, never something wrong;
// whole tells whether all fitted. Knowledge of nothing is the empty string.
//
// After the digest stands the anchor, if there is one: how far it lies below
// the committed offset as an unsigned varint, then its digest. Then, where
// something beyond the commit is done, unsigned varints: the length of the first
// unfinished run (0 where the committed offset is done), then for each further
// run the length of the done run before it and its own, last the length of the
// done run up to the end.
func encodeMetadata(at place, k knowledge) (metadata string, whole bool) {
	buf := make([]byte, digestLen, 256)
	version := metadataPlain
	if k.anchor.known {
		version = metadataAnchored
		buf = binary.AppendUvarint(buf, uint64(at.offset-k.anchor.offset))
		buf = append(buf, k.anchor.sum[:]...)
	}
	whole = true
	switch {
	case k.end > at.offset:
		buf, whole = appendRuns(buf, at.offset, k)
	case !k.anchor.known:
		return "", true
	}
	digest := at.digest(version, buf[digestLen:])
	copy(buf, digest[:digestLen])
	return version + base64.RawURLEncoding.EncodeToString(buf), whole
}

// appendRuns writes the lengths of the runs from an offset on, as many as fit.
func appendRuns(buf []byte, offset int64, k knowledge) (_ []byte, whole bool) {
	next := offset // where the next run begins
	put := func(n int64) { buf = binary.AppendUvarint(buf, uint64(n)) }
	runs := k.unfinished
	if len(runs) > 0 && runs[0].first == offset {
		put(runs[0].last - runs[0].first + 1)
		next = runs[0].last + 1
		runs = runs[1:]
	} else {
		put(0)
	}
	end := k.end
	for _, s := range runs {
		// Room for this run, and for the done run that must close the list.
		if len(buf)-digestLen+uvarintLen(s.first-next)+uvarintLen(s.last-s.first+1)+binary.MaxVarintLen64 > payloadLimit {
			end = s.first
			break
		}
		put(s.first - next)
		put(s.last - s.first + 1)
		next = s.last + 1
	}
	put(end - next)
	return buf, end == k.end
}

// decodeMetadata reads what a commit at a place tells. Metadata that is empty
// tells nothing; metadata that does not belong to the place, byte for byte, is
// an error and tells nothing either.
func decodeMetadata(at place, metadata string) (knowledge, error) {
	none := knowledge{end: at.offset}
	if metadata == "" {
		return none, nil
	}
	version := metadata[:min(len(metadata), len(metadataPlain))]
	text := metadata[len(version):]
	if version != metadataPlain && version != metadataAnchored || len(metadata) > metadataLimit || strings.ContainsAny(text, "\r\n") {
		return none, errMetadataForeign // the decoder passes over line ends
	}
	buf, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(buf) <= digestLen {
		return none, errMetadataForeign
	}
	digest := at.digest(version, buf[digestLen:])
	if subtle.ConstantTimeCompare(buf[:digestLen], digest[:digestLen]) != 1 {
		return none, errMetadataForeign
	}
	k, err := decodeBody(at.offset, buf[digestLen:], version == metadataAnchored)
	if err != nil {
		return none, err
	}
	return k, nil
}

// decodeBody reads what follows the digest.
func decodeBody(offset int64, buf []byte, anchored bool) (knowledge, error) {
	if !anchored {
		return decodeRuns(offset, buf)
	}
	below, size := binary.Uvarint(buf)
	if size <= 0 || below > uint64(max(offset, 0)) || len(buf) < size+sumLen {
		return knowledge{}, fmt.Errorf("%w: bad anchor", errMetadataForeign)
	}
	a := anchor{known: true, offset: offset - int64(below), sum: [sumLen]byte(buf[size:])}
	buf = buf[size+sumLen:]
	if len(buf) == 0 { // nothing beyond the commit is done
		return knowledge{end: offset, anchor: a}, nil
	}
	k, err := decodeRuns(offset, buf)
	k.anchor = a
	return k, err
}

func decodeRuns(offset int64, buf []byte) (knowledge, error) {
	var lengths []int64
	for total := offset; len(buf) > 0; {
		n, size := binary.Uvarint(buf)
		if size <= 0 || n > uint64(math.MaxInt64-total) {
			return knowledge{}, fmt.Errorf("%w: bad length", errMetadataForeign)
		}
		total += int64(n)
		lengths = append(lengths, int64(n))
		buf = buf[size:]
	}
	// first unfinished, then pairs of done and unfinished, last done.
	if len(lengths) < 2 || len(lengths)%2 != 0 {
		return knowledge{}, fmt.Errorf("%w: bad number of runs", errMetadataForeign)
	}
	k := knowledge{end: offset}
	for i, n := range lengths {
		if i%2 == 0 && n > 0 {
			k.unfinished = append(k.unfinished, span{k.end, k.end + n - 1})
		}
		k.end += n
	}
	return k, nil
}

// digest binds what follows it to version and place. Every part stands with its
// length, so that no two places run together.
func (at place) digest(version string, body []byte) [sha256.Size]byte {
	buf := make([]byte, 0, 128+len(body))
	for _, s := range []string{version, at.cluster, at.topic} {
		buf = binary.AppendUvarint(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(at.partition))
	buf = binary.BigEndian.AppendUint64(buf, uint64(at.offset))
	return sha256.Sum256(append(buf, body...))
}

func uvarintLen(n int64) int {
	size := 1
	for n >= 0x80 {
		n >>= 7
		size++
	}
	return size
}

// size is how many payload bytes the knowledge takes at most, as encodeMetadata
// writes it at an offset, whether or not they fit.
func (k knowledge) size(offset int64) int {
	anchored := 0
	if k.anchor.known {
		anchored = binary.MaxVarintLen64 + sumLen
	}
	if k.end <= offset {
		return anchored
	}
	size, next := 1, offset
	for i, s := range k.unfinished {
		if i == 0 && s.first == offset {
			size = uvarintLen(s.last - s.first + 1)
		} else {
			size += uvarintLen(s.first-next) + uvarintLen(s.last-s.first+1)
		}
		next = s.last + 1
	}
	return size + binary.MaxVarintLen64 + anchored
}
