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

// unknownEpoch stands for a leader epoch that nobody tells, as of a commit set by a tool. It equals no other, itself included.
const unknownEpoch int32 = -1

// knowledge is what is known of a log beyond a committed offset: everything
// from that offset up to end is done but the unfinished runs, which are
// ordered, do not touch, and lie between the two.
type knowledge struct {
	unfinished []span
	end        int64
	// endEpoch is the leader epoch of the last record below end, or unknownEpoch. Where
	// the leader has it there too, the log is the same up to end (KIP-101).
	endEpoch int32
	// began is where that epoch began, where it was told; read are the epochs of what was
	// read, which tell it too.
	began epochBegan
	read  epochs
	// epochs are those of the last record below each unfinished run, as far as they are
	// known: the knowledge may be cut there.
	epochs []int32
}

// commitKey is where knowledge was written. It counts nowhere else: tools copy
// commit metadata beside other offsets, topics and clusters (MirrorMaker 2
// does), where its runs would name other records.
type commitKey struct {
	cluster   string
	topic     string
	topicID   topicID
	partition int32
	offset    int64
}

// topicID is a topic's ID (KIP-516), zero where the brokers tell none (before 2.8). A
// topic that was deleted and made anew has another one.
type topicID = [16]byte

const (
	// metadataLimit is the broker's default for offset.metadata.max.bytes.
	metadataLimit = 4096

	// metadataVersion marks the format. Another version's metadata is ignored as a whole:
	// its records repeat, none is skipped.
	metadataVersion = "rf3:"

	// metadataUnverified is the version before, whose commits name no epoch.
	metadataUnverified = "rf2:"

	// idLen is what the topic's ID takes as Kafka prints it.
	idLen = 22

	// digestLen bytes of SHA-256 over version, place and what follows stand in front.
	// They are both the checksum and the binding to the place.
	digestLen = 8

	// payloadLimit is how many bytes of epoch and runs fit: the metadata is
	// text (the broker keeps it as a string), so base64 takes a quarter of its
	// room.
	payloadLimit = (metadataLimit-len(metadataVersion)-idLen-len(":"))*6/8 - digestLen
)

var (
	// errMetadataForeign says that metadata does not belong to the place it was
	// found at or cannot be read; it is ignored as a whole.
	errMetadataForeign = errors.New("commit metadata was not written here by this program, or is damaged")

	// errAnotherTopic says that a commit was written here, of a topic that had this name
	// before: its offset and runs are of a log that is gone.
	errAnotherTopic = errors.New("the commit is of a topic of this name that was deleted since")
)

// encodeMetadata writes knowledge for a commit at a place. What does not fit is
// left out from the end, so that less is remembered, never something wrong;
// whole tells whether all fitted.
//
// After the version stand the topic's ID and a colon. After the digest stands the
// epoch below the end, plus one, as an unsigned varint; then how far below the end it
// began, plus one, and the epoch below that, plus one, or a single 0 where that is not
// known. Then, where something beyond the commit is done, unsigned varints: the length of the first unfinished run (0
// where the committed offset is done), then for each further run the length of the
// done run before it and its own, last the length of the done run up to the end.
func encodeMetadata(at commitKey, k knowledge) (metadata string, whole bool) {
	k, whole = k.fitting(at.offset)
	buf := binary.AppendUvarint(make([]byte, digestLen, 256), uint64(int64(k.endEpoch)+1))
	if began := k.endBegan(); began.known && began.first <= k.end {
		buf = binary.AppendUvarint(buf, uint64(k.end-began.first)+1)
		buf = binary.AppendUvarint(buf, uint64(int64(began.below)+1))
	} else {
		buf = append(buf, 0)
	}
	if k.end > at.offset {
		buf = appendRuns(buf, at.offset, k)
	}
	id := idText(at.topicID)
	digest := at.digest(id, buf[digestLen:])
	copy(buf, digest[:digestLen])
	return metadataVersion + id + ":" + base64.RawURLEncoding.EncodeToString(buf), whole
}

// endBegan is where the epoch below the end began.
func (k knowledge) endBegan() epochBegan {
	if k.began.known {
		return k.began
	}
	return k.read.began(k.endEpoch)
}

// fitting is the knowledge as far as it fits. It is cut where the epoch is known:
// runs that cannot be verified would not count.
func (k knowledge) fitting(offset int64) (_ knowledge, whole bool) {
	if k.size(offset) <= payloadLimit {
		return k, true
	}
	cut := knowledge{end: offset, endEpoch: unknownEpoch}
	size, next := epochLen+1, offset
	for i, s := range k.unfinished {
		// Room for what is before this run, and for the done run that must close the list.
		if size+binary.MaxVarintLen64 > payloadLimit {
			break
		}
		if i < len(k.epochs) && k.epochs[i] != unknownEpoch {
			cut = knowledge{unfinished: k.unfinished[:i], end: s.first, endEpoch: k.epochs[i], epochs: k.epochs[:i], read: k.read}
		}
		size += runLen(i, s, next, offset)
		next = s.last + 1
	}
	return cut, false
}

