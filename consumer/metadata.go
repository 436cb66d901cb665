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

	// metadataVersion marks the format. Another version's metadata is ignored
	// as a whole: its records repeat, none is skipped.
	metadataVersion = "rf1:"

	// digestLen bytes of SHA-256 over version, place and runs stand in front of
	// the runs. They are both the checksum and the binding to the place.
	digestLen = 8

	// payloadLimit is how many bytes of runs fit: the metadata is text (the
	// broker keeps it as a string), so base64 takes a quarter of its room.
	payloadLimit = (metadataLimit-len(metadataVersion))*6/8 - digestLen
)

// errMetadataForeign says that metadata does not belong to the place it was
// found at or cannot be read; it is ignored as a whole.
var errMetadataForeign = errors.New("commit metadata was not written here by this program, or is damaged")

// encodeMetadata writes knowledge for a commit at a place. What does not fit is
// left out from the end, so that less is remembered, never something wrong;
// whole tells whether all fitted. Knowledge of nothing is the empty string.
//
// After the digest stand unsigned varints: the length of the first unfinished
// run (0 where the committed offset is done), then for each further run the
// length of the done run before it and its own, last the length of the done
// run up to the end.
func encodeMetadata(at place, k knowledge) (metadata string, whole bool) {
	if k.end <= at.offset {
		return "", true
	}
	buf := make([]byte, digestLen, 256)
	next := at.offset // where the next run begins
	put := func(n int64) { buf = binary.AppendUvarint(buf, uint64(n)) }
	runs := k.unfinished
	if len(runs) > 0 && runs[0].first == at.offset {
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
	digest := at.digest(buf[digestLen:])
	copy(buf, digest[:digestLen])
	return metadataVersion + base64.RawURLEncoding.EncodeToString(buf), end == k.end
}

// decodeMetadata reads what a commit at a place tells. Metadata that is empty
// tells nothing; metadata that does not belong to the place, byte for byte, is
// an error and tells nothing either.
func decodeMetadata(at place, metadata string) (knowledge, error) {
	none := knowledge{end: at.offset}
	if metadata == "" {
		return none, nil
	}
	text, ours := strings.CutPrefix(metadata, metadataVersion)
	if !ours || len(metadata) > metadataLimit || strings.ContainsAny(text, "\r\n") {
		return none, errMetadataForeign // the decoder passes over line ends
	}
	buf, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(buf) <= digestLen {
		return none, errMetadataForeign
	}
	digest := at.digest(buf[digestLen:])
	if subtle.ConstantTimeCompare(buf[:digestLen], digest[:digestLen]) != 1 {
		return none, errMetadataForeign
	}
	k, err := decodeRuns(at.offset, buf[digestLen:])
	if err != nil {
		return none, err
	}
	return k, nil
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

// digest binds runs to version and place. Every part stands with its length,
// so that no two places run together.
func (at place) digest(runs []byte) [sha256.Size]byte {
	buf := make([]byte, 0, 128+len(runs))
	for _, s := range []string{metadataVersion, at.cluster, at.topic} {
		buf = binary.AppendUvarint(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(at.partition))
	buf = binary.BigEndian.AppendUint64(buf, uint64(at.offset))
	return sha256.Sum256(append(buf, runs...))
}

func uvarintLen(n int64) int {
	size := 1
	for n >= 0x80 {
		n >>= 7
		size++
	}
	return size
}

// size is how many payload bytes the knowledge takes, as encodeMetadata writes
// it at an offset, whether or not they fit.
func (k knowledge) size(offset int64) int {
	if k.end <= offset {
		return 0
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
	return size + binary.MaxVarintLen64
}
