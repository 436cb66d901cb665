package consumer

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var here = commitKey{cluster: "lkc-1", topic: "events", partition: 3, offset: 1000}

func someEpoch(t *rapid.T) int32 {
	return rapid.OneOf(rapid.Just(unknownEpoch), rapid.Int32Range(0, 9), rapid.Just[int32](math.MaxInt32)).Draw(t, "epoch")
}

// someID draws a topic's ID, or none.
func someID(t *rapid.T) (id topicID) {
	if rapid.Bool().Draw(t, "has an ID") {
		copy(id[:], rapid.SliceOfN(rapid.Byte(), len(id), len(id)).Draw(t, "ID"))
	}
	return id
}

// someKnowledge draws what a progress may know at a place: ordered runs that do
// not touch.
func someKnowledge(t *rapid.T, from int64, most int, far int64) knowledge {
	k := knowledge{end: from, endEpoch: someEpoch(t)}
	for range rapid.IntRange(0, most).Draw(t, "runs") {
		if len(k.unfinished) > 0 || rapid.Bool().Draw(t, "begins done") {
			k.end += rapid.Int64Range(1, far).Draw(t, "done")
		}
		n := rapid.Int64Range(1, far).Draw(t, "unfinished")
		k.unfinished = append(k.unfinished, span{k.end, k.end + n - 1})
		k.end += n
	}
	k.end += rapid.Int64Range(1, far).Draw(t, "done at the end")
	return k
}

func TestMetadataTellsWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := here
		at.offset = rapid.Int64Range(0, 1<<40).Draw(t, "offset")
		at.topicID = someID(t)
		k := someKnowledge(t, at.offset, 700, 1<<20)
		var epochs []int32
		for range rapid.IntRange(0, len(k.unfinished)).Draw(t, "epochs") {
			epochs = append(epochs, someEpoch(t))
		}
		k.epochs = epochs
		metadata, whole := encodeMetadata(at, k)
		if len(metadata) > metadataLimit {
			t.Fatalf("%d bytes", len(metadata))
		}
		got, err := decodeMetadata(at, metadata)
		if err != nil {
			t.Fatal(err)
		}
		k.epochs = nil // they are not written
		if whole && !reflect.DeepEqual(got, k) {
			t.Fatalf("wrote %+v, read %+v", k, got)
		}
		if fits := k.size(at.offset) <= payloadLimit; fits && !whole {
			t.Fatalf("size says %d of %d bytes, and it was cut", k.size(at.offset), payloadLimit)
		}
		// What was cut off is forgotten, never turned into something done.
		if got.end > k.end || len(got.unfinished) > len(k.unfinished) || !reflect.DeepEqual(got.unfinished, k.unfinished[:len(got.unfinished)]) {
			t.Fatalf("cut %+v to %+v", k, got)
		}
		if n := len(got.unfinished); n < len(k.unfinished) && got.end > k.unfinished[n].first {
			t.Fatalf("cut at %d behind the unfinished %+v", got.end, k.unfinished[n])
		}
		if whole {
			return
		}
		// It is cut where the epoch is known, as late as one is and as fits.
		switch n := len(got.unfinished); {
		case got.endEpoch == unknownEpoch:
			if got.end != at.offset {
				t.Fatalf("cut at %d, whose epoch is not known: it could not be verified", got.end)
			}
		case n >= len(epochs) || got.endEpoch != epochs[n] || got.end != k.unfinished[n].first:
			t.Fatalf("cut at %d with epoch %d, which is another place's", got.end, got.endEpoch)
		}
		for n := len(epochs) - 1; n > len(got.unfinished); n-- {
			longer := knowledge{unfinished: k.unfinished[:n], end: k.unfinished[n].first, endEpoch: epochs[n]}
			if epochs[n] != unknownEpoch && longer.size(at.offset) <= payloadLimit {
				t.Fatalf("%d runs are told, %d would fit", len(got.unfinished), n)
			}
		}
	})
}

func TestFiveHundredGapsFarApartFit(t *testing.T) {
	at := commitKey{cluster: strings.Repeat("c", 22), topic: strings.Repeat("t", 249), partition: 1 << 30, offset: 1 << 50, topicID: otherID}
	k := knowledge{end: at.offset, endEpoch: math.MaxInt32}
	for range 500 {
		k.unfinished = append(k.unfinished, span{k.end, k.end})
		k.end += 1 << 21
	}
	metadata, whole := encodeMetadata(at, k)
	if !whole || len(metadata) > metadataLimit {
		t.Fatalf("whole %v, %d bytes", whole, len(metadata))
	}
	if got, err := decodeMetadata(at, metadata); err != nil || !reflect.DeepEqual(got, k) {
		t.Fatalf("read back otherwise: %v", err)
	}
}

