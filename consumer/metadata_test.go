package consumer

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var here = place{cluster: "lkc-1", topic: "events", partition: 3, offset: 1000}

// someKnowledge draws what a progress may know at a place: ordered runs that do
// not touch.
func someKnowledge(t *rapid.T, from int64, most int, far int64) knowledge {
	k := knowledge{end: from}
	if from > 0 && rapid.Bool().Draw(t, "anchored") {
		k.anchor = anchor{known: true, offset: from - rapid.Int64Range(0, min(from, far)).Draw(t, "below"), sum: [sumLen]byte{1, 2, 3}}
	}
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
		k := someKnowledge(t, at.offset, 300, 1<<20)
		metadata, whole := encodeMetadata(at, k)
		if len(metadata) > metadataLimit {
			t.Fatalf("%d bytes", len(metadata))
		}
		got, err := decodeMetadata(at, metadata)
		if err != nil {
			t.Fatal(err)
		}
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
	})
}

func TestFiveHundredGapsFarApartFit(t *testing.T) {
	at := place{cluster: strings.Repeat("c", 22), topic: strings.Repeat("t", 249), partition: 1 << 30, offset: 1 << 50}
	k := knowledge{end: at.offset}
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
	for name, change := range map[string]func(*place){
		"another cluster":                       func(p *place) { p.cluster = "lkc-2" },
		"a cluster without an ID":               func(p *place) { p.cluster = "" },
		"another topic":                         func(p *place) { p.topic = "events2" },
		"another partition":                     func(p *place) { p.partition = 4 },
		"reset by a tool":                       func(p *place) { p.offset = 999 },
		"translated by MirrorMaker":             func(p *place) { p.offset = 12 },
		"names that run together differently":   func(p *place) { p.cluster, p.topic = "lkc-1e", "vents" },
		"names that run together the other way": func(p *place) { p.cluster, p.topic = "lkc-", "1events" },
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
		"a newer version's":     "rf3:" + metadata[4:],
		"with an anchor or not": "rf2:" + metadata[4:],
		"version alone":         "rf1:",
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
	if m, whole := encodeMetadata(here, knowledge{end: here.offset}); m != "" || !whole {
		t.Errorf("nothing is known, and %q was written", m)
	}
}

func TestAnAnchorAloneIsWritten(t *testing.T) {
	k := knowledge{end: here.offset, anchor: anchor{known: true, offset: 990, sum: [sumLen]byte{7: 9}}}
	metadata, whole := encodeMetadata(here, k)
	if got, err := decodeMetadata(here, metadata); err != nil || !whole || !reflect.DeepEqual(got, k) {
		t.Errorf("wrote %+v, read %+v, %v", k, got, err)
	}
	if len(metadata) > 40 {
		t.Errorf("%d bytes", len(metadata))
	}
}

// An anchor above the commit, or below offset 0, cannot have been written here,
// whatever the digest says.
func TestAnAnchorOutOfItsPlaceIsIgnored(t *testing.T) {
	for name, body := range map[string][]byte{
		"below offset 0":    append([]byte{0xe9, 0x07}, make([]byte, sumLen)...), // 1001
		"a length cut off":  {0x80},
		"a digest cut off":  {1, 2, 3, 4, 5, 6, 7, 8},
		"a length too much": append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, make([]byte, sumLen)...),
		"half a run":        append([]byte{1}, make([]byte, sumLen+1)...),
	} {
		if k, err := decodeBody(here.offset, body, true); err == nil {
			t.Errorf("%s: taken as %+v", name, k)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	m, _ := encodeMetadata(here, knowledge{unfinished: []span{{1000, 1001}, {1010, 1010}}, end: 1020})
	f.Add(m, int64(1000), "lkc-1")
	anchored, _ := encodeMetadata(here, knowledge{end: 1000, anchor: anchor{known: true, offset: 999}})
	f.Add(anchored, int64(1000), "lkc-1")
	f.Add("rf1:", int64(0), "")
	f.Add("rf1:AAAAAAAAAAAA", int64(7), "x")
	f.Fuzz(func(t *testing.T, metadata string, offset int64, cluster string) {
		at := place{cluster, "events", 3, offset}
		k, err := decodeMetadata(at, metadata)
		if err != nil || metadata == "" {
			if len(k.unfinished) != 0 || k.end != offset {
				t.Fatalf("ignored, and yet it tells %+v", k)
			}
			return
		}
		// Taken: then it was written at exactly this place.
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
		for _, anchored := range []bool{false, true} {
			k, err := decodeBody(offset, runs, anchored)
			if err == nil {
				checkRuns(t, offset, k)
			}
		}
	})
}

func checkRuns(t *testing.T, offset int64, k knowledge) {
	t.Helper()
	if k.anchor.known && (k.anchor.offset < 0 || k.anchor.offset > offset) {
		t.Fatalf("anchor out of place: %+v", k)
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
