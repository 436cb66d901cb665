package progress

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

// What versions wrote. All of these hold the unfinished runs 1000-1001 and 1010, up to 1020. They were
// computed apart from this program, from the description of the format. "rf3:" must stay readable
// indefinitely; earlier versions are ignored.
const (
	frozenPlain    = "rf1:Ynu9I9zBuXQCCAEJ"
	frozenAnchored = "rf2:7UBmMMRET-ACAQIDBAUGBwgCCAEJ"
	frozenEpochs   = "rf3:0AAAAAAAAAAAAAAAAAAAAQ:TFL161QX3LMGAAIIAQk"
	frozenBegan    = "rf3:0AAAAAAAAAAAAAAAAAAAAQ:4vokKEVrcNsGHwQCCAEJ" // the epoch began at 990, after 3
	frozenNameless = "rf3::QOyARniz2MQGAAIIAQk"
)

func TestEveryVersionInUseIsRead(t *testing.T) {
	runs := Knowledge{Unfinished: []Range{{1000, 1001}, {1010, 1010}}, End: 1020, EndEpoch: 5}
	began := runs
	began.began = epochBegan{true, 990, 3}
	nothing := Knowledge{End: 1000, EndEpoch: UnknownEpoch}
	at := here
	at.TopicID = otherID
	for name, c := range map[string]struct {
		metadata string
		want     Knowledge
		err      error
	}{
		"by epochs":              {frozenEpochs, runs, nil},
		"by epochs, from where":  {frozenBegan, began, nil},
		"by epochs, without IDs": {frozenNameless, runs, nil},
		"by a record: ignored":   {frozenAnchored, nothing, ErrForeign},
		"by nothing: ignored":    {frozenPlain, nothing, ErrForeign},
	} {
		if got, err := Decode(at, c.metadata); !errors.Is(err, c.err) || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
	if m, _ := Encode(at, runs); m != frozenEpochs {
		t.Errorf("written %q, want %q", m, frozenEpochs)
	}
	if m, _ := Encode(at, began); m != frozenBegan {
		t.Errorf("written %q, want %q", m, frozenBegan)
	}
	if m, _ := Encode(here, runs); m != frozenNameless {
		t.Errorf("written without an ID %q, want %q", m, frozenNameless)
	}
}

// Both versions work in one group: the version before skips nothing because of what this version wrote. Its
// code is kept here unchanged.
func TestTheVersionBeforeIgnoresWhatIsWritten(t *testing.T) {
	if k, err := oldDecode(here, frozenAnchored); err != nil || k.End != 1020 {
		t.Fatalf("the old decoder is not what it was: %+v, %v", k, err)
	}
	if k, err := oldDecode(here, frozenPlain); err != nil || k.End != 1020 {
		t.Fatalf("the old decoder is not what it was: %+v, %v", k, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		at := here
		at.TopicID = someID(t)
		metadata, _ := Encode(at, someKnowledge(t, at.Offset, 20, 1<<20))
		if k, err := oldDecode(at, metadata); !errors.Is(err, ErrForeign) || len(k.Unfinished) != 0 || k.End != at.Offset {
			t.Fatalf("the version before takes %q as %+v, %v", metadata, k, err)
		}
	})
}

// Whichever byte is damaged, and however: nothing is read that was not written.
func TestADamagedByteNeverMeansSomethingElse(t *testing.T) {
	at := here
	at.TopicID = otherID
	for _, metadata := range []string{frozenEpochs, frozenNameless} {
		for i := range metadata {
			for b := range 256 {
				damaged := metadata[:i] + string([]byte{byte(b)}) + metadata[i+1:]
				if damaged == metadata {
					continue
				}
				if k, err := Decode(at, damaged); !errors.Is(err, ErrForeign) || !reflect.DeepEqual(k, Knowledge{End: 1000, EndEpoch: UnknownEpoch}) {
					t.Errorf("%q is taken as %+v, %v", damaged, k, err)
				}
			}
		}
	}
}

// oldDecode is Decode of the version that wrote "rf2:".
func oldDecode(at CommitKey, metadata string) (Knowledge, error) {
	none := Knowledge{End: at.Offset}
	if metadata == "" {
		return none, nil
	}
	version := metadata[:min(len(metadata), len("rf1:"))]
	text := metadata[len(version):]
	if version != "rf1:" && version != "rf2:" || len(metadata) > metadataLimit || strings.ContainsAny(text, "\r\n") {
		return none, ErrForeign
	}
	buf, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(buf) <= digestLen {
		return none, ErrForeign
	}
	var place []byte
	for _, s := range []string{version, at.Cluster, at.Topic} {
		place = binary.AppendUvarint(place, uint64(len(s)))
		place = append(place, s...)
	}
	place = binary.BigEndian.AppendUint32(place, uint32(at.Partition))
	place = binary.BigEndian.AppendUint64(place, uint64(at.Offset))
	digest := sha256.Sum256(append(place, buf[digestLen:]...))
	if string(buf[:digestLen]) != string(digest[:digestLen]) {
		return none, ErrForeign
	}
	body := buf[digestLen:]
	const recordSum = 8 // of a record by which it knew the log
	if version == "rf2:" {
		below, size := binary.Uvarint(body)
		if size <= 0 || below > uint64(max(at.Offset, 0)) || len(body) < size+recordSum {
			return none, ErrForeign
		}
		body = body[size+recordSum:]
		if len(body) == 0 {
			return none, nil
		}
	}
	k, err := decodeRuns(at.Offset, body)
	if err != nil {
		return none, err
	}
	return k, nil
}
