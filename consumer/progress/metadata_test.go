package progress

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

var here = CommitKey{Cluster: "lkc-1", Topic: "events", Partition: 3, Offset: 1000}

func someEpoch(t *rapid.T) int32 {
	return rapid.OneOf(rapid.Just(UnknownEpoch), rapid.Int32Range(0, 9), rapid.Just[int32](math.MaxInt32)).Draw(t, "epoch")
}

func someID(t *rapid.T) (id topicID) {
	if rapid.Bool().Draw(t, "has an ID") {
		copy(id[:], rapid.SliceOfN(rapid.Byte(), len(id), len(id)).Draw(t, "ID"))
	}
	return id
}

// someKnowledge draws what a progress may know at a commit: ordered runs that do not touch.
func someKnowledge(t *rapid.T, from int64, most int, far int64) Knowledge {
	k := Knowledge{End: from, EndEpoch: someEpoch(t)}
	for range rapid.IntRange(0, most).Draw(t, "runs") {
		if len(k.Unfinished) > 0 || rapid.Bool().Draw(t, "begins done") {
			k.End += rapid.Int64Range(1, far).Draw(t, "done")
		}
		n := rapid.Int64Range(1, far).Draw(t, "unfinished")
		k.Unfinished = append(k.Unfinished, Range{k.End, k.End + n - 1})
		k.End += n
	}
	k.End += rapid.Int64Range(1, far).Draw(t, "done at the end")
	return k
}

func TestMetadataTellsWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := here
		at.Offset = rapid.Int64Range(0, 1<<40).Draw(t, "offset")
		at.TopicID = someID(t)
		k := someKnowledge(t, at.Offset, 700, 1<<20)
		var epochs []int32
		for range rapid.IntRange(0, len(k.Unfinished)).Draw(t, "epochs") {
			epochs = append(epochs, someEpoch(t))
		}
		k.epochs = epochs
		metadata, whole := Encode(at, k)
		if len(metadata) > metadataLimit {
			t.Fatalf("%d bytes", len(metadata))
		}
		got, err := Decode(at, metadata)
		if err != nil {
			t.Fatal(err)
		}
		k.epochs = nil // they are not written
		if whole && !reflect.DeepEqual(got, k) {
			t.Fatalf("wrote %+v, read %+v", k, got)
		}
		if fits := k.size(at.Offset) <= payloadLimit; fits && !whole {
			t.Fatalf("size says %d of %d bytes, and it was cut", k.size(at.Offset), payloadLimit)
		}
		// What was cut off is forgotten, never turned into something finished.
		if got.End > k.End || len(got.Unfinished) > len(k.Unfinished) || !reflect.DeepEqual(got.Unfinished, k.Unfinished[:len(got.Unfinished)]) {
			t.Fatalf("cut %+v to %+v", k, got)
		}
		if n := len(got.Unfinished); n < len(k.Unfinished) && got.End > k.Unfinished[n].First {
			t.Fatalf("cut at %d behind the unfinished %+v", got.End, k.Unfinished[n])
		}
		if whole {
			return
		}
		// It is cut at the last offset that fits and whose epoch is known.
		switch n := len(got.Unfinished); {
		case got.EndEpoch == UnknownEpoch:
			if got.End != at.Offset {
				t.Fatalf("cut at %d, whose epoch is not known: it could not be verified", got.End)
			}
		case n >= len(epochs) || got.EndEpoch != epochs[n] || got.End != k.Unfinished[n].First:
			t.Fatalf("cut at %d with epoch %d, which is another place's", got.End, got.EndEpoch)
		}
		for n := len(epochs) - 1; n > len(got.Unfinished); n-- {
			longer := Knowledge{Unfinished: k.Unfinished[:n], End: k.Unfinished[n].First, EndEpoch: epochs[n]}
			if epochs[n] != UnknownEpoch && longer.size(at.Offset) <= payloadLimit {
				t.Fatalf("%d runs are told, %d would fit", len(got.Unfinished), n)
			}
		}
	})
}

func TestFiveHundredGapsFarApartFit(t *testing.T) {
	at := CommitKey{Cluster: strings.Repeat("c", 22), Topic: strings.Repeat("t", 249), Partition: 1 << 30, Offset: 1 << 50, TopicID: otherID}
	k := Knowledge{End: at.Offset, EndEpoch: math.MaxInt32}
	for range 500 {
		k.Unfinished = append(k.Unfinished, Range{k.End, k.End})
		k.End += 1 << 21
	}
	metadata, whole := Encode(at, k)
	if !whole || len(metadata) > metadataLimit {
		t.Fatalf("whole %v, %d bytes", whole, len(metadata))
	}
	if got, err := Decode(at, metadata); err != nil || !reflect.DeepEqual(got, k) {
		t.Fatalf("read back otherwise: %v", err)
	}
}

