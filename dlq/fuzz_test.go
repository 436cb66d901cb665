package dlq

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
)

// FuzzHeaders: for any headers of a record, its letter holds them unchanged and can be
// replayed. Any headers in the dead-letter topic can be read, and if the letter is replayed the
// count of replays is one higher and the origin is kept.
func FuzzHeaders(f *testing.F) {
	letter := Letter{Topic: "events", Partition: 3, Offset: 9, Timestamp: 1700000000123, Stage: StageUpstream, Reason: ReasonRefused, Message: "m", Code: "400", Attempts: 1}
	f.Add(spelled(letter.headers("group")), "text")
	f.Add(spelled(listed(headersOf(whole(HeaderPrefix+"redrives", "7", HeaderPrefix+"origin", "events/2/5", "traceparent", "00-1")...))), "参数\xff")
	f.Add(spelled(listed(headersOf(whole(HeaderPrefix+"topic", "events", OriginalHeader, "{}")...))), "")
	f.Add(spelled(listed(headersOf(whole(HeaderPrefix+"redrives", "4611686018427387903")...))), "")
	f.Add(spelled(listed(headersOf(whole(HeaderPrefix+"redrives", strings.Repeat("0", 1100)+"7", HeaderPrefix+"origin", "events/1/"+strings.Repeat("0", 1100)+"7")...))), "")
	f.Add(spelled([]kafka.Header{{}, {Key: HeaderPrefix}, {Key: "a", Value: nil}, {Key: "a", Value: []byte{}}}), "\x00")
	f.Fuzz(func(t *testing.T, raw []byte, text string) {
		brought := spoken(raw)
		l := Letter{
			Topic: "events", Partition: 2, Offset: 7, Timestamp: 5, Key: []byte(text), Value: raw, Headers: asRead(brought),
			Stage: StageUpstream, Reason: ReasonRefused, Field: text, Message: text, Hint: text, Code: text, Seqno: text,
		}
		written := checkWritten(t, &l, brought)
		if s := parse("events.dlq", 1, &fetch.Record{Offset: 4, Key: l.Key, Value: l.Value, Headers: written}); s.Unfit() != nil || s.Foreign ||
			s.Topic != "events" || s.Partition != 2 || s.Offset != 7 || s.Group != "group" || s.Reason != ReasonRefused || s.Message != truncate(text) {
			t.Fatalf("written, and read as %+v", s)
		}
		checkStored(t, brought)
	})
}

// checkWritten compares the headers of a written letter with those of its record.
func checkWritten(t *testing.T, l *Letter, brought []kafka.Header) fetch.Headers {
	t.Helper()
	headers := l.headers("group")
	seen := map[string]bool{}
	for _, h := range headers {
		if !strings.HasPrefix(h.Key, HeaderPrefix) {
			continue
		}
		if seen[h.Key] || len(h.Value) > 1024 || !utf8.Valid(h.Value) {
			t.Fatalf("header %s, seen %t, of %d bytes", h.Key, seen[h.Key], len(h.Value))
		}
		seen[h.Key] = true
	}
	if len(brought) > MaxHeaders { // then it keeps the first
		return asRead(headers)
	}
	sameOwn(t, headers, brought)
	return asRead(headers)
}

// checkStored reads headers that may be in the dead-letter topic.
func checkStored(t *testing.T, headers []kafka.Header) {
	t.Helper()
	rec := &fetch.Record{Offset: 3, Timestamp: 5, Key: []byte("k"), Value: []byte("v"), Headers: asRead(headers)}
	s := parse("events.dlq", 0, rec)
	var own []kafka.Header
	for key, value := range s.Own() {
		own = append(own, kafka.Header{Key: string(key), Value: value})
	}
	sameOwn(t, own, headers)
	if slices.ContainsFunc(own, func(h kafka.Header) bool { return strings.HasPrefix(h.Key, HeaderPrefix) }) {
		t.Fatalf("headers of ours among the record's: %q", own)
	}
	if s.Unfit() != nil {
		return
	}
	checkFit(t, s, headers)
	for _, changed := range []bool{false, true} {
		r := s.replayed([]byte("w"), changed)
		if want := map[bool]string{false: "v", true: "w"}[changed]; string(r.key) != "k" || string(r.value) != want {
			t.Fatalf("key %q and value %q are sent", r.key, r.value)
		}
		// It fails again.
		again := Letter{Topic: "events", Stage: StageMapping, Reason: "empty", Headers: asRead(r.headers)}
		second := parse("events.dlq", 0, &fetch.Record{Headers: checkWritten(t, &again, r.headers)})
		if second.Unfit() != nil || second.Redrives != min(s.Redrives+1, 1<<countBits-1) || isOrigin([]byte(s.Origin)) && second.Origin != s.Origin {
			t.Fatalf("replayed as %d from %q, after %d from %q: %v", second.Redrives, second.Origin, s.Redrives, s.Origin, second.Problems)
		}
	}
}