func TestMetadataCountsOnlyWhereItWasWritten(t *testing.T) {
	k := knowledge{unfinished: []span{{1000, 1001}, {1010, 1010}}, end: 1020}
	metadata, _ := encodeMetadata(here, k)
	for name, change := range map[string]func(*commitKey){
		"another cluster":                       func(p *commitKey) { p.cluster = "lkc-2" },
		"a cluster without an ID":               func(p *commitKey) { p.cluster = "" },
		"another topic":                         func(p *commitKey) { p.topic = "events2" },
		"another partition":                     func(p *commitKey) { p.partition = 4 },
		"reset by a tool":                       func(p *commitKey) { p.offset = 999 },
		"translated by MirrorMaker":             func(p *commitKey) { p.offset = 12 },
		"names that run together differently":   func(p *commitKey) { p.cluster, p.topic = "lkc-1e", "vents" },
		"names that run together the other way": func(p *commitKey) { p.cluster, p.topic = "lkc-", "1events" },
	} {
		t.Run(name, func(t *testing.T) {
			other := here
			change(&other)
			got, err := decodeMetadata(other, metadata)
			if !errors.Is(err, errMetadataForeign) || len(got.unfinished) != 0 || got.end != other.offset {
				t.Errorf("taken as %+v, %v", got, err)
			}
		})
	}
	t.Run("written without a cluster's ID", func(t *testing.T) {
		none := here
		none.cluster = ""
		metadata, _ := encodeMetadata(none, k)
		if _, err := decodeMetadata(none, metadata); err != nil {
			t.Errorf("no ID fits where none was written: %v", err)
		}
		if _, err := decodeMetadata(here, metadata); err == nil {
			t.Error("no ID was written, one is here")
		}
	})
}

func TestDamagedOrForeignMetadataIsIgnoredAsAWhole(t *testing.T) {
	metadata, _ := encodeMetadata(here, knowledge{unfinished: []span{{1000, 1001}, {1010, 1010}}, end: 1020})
	cases := map[string]string{
		"another program's":     `{"lag":7}`,
		"a newer version's":     "rf4:" + metadata[4:],
		"an older version's":    "rf2:" + metadata[4:],
		"the first version's":   "rf1:" + metadata[5:],
		"version alone":         "rf3:",
		"no digest":             "rf3::",
		"an ID and no more":     "rf3:" + idText(otherID) + ":",
		"an ID that is not its": "rf3:" + idText(otherID) + ":" + metadata[5:],
		"half an ID":            "rf3:AAAA:" + metadata[5:],
		"padded":                metadata + "=",
		"longer than may be":    metadata + strings.Repeat("A", 5000),
		"white space in front":  " " + metadata,
		"a line end in between": metadata[:10] + "\n" + metadata[10:],
		"a line end at the end": metadata + "\n",
	}
	for i := range metadata {
		flipped := []byte(metadata)
		flipped[i] ^= 1
		cases["flipped at "+metadata[:i]] = string(flipped)
		if i > 0 {
			cases["cut to "+metadata[:i]] = metadata[:i]
		}
	}
	for name, m := range cases {
		if k, err := decodeMetadata(here, m); err == nil || len(k.unfinished) != 0 || k.end != here.offset {
			t.Errorf("%s: taken as %+v, %v", name, k, err)
		}
	}
}

func TestNoMetadataTellsNothing(t *testing.T) {
	if k, err := decodeMetadata(here, ""); err != nil || k.end != here.offset || k.unfinished != nil {
		t.Errorf("%+v, %v", k, err)
	}
}

// Each commit names the topic and the epoch, also where nothing beyond it is done.
func TestTheEvidenceIsWrittenWithEachCommit(t *testing.T) {
	at := here
	at.topicID = otherID
	k := knowledge{end: at.offset, endEpoch: 7, began: epochBegan{true, 900, 6}}
	metadata, whole := encodeMetadata(at, k)
	if got, err := decodeMetadata(at, metadata); err != nil || !whole || !reflect.DeepEqual(got, k) {
		t.Errorf("wrote %+v, read %+v, %v", k, got, err)
	}
	if len(metadata) > 43 { // 27 for version and ID, the digest, the epoch, and where it began
		t.Errorf("%d bytes", len(metadata))
	}
}

var otherID = topicID{0xd0, 15: 1}

// A commit by name can come to lie beside a topic that was made anew. That is told apart
// from damage; an ID that is not known is not another.
func TestACommitOfAnotherTopicIsToldFromADamagedOne(t *testing.T) {
	k := knowledge{unfinished: []span{{1000, 1001}}, end: 1020, endEpoch: 3}
	old, fresh, nameless := here, here, here
	old.topicID, fresh.topicID = topicID{1}, topicID{2}
	for _, c := range []struct {
		name        string
		wrote, read commitKey
		want        error
	}{
		{"the same topic", old, old, nil},
		{"another one of the name", old, fresh, errAnotherTopic},
		{"written without an ID", nameless, fresh, nil},
		{"read without an ID", old, nameless, nil},
		{"neither has one", nameless, nameless, nil},
	} {
		metadata, _ := encodeMetadata(c.wrote, k)
		want := k
		if c.want != nil {
			want = knowledge{end: here.offset, endEpoch: unknownEpoch}
		}
		if got, err := decodeMetadata(c.read, metadata); !errors.Is(err, c.want) || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %v", c.name, got, err, c.want)
		}
		if c.want == nil {
			continue
		}
		for i := range metadata { // damaged, it says nothing of the topic
			flipped := []byte(metadata)
			flipped[i] ^= 1
			if _, err := decodeMetadata(c.read, string(flipped)); !errors.Is(err, errMetadataForeign) {
				t.Errorf("%s, flipped at %d: %v", c.name, i, err)
			}
		}
	}
}

