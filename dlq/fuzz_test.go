package dlq

import (
	"bytes"
	"encoding/binary"
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
		r := s.Record([]byte("w"), changed)
		if want := map[bool]string{false: "v", true: "w"}[changed]; string(r.Key) != "k" || string(r.Value) != want {
			t.Fatalf("key %q and value %q are sent", r.Key, r.Value)
		}
		// It fails again.
		again := Letter{Topic: "events", Stage: StageMapping, Reason: "empty", Headers: asRead(r.Headers)}
		second := parse("events.dlq", 0, &fetch.Record{Headers: checkWritten(t, &again, r.Headers)})
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
