package dlq

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
)

func named(headers []kafka.Header) map[string]string {
	m := map[string]string{}
	for _, h := range headers {
		if name, ours := strings.CutPrefix(h.Key, HeaderPrefix); ours {
			m[name] = string(h.Value)
		}
	}
	return m
}

func TestALetterSaysWhereItsRecordWasAndWhyItFailed(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 89_999_999, time.FixedZone("", 8*3600))
	for _, c := range []struct {
		name   string
		letter Letter
		want   map[string]string
	}{
		{
			"refused by the platform",
			Letter{
				Topic: "events", Partition: 3, Offset: 1 << 40, Timestamp: 1700000000123, Stage: StageUpstream, Reason: ReasonRefused, Message: "参数错误", Hint: "h",
				Code: "400", Seqno: "abc", HTTPStatus: 200, Attempts: 3, First: at, Last: at.Add(time.Second), Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
			},
			map[string]string{
				"topic": "events", "partition": "3", "offset": "1099511627776", "timestamp": "2023-11-14T22:13:20.123Z", "group": "the group", "stage": "upstream", "reason": "refused",
				"message": "参数错误", "hint": "h", "code": "400", "seqno": "abc", "http.status": "200", "attempts": "3", "first.attempt": "2026-03-03T21:06:07.089Z",
				"last.attempt": "2026-03-03T21:06:08.089Z", "redrives": "0", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
			},
		},
		{
			"not mappable: no request was made, and the record has no timestamp",
			Letter{Topic: "events", Timestamp: -1, Stage: StageMapping, Reason: "missing-field", Field: "plate"},
			map[string]string{
				"topic": "events", "partition": "0", "offset": "0", "timestamp": "-1", "group": "the group", "stage": "mapping", "reason": "missing-field", "field": "plate", "attempts": "0", "redrives": "0",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := named(c.letter.headers("the group"))
			for name, want := range c.want {
				if got[name] != want {
					t.Errorf("%s is %q, want %q", name, got[name], want)
				}
				delete(got, name)
			}
			if len(got) != 0 {
				t.Errorf("and also %q", got)
			}
		})
	}
}

func TestHeadersThatTheRecordBrought(t *testing.T) {
	for _, c := range []struct {
		name, header, value, want string
	}{
		{"redrives are kept", "redrives", "7", "7"},
		{"many redrives are kept", "redrives", "2147483648", "2147483648"},
		{"redrives that are no number", "redrives", "many", "0"},
		{"redrives below zero", "redrives", "-1", "0"},
		{"redrives with a sign", "redrives", "+1", "0"},
		{"redrives with a fraction", "redrives", "1.5", "0"},
		{"redrives that are empty", "redrives", "", "0"},
		{"redrives beyond all numbers", "redrives", strings.Repeat("9", 100), "0"},
		{"an origin is kept", "origin", "events/3/42", "events/3/42"},
		{"an origin without an offset", "origin", "events/3", ""},
		{"an origin without a topic", "origin", "/3/42", ""},
		{"an origin with a partition below zero", "origin", "events/-3/42", ""},
		{"an origin with too many parts", "origin", "a/b/3/42", ""},
		{"an origin that is not UTF-8", "origin", "\xff/3/42", ""},
		{"an origin of a topic no Kafka has", "origin", strings.Repeat("t", 250) + "/3/42", ""},
		{"a reason of an earlier life is replaced", "reason", "empty", "refused"},
		{"a name we do not know is dropped", "verdict", "x", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := Letter{Topic: "events", Stage: StageUpstream, Reason: ReasonRefused, Headers: headersOf(HeaderPrefix+c.header, c.value)}
			headers := l.headers("g")
			n := 0
			for _, h := range headers {
				if h.Key == HeaderPrefix+c.header {
					n++
				}
			}
			if got := named(headers)[c.header]; got != c.want || n > 1 {
				t.Errorf("%d headers, %q, want %q", n, got, c.want)
			}
		})
	}
}

func TestTheRecordsOwnHeadersStandFirstAsTheyCame(t *testing.T) {
	own := []fetch.Header{{Key: "a", Value: nil}, {Key: "a", Value: []byte{}}, {Key: "\xff", Value: []byte{0, 0xff}}, {Key: "", Value: []byte("x")}, {Key: "__forwarder.other", Value: []byte("y")}}
	l := Letter{Headers: fetch.HeadersOf(own...)}
	headers := l.headers("g")
	for i, h := range own {
		if got := headers[i]; got.Key != h.Key || (got.Value == nil) != (h.Value == nil) || string(got.Value) != string(h.Value) {
			t.Errorf("header %d is %q, want %q", i, got, h)
		}
	}
}

func TestTextsAreCutAtARuneAndMadeValid(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"short", "参数", "参数"},
		{"of just the bound", strings.Repeat("a", 1024), strings.Repeat("a", 1024)},
		{"one byte longer", strings.Repeat("a", 1025), strings.Repeat("a", 1024)},
		{"a rune across the bound", strings.Repeat("a", 1023) + "参", strings.Repeat("a", 1023)},
		{"a rune up to the bound", strings.Repeat("a", 1021) + "参参", strings.Repeat("a", 1021) + "参"},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"grown by mending it", strings.Repeat("a\xff", 600), strings.Repeat("a\uFFFD", 256)},
	} {
		got := truncate(c.text)
		if got != c.want || len(got) > 1024 || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes %.20q…, want %d", c.name, len(got), got, len(c.want))
		}
	}
	l := Letter{Message: strings.Repeat("参", 1000), Hint: strings.Repeat("数", 1000)}
	for name, value := range named(l.headers(strings.Repeat("g", 2000))) {
		if len(value) > 1024 {
			t.Errorf("%s has %d bytes", name, len(value))
		}
	}
}

func TestALetterIsDatedInUTCToTheMillisecond(t *testing.T) {
	if got := stamp(time.Date(2026, 1, 1, 7, 59, 59, 0, time.FixedZone("", 8*3600))); got != "2025-12-31T23:59:59.000Z" {
		t.Error(got)
	}
}
