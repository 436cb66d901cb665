package dlq

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
)

// headersIn makes headers of a list that would be written.
func headersIn(list []kafka.Header) fetch.Headers {
	var all []fetch.Header
	for _, h := range list {
		all = append(all, fetch.Header{Key: h.Key, Value: h.Value})
	}
	return fetch.HeadersOf(all...)
}

func many(n int, key string, value []byte) (list []fetch.Header) {
	for range n {
		list = append(list, fetch.Header{Key: key, Value: value})
	}
	return list
}

func TestALetterKeepsTheFirstOfTooManyHeaders(t *testing.T) {
	ours := func(n int) []fetch.Header { return many(n, HeaderPrefix+"x", nil) }
	for _, c := range []struct {
		name    string
		headers []fetch.Header
		many    bool
		kept    int
	}{
		{"none", nil, false, 0},
		{"the most", many(MaxHeaders, "", nil), false, MaxHeaders},
		{"the most, of any size", many(MaxHeaders, "k", make([]byte, 1000)), false, MaxHeaders},
		{"one more", many(MaxHeaders+1, "", nil), true, MaxHeaders},
		{"the most beside what a replay adds", append(many(MaxHeaders, "", nil), ours(brought)...), false, MaxHeaders},
		{"more than a replay adds", append(many(MaxHeaders, "", nil), ours(brought+1)...), true, MaxHeaders},
		{"many of this program's", ours(100_000), true, 0},
		{"behind many of this program's", append(ours(100_000), many(3, "k", nil)...), true, 3},
		{"large ones", many(MaxHeaders+1, "k", make([]byte, 1023)), true, 64},
		{"a first one that is larger than all", append(many(1, "k", make([]byte, 65<<10)), many(MaxHeaders, "", nil)...), true, 0},
	} {
		l := Letter{Headers: fetch.HeadersOf(c.headers...)}
		var e *HeadersError
		if err := CheckHeaders(l.Headers); errors.As(err, &e) != c.many {
			t.Errorf("%s: %v", c.name, err)
		} else if c.many && (e.Headers != len(c.headers) || e.Kept != c.kept) {
			t.Errorf("%s: %+v, want %d of %d kept", c.name, e, c.kept, len(c.headers))
		}
		written := headersIn(l.headers("g"))
		if err := CheckHeaders(written); err != nil {
			t.Errorf("%s: the dead letter: %v", c.name, err)
		}
		s := parse("dlq", 0, &fetch.Record{Headers: written})
		n := 0
		for key := range s.Own() {
			if !bytes.HasPrefix(key, prefix) {
				n++
			}
		}
		if n != c.kept {
			t.Errorf("%s: %d kept, want %d", c.name, n, c.kept)
		}
		// Changed and replayed repeatedly, it is still a record that may be sent.
		record := s.Record([]byte("{}"), true)
		for range 3 {
			sent := headersIn(record.Headers)
			if err := CheckHeaders(sent); err != nil {
				t.Errorf("%s: replayed: %v", c.name, err)
			}
			l = Letter{Headers: sent}
			record = parse("dlq", 0, &fetch.Record{Headers: headersIn(l.headers("g"))}).Record([]byte("{}"), true)
		}
	}
}

// Of a letter of another program, no more is kept in memory than a letter of this program has.
func TestOfALettersHeadersNoMoreIsReadThanOnesOfOurs(t *testing.T) {
	var list []fetch.Header
	for i := range 100_000 {
		list = append(list, fetch.Header{Key: fmt.Sprint(HeaderPrefix, i)})
	}
	r := fetch.Record{Headers: fetch.HeadersOf(list...)}
	if n := testing.AllocsPerRun(1, func() { parse("dlq", 0, &r) }); n > 100 {
		t.Errorf("%v allocations for names that no dead letter has", n)
	}
	list = append(list, many(100_000, HeaderPrefix+"reason", []byte("refused"))...)
	list = append(list, many(10, HeaderPrefix+"message", []byte(strings.Repeat("m", 1<<20)))...)
	s := parse("dlq", 0, &fetch.Record{Headers: fetch.HeadersOf(list...)})
	if s.Reason != "refused" || len(s.Message) != maxHeader || len(s.Problems) > 20 || s.Foreign {
		t.Errorf("reason %q, message of %d, %d problems, foreign %t", s.Reason, len(s.Message), len(s.Problems), s.Foreign)
	}
	text := strings.Join(s.Problems, "\n")
	for _, want := range []string{`header "reason" is there twice`, "header message cannot be read: it is longer than 1024 bytes", "headers: 200010, at most 4096"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not said once: %s", want, text)
		}
	}
}