// checkFit compares a letter that may be replayed with its headers: each header that a replay
// needs is there once, with the value that was read.
func checkFit(t *testing.T, s *Stored, headers []kafka.Header) {
	t.Helper()
	for name, got := range map[string]string{
		"topic": s.Topic, "partition": fmt.Sprint(s.Partition), "offset": fmt.Sprint(s.Offset), "group": s.Group, "stage": string(s.Stage), "reason": s.Reason,
	} {
		var values []string
		for _, h := range headers {
			if h.Key == HeaderPrefix+name {
				values = append(values, string(h.Value))
			}
		}
		if len(values) == 1 && (name == "partition" || name == "offset") {
			n, err := strconv.ParseInt(values[0], 10, 64)
			if err != nil || n < 0 {
				t.Fatalf("%s is %q", name, values[0])
			}
			values[0] = fmt.Sprint(n)
		}
		if len(values) != 1 || values[0] != got || got == "" {
			t.Fatalf("%s is read as %q, and it is there as %q", name, got, values)
		}
	}
}

// sameOwn checks that the headers that are not ours are unchanged.
func sameOwn(t *testing.T, got, came []kafka.Header) {
	t.Helper()
	own := func(all []kafka.Header) (own []kafka.Header) {
		for _, h := range all {
			if !strings.HasPrefix(h.Key, HeaderPrefix) {
				own = append(own, h)
			}
		}
		return own
	}
	if !slices.EqualFunc(own(got), own(came), func(a, b kafka.Header) bool {
		return a.Key == b.Key && bytes.Equal(a.Value, b.Value) && (a.Value == nil) == (b.Value == nil)
	}) {
		t.Fatalf("the record's headers are %q, they came as %q", own(got), own(came))
	}
}

func asRead(headers []kafka.Header) fetch.Headers {
	var read []fetch.Header
	for _, h := range headers {
		read = append(read, fetch.Header{Key: h.Key, Value: h.Value})
	}
	return fetch.HeadersOf(read...)
}

func listed(headers fetch.Headers) (list []kafka.Header) {
	for key, value := range headers.All() {
		list = append(list, kafka.Header{Key: string(key), Value: value})
	}
	return list
}

// spelled writes headers as bytes for the fuzzer: lengths of key and value, one more for
// the value's, of which 0 is null; spoken reads them.
func spelled(headers []kafka.Header) (raw []byte) {
	for _, h := range headers {
		raw = append(binary.AppendUvarint(raw, uint64(len(h.Key))), h.Key...)
		if h.Value == nil {
			raw = append(raw, 0)
			continue
		}
		raw = append(binary.AppendUvarint(raw, uint64(len(h.Value))+1), h.Value...)
	}
	return raw
}

func spoken(raw []byte) (headers []kafka.Header) {
	take := func(less uint64) ([]byte, bool) {
		n, used := binary.Uvarint(raw)
		if used <= 0 || n < less {
			raw = raw[max(used, 0):]
			return nil, used > 0
		}
		raw = raw[used:]
		n = min(n-less, uint64(len(raw)))
		b := raw[:n:n]
		raw = raw[n:]
		return b, true
	}
	for len(raw) > 0 {
		key, ok := take(0)
		value, ok2 := take(1)
		if !ok || !ok2 {
			break
		}
		headers = append(headers, kafka.Header{Key: string(key), Value: value})
	}
	return headers
}

// FuzzLedgerEntry: a record of the ledger counts only if it is of this version, and means what
// another reader of its JSON says. In doubt a letter stays open.
func FuzzLedgerEntry(f *testing.F) {
	for _, e := range []Entry{{State: Replayed, By: "a", To: "events/1/2"}, {State: Closed, Why: "w", Changed: true}} {
		key, value := encodeLetter(ID{"events.dlq", 4, 5}, 7, e)
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
			if tombstone, taken := decode(&fetch.Record{Offset: offset, Key: key}); taken && tombstone.letter.State != Open {
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
	if v != 1 || written != d.letter.Written || state != string(d.letter.State) || d.letter.State != Replayed && d.letter.State != Closed {
		t.Fatalf("%q is read as %+v", value, d)
	}
	_, again := encodeLetter(ID{"events.dlq", d.partition, d.offset}, d.letter.Written, d.letter.Entry)
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
	left := (&lease{ledger: &Ledger{chain: c}}).open(l.Sending)
	for _, short := range left {
		if id, err := ParseID(short, "", 1<<31-1); err != nil || id.Partition < 0 || id.Offset < 0 {
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