func TestMetadataCountsOnlyWhereItWasWritten(t *testing.T) {
	k := Knowledge{Unfinished: []Range{{1000, 1001}, {1010, 1010}}, End: 1020}
	metadata, _ := Encode(here, k)
	for name, change := range map[string]func(*CommitKey){
		"another cluster":                       func(p *CommitKey) { p.Cluster = "lkc-2" },
		"a cluster without an ID":               func(p *CommitKey) { p.Cluster = "" },
		"another topic":                         func(p *CommitKey) { p.Topic = "events2" },
		"another partition":                     func(p *CommitKey) { p.Partition = 4 },
		"reset by a tool":                       func(p *CommitKey) { p.Offset = 999 },
		"translated by MirrorMaker":             func(p *CommitKey) { p.Offset = 12 },
		"names that run together differently":   func(p *CommitKey) { p.Cluster, p.Topic = "lkc-1e", "vents" },
		"names that run together the other way": func(p *CommitKey) { p.Cluster, p.Topic = "lkc-", "1events" },
	} {
		t.Run(name, func(t *testing.T) {
			other := here
			change(&other)
			got, err := Decode(other, metadata)
			if !errors.Is(err, ErrForeign) || len(got.Unfinished) != 0 || got.End != other.Offset {
				t.Errorf("taken as %+v, %v", got, err)
			}
		})
	}
	t.Run("written without a cluster's ID", func(t *testing.T) {
		none := here
		none.Cluster = ""
		metadata, _ := Encode(none, k)
		if _, err := Decode(none, metadata); err != nil {
			t.Errorf("no ID fits where none was written: %v", err)
		}
		if _, err := Decode(here, metadata); err == nil {
			t.Error("no ID was written, one is here")
		}
	})
}

func TestDamagedOrForeignMetadataIsIgnoredAsAWhole(t *testing.T) {
	metadata, _ := Encode(here, Knowledge{Unfinished: []Range{{1000, 1001}, {1010, 1010}}, End: 1020})
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
		if k, err := Decode(here, m); err == nil || len(k.Unfinished) != 0 || k.End != here.Offset {
			t.Errorf("%s: taken as %+v, %v", name, k, err)
		}
	}
}

func TestNoMetadataTellsNothing(t *testing.T) {
	if k, err := Decode(here, ""); err != nil || k.End != here.Offset || k.Unfinished != nil {
		t.Errorf("%+v, %v", k, err)
	}
}

// Each commit names topic and epoch, even if nothing beyond it is finished.
func TestTheEvidenceIsWrittenWithEachCommit(t *testing.T) {
	at := here
	at.TopicID = otherID
	k := Knowledge{End: at.Offset, EndEpoch: 7, began: epochBegan{true, 900, 6}}
	metadata, whole := Encode(at, k)
	if got, err := Decode(at, metadata); err != nil || !whole || !reflect.DeepEqual(got, k) {
		t.Errorf("wrote %+v, read %+v, %v", k, got, err)
	}
	if len(metadata) > 43 { // 27 for version and ID, the digest, the epoch, and where it began
		t.Errorf("%d bytes", len(metadata))
	}
}

var otherID = topicID{0xd0, 15: 1}

// A commit by name can land beside a recreated topic. That is told apart from damage; an unknown ID is not
// another ID.
func TestACommitOfAnotherTopicIsToldFromADamagedOne(t *testing.T) {
	k := Knowledge{Unfinished: []Range{{1000, 1001}}, End: 1020, EndEpoch: 3}
	old, fresh, nameless := here, here, here
	old.TopicID, fresh.TopicID = topicID{1}, topicID{2}
	for _, c := range []struct {
		name        string
		wrote, read CommitKey
		want        error
	}{
		{"the same topic", old, old, nil},
		{"another one of the name", old, fresh, ErrAnotherTopic},
		{"written without an ID", nameless, fresh, nil},
		{"read without an ID", old, nameless, nil},
		{"neither has one", nameless, nameless, nil},
	} {
		metadata, _ := Encode(c.wrote, k)
		want := k
		if c.want != nil {
			want = Knowledge{End: here.Offset, EndEpoch: UnknownEpoch}
		}
		if got, err := Decode(c.read, metadata); !errors.Is(err, c.want) || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %v", c.name, got, err, c.want)
		}
		if c.want == nil {
			continue
		}
		for i := range metadata { // damaged, it says nothing of the topic
			flipped := []byte(metadata)
			flipped[i] ^= 1
			if _, err := Decode(c.read, string(flipped)); !errors.Is(err, ErrForeign) {
				t.Errorf("%s, flipped at %d: %v", c.name, i, err)
			}
		}
	}
}

