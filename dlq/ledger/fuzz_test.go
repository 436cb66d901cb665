package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"release-forwarder/consumer/fetch"
	"release-forwarder/dlq"
)

// FuzzLedgerEntry: a record of the ledger counts only if it is of this version, and means what
// another reader of its JSON says. In doubt a letter stays open.
func FuzzLedgerEntry(f *testing.F) {
	for _, e := range []Entry{{State: dlq.Replayed, By: "a", To: "events/1/2"}, {State: dlq.Closed, Why: "w", Changed: true}} {
		key, value := encodeLetter(dlq.ID{Topic: "events.dlq", Partition: 4, Offset: 5}, 7, e)
		f.Add(key, value, int64(9))
		f.Add(key, bytes.Replace(value, []byte("{"), []byte(` {"STATE":"closed","x":[{}],`), 1), int64(9))
		f.Add(key, value[:len(value)-1], int64(9))
	}
	key, value := encodeLock(lockEntry{Holder: "h", By: "b", After: 3, Sending: []string{"0/7", "x", "1/9223372036854775808"}})
	f.Add(key, value, int64(9))
	f.Add(key, value, int64(3))
	f.Add([]byte(letterKey+"0/5"), []byte(" "), int64(0))
	f.Add([]byte(letterKey+"007/5"), []byte(`{"v":1,"written":5,"state":"replayed"}`), int64(0))
	f.Add([]byte(letterKey+"0/5"), []byte(`{"v":2,"v":1,"written":5,"state":"postponed","state":"replayed"}`), int64(0))
	f.Add([]byte(letterKey+"0/5"), []byte(`{"v":1,"written":5,"state":"postponed"}`), int64(0))
	f.Add([]byte(letterKey+"0/5"), []byte(`{"v":2,"written":5,"state":"closed"}`), int64(0))
	f.Fuzz(func(t *testing.T, key, value []byte, offset int64) {
		d, ok := decode(&fetch.Record{Offset: offset, Key: key, Value: value})
		switch {
		case !ok:
			if tombstone, taken := decode(&fetch.Record{Offset: offset, Key: key}); taken && tombstone.letter.State != dlq.Open {
				t.Fatalf("a record without a value is read as %+v", tombstone)
			}
		case !utf8.Valid(value) || !json.Valid(value) || len(value) > maxEntryBytes:
			t.Fatalf("taken: %q", value)
		case d.lock != nil:
			checkLock(t, key, value, offset, d.lock)
		default:
			checkEntry(t, key, value, d)
		}
	})
}

// checkEntry compares a letter's entry with its key and value, and with what this program would
// write.
func checkEntry(t *testing.T, key, value []byte, d decoded) {
	t.Helper()
	if want := fmt.Sprintf("1/letter/%d/%d", d.partition, d.offset); string(key) != want || d.partition < 0 || d.offset < 0 {
		t.Fatalf("key %q is read as %s", key, want)
	}
	var v int
	var written int64
	var state string
	lastOf(t, value, "v", &v)
	lastOf(t, value, "written", &written)
	lastOf(t, value, "state", &state)
	if v != 1 || written != d.letter.Written || state != string(d.letter.State) || d.letter.State != dlq.Replayed && d.letter.State != dlq.Closed {
		t.Fatalf("%q is read as %+v", value, d)
	}
	_, again := encodeLetter(dlq.ID{Topic: "events.dlq", Partition: d.partition, Offset: d.offset}, d.letter.Written, d.letter.Entry)
	second, ok2 := decode(&fetch.Record{Key: key, Value: again})
	if tooLong := len(again) > maxEntryBytes; !tooLong && (!ok2 || second != d) {
		t.Fatalf("%+v was written again as %q and read as %+v", d, again, second)
	}
}

func checkLock(t *testing.T, key, value []byte, offset int64, l *lockEntry) {
	t.Helper()
	var v int
	var holder string
	var released bool
	after := int64(0)
	lastOf(t, value, "v", &v)
	lastOf(t, value, "holder", &holder)
	lastOf(t, value, "after", &after)
	lastOf(t, value, "released", &released)
	if string(key) != "1/lock" || v != 1 || holder == "" || l.Holder != holder || l.After != after || l.Released != released || after < -1 || after >= offset {
		t.Fatalf("%q at %d is read as %+v", value, offset, l)
	}
	c := chain{head: -1}
	c.apply(offset, l)
	left := (&Ledger{chain: c}).open(l.Sending)
	for _, short := range left {
		if id, err := dlq.ParseID(short, "", 1<<31-1); err != nil || id.Partition < 0 || id.Offset < 0 {
			t.Fatalf("%q is said to be under way", short)
		}
	}
}

// lastOf reads the last member of an object with a name, in upper or lower case, like
// encoding/json.
func lastOf(t *testing.T, value []byte, name string, to any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(value))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		t.Fatalf("taken, and no object: %q", value)
	}
	for d.More() {
		member, err := d.Token()
		var raw json.RawMessage
		if err != nil || d.Decode(&raw) != nil {
			t.Fatalf("taken, and no object: %q", value)
		}
		if strings.EqualFold(member.(string), name) && string(raw) != "null" && json.Unmarshal(raw, to) != nil {
			t.Fatalf("%s is %s, and yet taken", name, raw)
		}
	}
}
