package progress

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

// CommitKey is where knowledge was written. It counts nowhere else: tools copy
// commit metadata beside other offsets, topics and clusters (MirrorMaker 2
// does), where its runs would name other records.
type CommitKey struct {
	Cluster string // the cluster's ID as its brokers state it
	Topic   string
	// TopicID is the topic's (KIP-516), zero where the brokers tell none (before 2.8), and
	// not compared then. A topic that was deleted and made anew has another one.
	TopicID   topicID
	Partition int32
	Offset    int64 // the committed one
}

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
	// ErrForeign says that metadata does not belong to the place it was
	// found at or cannot be read; it is ignored as a whole. It may be wrapped.
	ErrForeign = errors.New("commit metadata was not written here by this program, or is damaged")

	// ErrAnotherTopic says that a commit was written here, of a topic that had this name
	// before: its offset and runs are of a log that is gone.
	ErrAnotherTopic = errors.New("the commit is of a topic of this name that was deleted since")
)

// Encode writes knowledge for a commit at a place. What does not fit is
// left out from the end, so that less is remembered, never something wrong;
// whole tells whether all fitted. It takes 4096 bytes at most.
//
// After the version stand the topic's ID and a colon. After the digest stands the
// epoch below the end, plus one, as an unsigned varint; then how far below the end it
// began, plus one, and the epoch below that, plus one, or a single 0 where that is not
// known. Then, where something beyond the commit is done, unsigned varints: the length of the first unfinished run (0
// where the committed offset is done), then for each further run the length of the
// done run before it and its own, last the length of the done run up to the end.
func Encode(at CommitKey, k Knowledge) (metadata string, whole bool) {
	k, whole = k.fitting(at.Offset)
	buf := binary.AppendUvarint(make([]byte, digestLen, 256), uint64(int64(k.EndEpoch)+1))
	if began := k.endBegan(); began.known && began.first <= k.End {
		buf = binary.AppendUvarint(buf, uint64(k.End-began.first)+1)
		buf = binary.AppendUvarint(buf, uint64(int64(began.below)+1))
	} else {
		buf = append(buf, 0)
	}
	if k.End > at.Offset {
		buf = appendRuns(buf, at.Offset, k)
	}
	id := idText(at.TopicID)
	digest := at.digest(id, buf[digestLen:])
	copy(buf, digest[:digestLen])
	return metadataVersion + id + ":" + base64.RawURLEncoding.EncodeToString(buf), whole
}

// TellsNoEpoch tells whether metadata is of a commit that names no epoch: there is none, or the version
// before wrote it.
func TellsNoEpoch(metadata string) bool {
	return metadata == "" || strings.HasPrefix(metadata, metadataUnverified)
}