// idText is the ID as Kafka prints it, and empty where there is none.
func idText(id topicID) string {
	if id == (topicID{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// writtenID is the topic's ID that stands in metadata, readable apart from the digest; zero
// where there is none.
func writtenID(metadata string) (id topicID) {
	text, _, _ := cutID(metadata)
	if b, err := base64.RawURLEncoding.Strict().DecodeString(text); err == nil && len(b) == len(id) {
		id = topicID(b)
	}
	return id
}

// cutID cuts metadata of this version behind the topic's ID, "" where it has none.
func cutID(metadata string) (id, text string, ok bool) {
	if metadata, ok = strings.CutPrefix(metadata, metadataVersion); !ok {
		return "", "", false
	}
	id, text, ok = strings.Cut(metadata, ":")
	return id, text, ok && (id == "" || len(id) == idLen)
}

// appendRuns writes the lengths of the runs from an offset on.
func appendRuns(buf []byte, offset int64, k knowledge) []byte {
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
	for _, s := range runs {
		put(s.first - next)
		put(s.last - s.first + 1)
		next = s.last + 1
	}
	put(k.end - next)
	return buf
}

// decodeMetadata reads what a commit at a place tells. Metadata that is empty
// tells nothing; metadata that does not belong to the place, byte for byte, is
// an error and tells nothing either. So is that of another topic ID, where both are
// known.
func decodeMetadata(at commitKey, metadata string) (knowledge, error) {
	none := knowledge{end: at.offset, endEpoch: unknownEpoch}
	if metadata == "" {
		return none, nil
	}
	id, text, ok := cutID(metadata)
	if !ok || len(metadata) > metadataLimit || strings.ContainsAny(text, "\r\n") {
		return none, errMetadataForeign // the decoder passes over line ends
	}
	buf, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(buf) <= digestLen {
		return none, errMetadataForeign
	}
	digest := at.digest(id, buf[digestLen:])
	if subtle.ConstantTimeCompare(buf[:digestLen], digest[:digestLen]) != 1 {
		return none, errMetadataForeign
	}
	if of := writtenID(metadata); of != (topicID{}) && at.topicID != (topicID{}) && of != at.topicID {
		return none, errAnotherTopic
	}
	k, err := decodeBody(at.offset, buf[digestLen:])
	if err != nil {
		return none, err
	}
	return k, nil
}

// decodeBody reads what follows the digest.
func decodeBody(offset int64, buf []byte) (knowledge, error) {
	k := knowledge{end: offset, endEpoch: unknownEpoch}
	epoch, n := binary.Uvarint(buf)
	if n <= 0 || epoch > math.MaxInt32+1 {
		return knowledge{}, fmt.Errorf("%w: bad epoch", errMetadataForeign)
	}
	k.endEpoch, buf = int32(int64(epoch)-1), buf[n:]
	below, n := binary.Uvarint(buf)
	if n <= 0 {
		return knowledge{}, fmt.Errorf("%w: bad beginning of the epoch", errMetadataForeign)
	}
	if buf = buf[n:]; below > 0 {
		before, n := binary.Uvarint(buf)
		if n <= 0 || before > epoch || below-1 > math.MaxInt64/2 {
			return knowledge{}, fmt.Errorf("%w: bad beginning of the epoch", errMetadataForeign)
		}
		buf = buf[n:]
		k.began = epochBegan{true, -int64(below - 1), int32(int64(before) - 1)} // from the end
	}
	var err error
	if len(buf) > 0 { // else nothing beyond the commit is done
		var runs knowledge
		runs, err = decodeRuns(offset, buf)
		k.unfinished, k.end = runs.unfinished, runs.end
	}
	if k.began.known {
		k.began.first += k.end
	}
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

// digest binds what follows it to the place, the version, and the topic's ID as written.
// Every part stands with its length, so that no two places run together.
func (at commitKey) digest(id string, body []byte) [sha256.Size]byte {
	buf := make([]byte, 0, 160+len(body))
	for _, s := range [...]string{metadataVersion, at.cluster, at.topic} {
		buf = appendText(buf, s)
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(at.partition))
	buf = binary.BigEndian.AppendUint64(buf, uint64(at.offset))
	buf = appendText(buf, id)
	return sha256.Sum256(append(buf, body...))
}

func appendText(buf []byte, s string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

func uvarintLen(n int64) int {
	size := 1
	for n >= 0x80 {
		n >>= 7
		size++
	}
	return size
}

// evidenceLimit is what metadata takes at most that tells by what the log is known, and nothing
// that is done beyond the commit.
const evidenceLimit = len(metadataVersion) + idLen + len(":") + (digestLen+epochLen)*8/6 + 1

// epochLen is what the epoch takes at most, with where it began.
const epochLen = 2*binary.MaxVarintLen32 + binary.MaxVarintLen64

// size is how many payload bytes the knowledge takes at most, as encodeMetadata
// writes it at an offset, whether or not they fit.
func (k knowledge) size(offset int64) int {
	if k.end <= offset {
		return epochLen
	}
	size, next := epochLen+1, offset
	for i, s := range k.unfinished {
		size += runLen(i, s, next, offset)
		next = s.last + 1
	}
	return size + binary.MaxVarintLen64
}

// runLen is what the i-th run takes where the next one may begin: its length and that of
// the done run before it. The byte of the very first length is counted already.
func runLen(i int, s span, next, offset int64) int {
	if i == 0 && s.first == offset {
		return uvarintLen(s.last-s.first+1) - 1
	}
	return uvarintLen(s.first-next) + uvarintLen(s.last-s.first+1)
}
