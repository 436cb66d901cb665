package consumer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What versions wrote: all of these tell of the runs 1000-1001 and 1010 up to 1020. They were
// computed apart from this program, from the format's description in ARCHITECTURE.md. What
// "rf3:" says must be read for ever; those before it are ignored.
const (
	frozenPlain    = "rf1:Ynu9I9zBuXQCCAEJ"
	frozenAnchored = "rf2:7UBmMMRET-ACAQIDBAUGBwgCCAEJ"
	frozenEpochs   = "rf3:0AAAAAAAAAAAAAAAAAAAAQ:TFL161QX3LMGAAIIAQk"
	frozenBegan    = "rf3:0AAAAAAAAAAAAAAAAAAAAQ:4vokKEVrcNsGHwQCCAEJ" // the epoch began at 990, after 3
	frozenNameless = "rf3::QOyARniz2MQGAAIIAQk"
)

func TestEveryVersionInUseIsRead(t *testing.T) {
	runs := knowledge{unfinished: []span{{1000, 1001}, {1010, 1010}}, end: 1020, endEpoch: 5}
	began := runs
	began.began = epochBegan{true, 990, 3}
	nothing := knowledge{end: 1000, endEpoch: unknownEpoch}
	at := here
	at.topicID = otherID
	for name, c := range map[string]struct {
		metadata string
		want     knowledge
		err      error
	}{
		"by epochs":              {frozenEpochs, runs, nil},
		"by epochs, from where":  {frozenBegan, began, nil},
		"by epochs, without IDs": {frozenNameless, runs, nil},
		"by a record: ignored":   {frozenAnchored, nothing, errMetadataForeign},
		"by nothing: ignored":    {frozenPlain, nothing, errMetadataForeign},
	} {
		if got, err := decodeMetadata(at, c.metadata); !errors.Is(err, c.err) || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
	if m, _ := encodeMetadata(at, runs); m != frozenEpochs {
		t.Errorf("written %q, want %q", m, frozenEpochs)
	}
	if m, _ := encodeMetadata(at, began); m != frozenBegan {
		t.Errorf("written %q, want %q", m, frozenBegan)
	}
	if m, _ := encodeMetadata(here, runs); m != frozenNameless {
		t.Errorf("written without an ID %q, want %q", m, frozenNameless)
	}
}

// Both versions work in one group: the one before passes over nothing for what this one
// wrote. It is kept here as it was.
func TestTheVersionBeforeIgnoresWhatIsWritten(t *testing.T) {
	if k, err := oldDecode(here, frozenAnchored); err != nil || k.end != 1020 {
		t.Fatalf("the old decoder is not what it was: %+v, %v", k, err)
	}
	if k, err := oldDecode(here, frozenPlain); err != nil || k.end != 1020 {
		t.Fatalf("the old decoder is not what it was: %+v, %v", k, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		at := here
		at.topicID = someID(t)
		metadata, _ := encodeMetadata(at, someKnowledge(t, at.offset, 20, 1<<20))
		if k, err := oldDecode(at, metadata); !errors.Is(err, errMetadataForeign) || len(k.unfinished) != 0 || k.end != at.offset {
			t.Fatalf("the version before takes %q as %+v, %v", metadata, k, err)
		}
	})
}

// Whatever byte is damaged, and however: nothing is told that was not written.
func TestADamagedByteNeverMeansSomethingElse(t *testing.T) {
	at := here
	at.topicID = otherID
	for _, metadata := range []string{frozenEpochs, frozenNameless} {
		for i := range metadata {
			for b := range 256 {
				damaged := metadata[:i] + string([]byte{byte(b)}) + metadata[i+1:]
				if damaged == metadata {
					continue
				}
				if k, err := decodeMetadata(at, damaged); !errors.Is(err, errMetadataForeign) || !reflect.DeepEqual(k, knowledge{end: 1000, endEpoch: unknownEpoch}) {
					t.Errorf("%q is taken as %+v, %v", damaged, k, err)
				}
			}
		}
	}
}

// oldDecode is decodeMetadata of the version that wrote "rf2:".
func oldDecode(at commitKey, metadata string) (knowledge, error) {
	none := knowledge{end: at.offset}
	if metadata == "" {
		return none, nil
	}
	version := metadata[:min(len(metadata), len("rf1:"))]
	text := metadata[len(version):]
	if version != "rf1:" && version != "rf2:" || len(metadata) > metadataLimit || strings.ContainsAny(text, "\r\n") {
		return none, errMetadataForeign
	}
	buf, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(buf) <= digestLen {
		return none, errMetadataForeign
	}
	var place []byte
	for _, s := range []string{version, at.cluster, at.topic} {
		place = binary.AppendUvarint(place, uint64(len(s)))
		place = append(place, s...)
	}
	place = binary.BigEndian.AppendUint32(place, uint32(at.partition))
	place = binary.BigEndian.AppendUint64(place, uint64(at.offset))
	digest := sha256.Sum256(append(place, buf[digestLen:]...))
	if string(buf[:digestLen]) != string(digest[:digestLen]) {
		return none, errMetadataForeign
	}
	body := buf[digestLen:]
	const recordSum = 8 // of a record by which it knew the log
	if version == "rf2:" {
		below, size := binary.Uvarint(body)
		if size <= 0 || below > uint64(max(at.offset, 0)) || len(body) < size+recordSum {
			return none, errMetadataForeign
		}
		body = body[size+recordSum:]
		if len(body) == 0 {
			return none, nil
		}
	}
	k, err := decodeRuns(at.offset, body)
	if err != nil {
		return none, err
	}
	return k, nil
}