// idText is the ID as Kafka prints it, and empty where there is none.
func idText(id topicID) string {
	if id == (topicID{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// WrittenID is the topic's ID that stands in metadata, readable apart from the digest; zero
// where there is none.
func WrittenID(metadata string) (id topicID) {
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
func appendRuns(buf []byte, offset int64, k Knowledge) []byte {
	next := offset // where the next run begins
	put := func(n int64) { buf = binary.AppendUvarint(buf, uint64(n)) }
	runs := k.Unfinished
	if len(runs) > 0 && runs[0].First == offset {
		put(runs[0].Last - runs[0].First + 1)
		next = runs[0].Last + 1
		runs = runs[1:]
	} else {
		put(0)
	}
	for _, s := range runs {
		put(s.First - next)
		put(s.Last - s.First + 1)
		next = s.Last + 1
	}
	put(k.End - next)
	return buf
}

// Decode reads what a commit at a place tells. Metadata that is empty
// tells nothing; metadata that does not belong to the place, byte for byte, is
// [ErrForeign] and tells nothing either. That of another topic ID, where both are
// known, is [ErrAnotherTopic].
func Decode(at CommitKey, metadata string) (Knowledge, error) {
	none := Nothing(at.Offset, UnknownEpoch)
	if metadata == "" {
		return none, nil
	}
	id, text, ok := cutID(metadata)
	if !ok || len(metadata) > metadataLimit || strings.ContainsAny(text, "\r\n") {
		return none, ErrForeign // the decoder passes over line ends
	}
	buf, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(buf) <= digestLen {
		return none, ErrForeign
	}
	digest := at.digest(id, buf[digestLen:])
	if subtle.ConstantTimeCompare(buf[:digestLen], digest[:digestLen]) != 1 {
		return none, ErrForeign
	}
	if of := WrittenID(metadata); of != (topicID{}) && at.TopicID != (topicID{}) && of != at.TopicID {
		return none, ErrAnotherTopic
	}
	k, err := decodeBody(at.Offset, buf[digestLen:])
	if err != nil {
		return none, err
	}
	return k, nil
}

// decodeBody reads what follows the digest.
func decodeBody(offset int64, buf []byte) (Knowledge, error) {
	k := Nothing(offset, UnknownEpoch)
	epoch, n := binary.Uvarint(buf)
	if n <= 0 || epoch > math.MaxInt32+1 {
		return Knowledge{}, fmt.Errorf("%w: bad epoch", ErrForeign)
	}
	k.EndEpoch, buf = int32(int64(epoch)-1), buf[n:]
	below, n := binary.Uvarint(buf)
	if n <= 0 {
		return Knowledge{}, fmt.Errorf("%w: bad beginning of the epoch", ErrForeign)
	}
	if buf = buf[n:]; below > 0 {
		before, n := binary.Uvarint(buf)
		if n <= 0 || before > epoch || below-1 > math.MaxInt64/2 {
			return Knowledge{}, fmt.Errorf("%w: bad beginning of the epoch", ErrForeign)
		}
		buf = buf[n:]
		k.began = epochBegan{true, -int64(below - 1), int32(int64(before) - 1)} // from the end
	}
	var err error
	if len(buf) > 0 { // else nothing beyond the commit is done
		var runs Knowledge
		runs, err = decodeRuns(offset, buf)
		k.Unfinished, k.End = runs.Unfinished, runs.End
	}
	if k.began.known {
		k.began.first += k.End
	}
	return k, err
}

func decodeRuns(offset int64, buf []byte) (Knowledge, error) {
	var lengths []int64
	for total := offset; len(buf) > 0; {
		n, size := binary.Uvarint(buf)
		if size <= 0 || n > uint64(math.MaxInt64-total) {
			return Knowledge{}, fmt.Errorf("%w: bad length", ErrForeign)
		}
		total += int64(n)
		lengths = append(lengths, int64(n))
		buf = buf[size:]
	}
	// first unfinished, then pairs of done and unfinished, last done.
	if len(lengths) < 2 || len(lengths)%2 != 0 {
		return Knowledge{}, fmt.Errorf("%w: bad number of runs", ErrForeign)
	}
	k := Knowledge{End: offset}
	for i, n := range lengths {
		if i%2 == 0 && n > 0 {
			k.Unfinished = append(k.Unfinished, Range{k.End, k.End + n - 1})
		}
		k.End += n
	}
	return k, nil
}

// digest binds what follows it to the place, the version, and the topic's ID as written.
// Every part stands with its length, so that no two places run together.
func (at CommitKey) digest(id string, body []byte) [sha256.Size]byte {
	buf := make([]byte, 0, 160+len(body))
	for _, s := range [...]string{metadataVersion, at.Cluster, at.Topic} {
		buf = appendText(buf, s)
	}
	buf = binary.BigEndian.AppendUint32(buf, uint32(at.Partition))
	buf = binary.BigEndian.AppendUint64(buf, uint64(at.Offset))
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

// longest is how many bytes so many lengths take at most that add up to a sum.
func longest(lengths, sum int64) int {
	bytes := lengths
	// The first 127 more make a length of one byte one of two, then 128 times as many one of three.
	for sum, more := sum-lengths, int64(127); sum >= more; more <<= 7 {
		longer := min(lengths, sum/more)
		bytes, sum = bytes+longer, sum-longer*more
	}
	return int(bytes)
}

// EvidenceLimit is what metadata takes at most that tells by what the log is known, and nothing
// that is done beyond the commit.
const EvidenceLimit = len(metadataVersion) + idLen + len(":") + (digestLen+epochLen)*8/6 + 1

// epochLen is what the epoch takes at most, with where it began.
const epochLen = 2*binary.MaxVarintLen32 + binary.MaxVarintLen64
