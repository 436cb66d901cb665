package ledger

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"release-forwarder/consumer/fetch"
	"release-forwarder/dlq"
)

func TestWhatTheLedgerIsReadAs(t *testing.T) {
	const entry = `{"v":1,"written":5,"state":"replayed","at":"2026-01-02T03:04:05Z","by":"alice"}`
	for _, c := range []struct {
		name, key string
		value     any // nil: null
		want      dlq.State
		passed    bool // over
	}{
		{"an entry", "1/letter/0/3", entry, dlq.Replayed, false},
		{"closed", "1/letter/0/3", `{"v":1,"written":5,"state":"closed","at":"2026-01-02T03:04:05Z","by":"a","why":"w"}`, dlq.Closed, false},
		{"in another order, with more", "1/letter/0/3", ` {"state":"closed","more":[1],"written":5,"v":1}`, dlq.Closed, false},
		{"taken back", "1/letter/0/3", nil, dlq.Open, false},
		{"a later version's key", "2/letter/0/3", entry, "", true},
		{"a later version's value", "1/letter/0/3", `{"v":2,"written":5,"state":"replayed","at":"2026-01-02T03:04:05Z","by":"alice"}`, "", true},
		{"a state of a later version", "1/letter/0/3", `{"v":1,"written":5,"state":"postponed","at":"2026-01-02T03:04:05Z","by":"a"}`, "", true},
		{"another kind", "1/note/0/3", entry, "", true},
		{"no key", "", entry, "", true},
		{"no offset", "1/letter/0", entry, "", true},
		{"a partition below 0", "1/letter/-1/3", entry, "", true},
		{"not as we write it", "1/letter/00/3", entry, "", true},
		{"too large an offset", "1/letter/0/9223372036854775808", entry, "", true},
		{"cut off", "1/letter/0/3", entry[:len(entry)-1], "", true},
		{"cut off, with a brace", "1/letter/0/3", entry[:len(entry)-4] + "}", "", true},
		{"not JSON", "1/letter/0/3", "x", "", true},
		{"a list", "1/letter/0/3", "[1]", "", true},
		{"not UTF-8", "1/letter/0/3", "{\"v\":1,\"written\":5,\"state\":\"replayed\",\"at\":\"\xff\"}", "", true},
		{"empty", "1/letter/0/3", "", "", true},
		{"blank", "1/letter/0/3", " \t\r\n", "", true},
		{"a blank lock", "1/lock", " ", "", true},
	} {
		rec := fetch.Record{Offset: 9, Key: []byte(c.key)}
		if text, is := c.value.(string); is {
			rec.Value = []byte(text)
		}
		d, ok := decode(&rec)
		if ok == c.passed || ok && (d.letter.State != c.want || d.partition != 0 || d.offset != 3 || c.want != dlq.Open && d.letter.Written != 5) {
			t.Errorf("%s: %+v, read: %t", c.name, d, ok)
		}
	}
}

func TestAnEntryIsReadAsItWasWritten(t *testing.T) {
	for _, e := range []Entry{
		{State: dlq.Replayed, At: time.Unix(5, 6).UTC(), By: "alice@host", To: "events/1/2", Changed: true},
		{State: dlq.Closed, At: time.Unix(5, 0).UTC(), By: `"b"`, Why: `","state":"replayed","at":"`},
	} {
		key, value := encodeLetter(dlq.ID{Topic: "events.dlq", Partition: 4, Offset: 5}, -1, e)
		d, ok := decode(&fetch.Record{Key: key, Value: value})
		if !ok || d.partition != 4 || d.offset != 5 || d.letter.Entry != e || d.letter.Written != -1 {
			t.Errorf("%s: %+v %t", value, d, ok)
		}
	}
}

func TestOfEachLetterTheLastEntryCounts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	l, want := unread(Config{Topic: "events.dlq"}), map[int64]dlq.State{}
	states := []dlq.State{dlq.Open, dlq.Replayed, dlq.Closed}
	for range 10_000 {
		d := decoded{partition: 1, offset: random.Int64N(1000), letter: letterEntry{Written: 7}}
		d.letter.State = states[random.IntN(3)]
		l.apply(0, &d)
		want[d.offset] = d.letter.State
	}
	decided := 0
	for offset := range int64(1000) {
		if got := l.State(&dlq.Stored{ID: dlq.ID{Partition: 1, Offset: offset}, Written: 7}); got != want[offset] {
			t.Fatalf("%d: %v, want %v", offset, got, want[offset])
		}
		if got := l.State(&dlq.Stored{ID: dlq.ID{Partition: 1, Offset: offset}, Written: 8}); got != dlq.Open {
			t.Fatalf("%d of another topic: %v", offset, got)
		}
		if offset < 500 && want[offset] != dlq.Open {
			decided++
		}
	}
	if gone := l.before(1, 500, 10_000); len(gone) != decided || !slices.IsSorted(gone) {
		t.Errorf("%d before 500, want %d", len(gone), decided)
	}
	if gone := l.before(1, 500, 10); len(gone) != 10 {
		t.Errorf("%d, want 10", len(gone))
	}
}

func BenchmarkDecode(b *testing.B) {
	key, value := encodeLetter(dlq.ID{Topic: "events.dlq", Partition: 4, Offset: 5}, time.Now().UnixMilli(), Entry{State: dlq.Replayed, At: time.Now(), By: "alice@host", To: "events/1/2"})
	rec := fetch.Record{Key: key, Value: value}
	for b.Loop() {
		if _, ok := decode(&rec); !ok {
			b.Fatal("not read")
		}
	}
}

// The entries in doc.go are those that are written.
func TestTheDocumentedEntriesAreThoseWritten(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(text)) {
		value, is := strings.CutPrefix(strings.TrimSpace(line), "//\tvalue  ")
		if !is {
			continue
		}
		seen++
		if strings.Contains(value, "holder") {
			var l lockEntry
			if !unmarshal([]byte(value), &l) || l.After != 17 || len(l.Sending) != 2 || l.V != version {
				t.Errorf("%s: %+v", value, l)
			}
			continue
		}
		var e letterEntry
		ok := unmarshal([]byte(value), &e)
		if _, written := encodeLetter(dlq.ID{}, e.Written, e.Entry); !ok || string(written) != value {
			t.Errorf("%s is shown, %s is written", value, written)
		}
	}
	if seen != 3 {
		t.Errorf("%d entries are shown, want 3", seen)
	}
}