// Runs that do not fit are left out from the end, at an offset whose epoch is known: otherwise the next owner
// could not verify the rest.
func TestWhatDoesNotFitIsCutWhereTheEpochIsKnown(t *testing.T) {
	for name, epoch := range map[string]func(run int) int32{
		"all are known":   func(run int) int32 { return int32(run) },
		"each tenth is":   func(run int) int32 { return map[bool]int32{true: int32(run), false: UnknownEpoch}[run%10 == 0] },
		"the first is":    func(run int) int32 { return map[bool]int32{true: 3, false: UnknownEpoch}[run == 0] },
		"none, inherited": func(int) int32 { return UnknownEpoch },
	} {
		k := Knowledge{End: here.Offset, EndEpoch: math.MaxInt32}
		for run := range 600 {
			k.Unfinished = append(k.Unfinished, Range{k.End, k.End + 1<<20})
			k.epochs = append(k.epochs, epoch(run))
			k.End += 1 << 21
		}
		metadata, whole := Encode(here, k)
		got, err := Decode(here, metadata)
		if err != nil || whole || len(metadata) > metadataLimit {
			t.Fatalf("%s: %v, whole %v, %d bytes", name, err, whole, len(metadata))
		}
		want := -1 // the last run that could be the first one left out
		for run := range 600 {
			before := Knowledge{Unfinished: k.Unfinished[:run], End: k.Unfinished[run].First, EndEpoch: epoch(run)}
			if epoch(run) != UnknownEpoch && before.size(here.Offset) <= payloadLimit {
				want = run
			}
		}
		end, below := here.Offset, UnknownEpoch
		if want >= 0 {
			end, below = k.Unfinished[want].First, epoch(want)
		}
		if got.End != end || got.EndEpoch != below || len(got.Unfinished) != max(0, want) {
			t.Errorf("%s: %d runs up to %d, epoch %d; want %d up to %d, %d", name, len(got.Unfinished), got.End, got.EndEpoch, want, end, below)
		}
	}
}

func TestAnEpochThatIsNoneIsIgnored(t *testing.T) {
	for _, body := range [][]byte{binary.AppendUvarint(nil, 1<<31+1), binary.AppendUvarint(nil, 1<<63), {0x80}} {
		if k, err := decodeBody(here.Offset, body); !errors.Is(err, ErrForeign) {
			t.Errorf("%x: taken as %+v, %v", body, k, err)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	m, _ := Encode(here, Knowledge{Unfinished: []Range{{1000, 1001}, {1010, 1010}}, End: 1020})
	f.Add(m, int64(1000), "lkc-1")
	f.Add(frozenEpochs, int64(1000), "lkc-1")
	f.Add(frozenAnchored, int64(1000), "lkc-1")
	f.Add("rf3:", int64(0), "")
	f.Add("rf3::AAAAAAAAAAAA", int64(7), "x")
	f.Fuzz(func(t *testing.T, metadata string, offset int64, cluster string) {
		at := CommitKey{Cluster: cluster, Topic: "events", Partition: 3, Offset: offset}
		k, err := Decode(at, metadata)
		if err != nil || metadata == "" {
			if len(k.Unfinished) != 0 || k.End != offset {
				t.Fatalf("ignored, and yet it tells %+v", k)
			}
			return
		}
		// Accepted: then it was written at exactly this commit key.
		if id := strings.Split(metadata, ":")[1]; id != "" {
			raw, err := base64.RawURLEncoding.DecodeString(id)
			if err != nil {
				return // another program's digest, and its ID
			}
			at.TopicID = topicID(raw)
		}
		if again, _ := Encode(at, k); again != metadata {
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

func checkRuns(t *testing.T, offset int64, k Knowledge) {
	t.Helper()
	if k.EndEpoch < UnknownEpoch {
		t.Fatalf("no epoch: %+v", k)
	}
	next := offset
	for _, s := range k.Unfinished {
		if s.First < next || s.Last < s.First {
			t.Fatalf("runs out of order: %+v", k)
		}
		next = s.Last + 1
	}
	if k.End < next {
		t.Fatalf("ends before its last run: %+v", k)
	}
}

// Lengths that add up to a sum take most bytes when the sum is shared out as longest does.
func TestLengthsThatAddUpTakeNoMoreThanLongest(t *testing.T) {
	const sums = 20_000
	most := make([]int, sums) // of one length, then of one more each time
	for sum := range most {
		most[sum] = uvarintLen(int64(sum))
	}
	for lengths := int64(1); lengths <= 4; lengths++ {
		for sum := lengths; sum < sums; sum++ {
			if got := longest(lengths, sum); got != most[sum] {
				t.Fatalf("%d lengths that add up to %d take %d bytes, want %d", lengths, sum, got, most[sum])
			}
		}
		more := make([]int, sums)
		for sum := lengths + 1; sum < sums; sum++ {
			for _, one := range []int64{1, 128, 16384} { // other steps are no longer
				if one <= sum-lengths {
					more[sum] = max(more[sum], uvarintLen(one)+most[sum-one])
				}
			}
		}
		most = more
	}
}
