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

// CommitKey is where a commit's metadata was written. It counts nowhere else: tools copy metadata beside other
// offsets, topics and clusters (MirrorMaker 2 does), where its runs would name other records.
type CommitKey struct {
	Cluster string // the cluster's ID, from its brokers
	Topic   string
	// TopicID is the topic's ID (KIP-516). Zero if the brokers have none (before 2.8); it is then not
	// compared. A topic that was deleted and recreated has another ID.
	TopicID   topicID
	Partition int32
	Offset    int64 // the committed offset
}

type topicID = [16]byte

const (
	// metadataLimit is the brokers' default of offset.metadata.max.bytes.
	metadataLimit = 4096

	// metadataVersion marks the format. Metadata of another version is ignored as a whole: its records repeat,
	// none is skipped.
	metadataVersion = "rf3:"

	// metadataUnverified is the version before; its commits name no epoch.
	metadataUnverified = "rf2:"

	// idLen is the length of a topic's ID as Kafka prints it.
	idLen = 22

	// digestLen bytes of SHA-256 over version, commit key and what follows stand in front: the checksum, and
	// the binding to the commit key.
	digestLen = 8

	// payloadLimit is how many bytes of epoch and runs fit. Metadata is text (the broker keeps a string), so
	// base64 takes a quarter of the room.
	payloadLimit = (metadataLimit-len(metadataVersion)-idLen-len(":"))*6/8 - digestLen
)

var (
	// ErrForeign: metadata cannot be read, or does not belong to the commit key where it was found. It is
	// ignored as a whole. The error may be wrapped.
	ErrForeign = errors.New("commit metadata was not written here by this program, or is damaged")

	// ErrAnotherTopic: a commit was written here for an earlier topic of this name. Its offset and runs are of
	// a log that is gone.
	ErrAnotherTopic = errors.New("the commit is of a topic of this name that was deleted since")
)

// Encode writes knowledge for a commit, in the format of the package comment, in at most 4,096 bytes. What
// does not fit is left out from the end: less is remembered, never something wrong. whole reports whether all
// fitted.
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

// TellsNoEpoch reports whether metadata is of a commit that names no epoch: it is empty, or of the version
// before.
func TellsNoEpoch(metadata string) bool {
	return metadata == "" || strings.HasPrefix(metadata, metadataUnverified)
}

// idText is the ID as Kafka prints it, "" if there is none.
func idText(id topicID) string {
	if id == (topicID{}) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// WrittenID returns the topic's ID in metadata, which is readable without the digest; zero if there is none.
func WrittenID(metadata string) (id topicID) {
	text, _, _ := cutID(metadata)
	if b, err := base64.RawURLEncoding.Strict().DecodeString(text); err == nil && len(b) == len(id) {
		id = topicID(b)
	}
	return id
}

// cutID cuts metadata of this version after the topic's ID; id is "" if it has none.
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

// Decode reads the metadata of a commit. Empty metadata holds no knowledge. Metadata that does not match the
// commit key byte for byte is [ErrForeign], and holds none either; with another topic's ID, if both IDs are
// known, it is [ErrAnotherTopic].
func Decode(at CommitKey, metadata string) (Knowledge, error) {
	none := Nothing(at.Offset, UnknownEpoch)
	if metadata == "" {
		return none, nil
	}
	id, text, ok := cutID(metadata)
	if !ok || len(metadata) > metadataLimit || strings.ContainsAny(text, "\r\n") {
		return none, ErrForeign // the decoder skips line ends
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
	if len(buf) > 0 { // else nothing beyond the commit is finished
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
	// First an unfinished run, then pairs of finished and unfinished runs, last a finished run.
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

// digest binds body to the commit key, the version, and the topic's ID as written. Each part stands with its
// length, so that no two commit keys give the same bytes.
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

// longest returns the most bytes that this many lengths take, if they add up to sum.
func longest(lengths, sum int64) int {
	bytes := lengths
	// 127 more make a one-byte length take two bytes; 128 times as many make it take three.
	for sum, more := sum-lengths, int64(127); sum >= more; more <<= 7 {
		longer := min(lengths, sum/more)
		bytes, sum = bytes+longer, sum-longer*more
	}
	return int(bytes)
}

// EvidenceLimit is the most bytes of metadata that says only by what the log is known, and nothing that is
// finished beyond the commit.
const EvidenceLimit = len(metadataVersion) + idLen + len(":") + (digestLen+epochLen)*8/6 + 1

// epochLen is the most bytes of the epoch and of where it began.
const epochLen = 2*binary.MaxVarintLen32 + binary.MaxVarintLen64