// What does not fit is left out from the end, where the epoch below is known: else the next
// owner could not verify what is told.
func TestWhatDoesNotFitIsCutWhereTheEpochIsKnown(t *testing.T) {
	for name, epoch := range map[string]func(run int) int32{
		"all are known":   func(run int) int32 { return int32(run) },
		"each tenth is":   func(run int) int32 { return map[bool]int32{true: int32(run), false: unknownEpoch}[run%10 == 0] },
		"the first is":    func(run int) int32 { return map[bool]int32{true: 3, false: unknownEpoch}[run == 0] },
		"none, inherited": func(int) int32 { return unknownEpoch },
	} {
		k := knowledge{end: here.offset, endEpoch: math.MaxInt32}
		for run := range 600 {
			k.unfinished = append(k.unfinished, span{k.end, k.end + 1<<20})
			k.epochs = append(k.epochs, epoch(run))
			k.end += 1 << 21
		}
		metadata, whole := encodeMetadata(here, k)
		got, err := decodeMetadata(here, metadata)
		if err != nil || whole || len(metadata) > metadataLimit {
			t.Fatalf("%s: %v, whole %v, %d bytes", name, err, whole, len(metadata))
		}
		want := -1 // the last run that could be left out as the first
		for run := range 600 {
			before := knowledge{unfinished: k.unfinished[:run], end: k.unfinished[run].first, endEpoch: epoch(run)}
			if epoch(run) != unknownEpoch && before.size(here.offset) <= payloadLimit {
				want = run
			}
		}
		end, below := here.offset, unknownEpoch
		if want >= 0 {
			end, below = k.unfinished[want].first, epoch(want)
		}
		if got.end != end || got.endEpoch != below || len(got.unfinished) != max(0, want) {
			t.Errorf("%s: %d runs up to %d, epoch %d; want %d up to %d, %d", name, len(got.unfinished), got.end, got.endEpoch, want, end, below)
		}
	}
}

func TestAnEpochThatIsNoneIsIgnored(t *testing.T) {
	for _, body := range [][]byte{binary.AppendUvarint(nil, 1<<31+1), binary.AppendUvarint(nil, 1<<63), {0x80}} {
		if k, err := decodeBody(here.offset, body); !errors.Is(err, errMetadataForeign) {
			t.Errorf("%x: taken as %+v, %v", body, k, err)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	m, _ := encodeMetadata(here, knowledge{unfinished: []span{{1000, 1001}, {1010, 1010}}, end: 1020})
	f.Add(m, int64(1000), "lkc-1")
	f.Add(frozenEpochs, int64(1000), "lkc-1")
	f.Add(frozenAnchored, int64(1000), "lkc-1")
	f.Add("rf3:", int64(0), "")
	f.Add("rf3::AAAAAAAAAAAA", int64(7), "x")
	f.Fuzz(func(t *testing.T, metadata string, offset int64, cluster string) {
		at := commitKey{cluster: cluster, topic: "events", partition: 3, offset: offset}
		k, err := decodeMetadata(at, metadata)
		if err != nil || metadata == "" {
			if len(k.unfinished) != 0 || k.end != offset {
				t.Fatalf("ignored, and yet it tells %+v", k)
			}
			return
		}
		// Taken: then it was written at exactly this place.
		if id := strings.Split(metadata, ":")[1]; id != "" {
			raw, err := base64.RawURLEncoding.DecodeString(id)
			if err != nil {
				return // another program's digest, and its ID
			}
			at.topicID = topicID(raw)
		}
		if again, _ := encodeMetadata(at, k); again != metadata {
			t.Fatalf("%q is taken, but %q is what would be written here", metadata, again)
		}
	})
}

func FuzzRuns(f *testing.F) {
	f.Add(int64(1000), []byte{2, 8, 1, 9})
	f.Add(int64(1)<<62, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1})
	f.Fuzz(func(t *testing.T, offset int64, runs []byte) {
		if offset < 0 {
			return
		}
		if k, err := decodeBody(offset, runs); err == nil {
			checkRuns(t, offset, k)
		}
	})
}

func checkRuns(t *testing.T, offset int64, k knowledge) {
	t.Helper()
	if k.endEpoch < unknownEpoch {
		t.Fatalf("no epoch: %+v", k)
	}
	next := offset
	for _, s := range k.unfinished {
		if s.first < next || s.last < s.first {
			t.Fatalf("runs out of order: %+v", k)
		}
		next = s.last + 1
	}
	if k.end < next {
		t.Fatalf("ends before its last run: %+v", k)
	}
}
