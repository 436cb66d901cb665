package dlq

import (
	"math"
	"testing"
	"time"

	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/topic"
)

// A letter keeps the record's timestamp unchanged, and it can be read again. Only a timestamp
// from 2000 to 2099 counts as a time.
func TestALettersTimestampIsWhatTheRecordHad(t *testing.T) {
	for timestamp, want := range map[int64]string{
		1_795_493_203_806:     "2026-11-24T04:06:43.806Z",
		946_684_800_000:       "2000-01-01T00:00:00.000Z",
		946_684_799_999:       "946684799999",
		4_102_444_799_999:     "2099-12-31T23:59:59.999Z",
		4_102_444_800_000:     "4102444800000",
		1_795_493_203_806_000: "1795493203806000", // microseconds
		1_795_493_203:         "1795493203",       // seconds
		0:                     "0",
		-1:                    "-1",
		math.MaxInt64:         "9223372036854775807",
		math.MinInt64:         "-9223372036854775808",
	} {
		var headers []fetch.Header
		letter := Letter{Topic: "events", Timestamp: timestamp, Stage: StageMapping, Reason: "empty"}
		for _, h := range letter.headers("g") {
			headers = append(headers, fetch.Header{Key: h.Key, Value: h.Value})
			if h.Key == HeaderPrefix+"timestamp" && string(h.Value) != want {
				t.Errorf("%d is written as %s, want %s", timestamp, h.Value, want)
			}
		}
		s := parse("events.dlq", 0, &fetch.Record{Timestamp: timestamp, Headers: fetch.HeadersOf(headers...)})
		if s.Timestamp != timestamp || s.Dated != want || len(s.Problems) > 0 {
			t.Errorf("%d is read as %d, shown as %q, %v", timestamp, s.Timestamp, s.Dated, s.Problems)
		}
		// The letter's own time, if another program wrote the letter.
		now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
		believed := len(want) > 4 && want[4] == '-'
		if s.WrittenAt().IsZero() == believed || (s.Day(time.UTC) == "unknown") == believed {
			t.Errorf("%d: written at %s, on %s", timestamp, s.WrittenAt(), s.Day(time.UTC))
		}
		if due := (topic.Retention{For: time.Hour}).Due(s.WrittenAt(), 0.5, now); due != (believed && s.WrittenAt().Before(now)) {
			t.Errorf("%d: due %v", timestamp, due)
		}
	}
}

func TestTimestampsOfOtherWritersAreShownWhereTheyAreOne(t *testing.T) {
	for text, want := range map[string]string{
		"58881-03-28T02:13:20.000Z":              "58881-03-28T02:13:20.000Z", // of an earlier version
		"2026-11-24T12:06:43+08:00":              "2026-11-24T04:06:43.000Z",
		"":                                       "",
		"yesterday":                              "",
		"+007":                                   "7",
		"99999999999999999999999999999999999999": "",
	} {
		s := parse("events.dlq", 0, &fetch.Record{Headers: headersOf(HeaderPrefix+"timestamp", text)})
		if s.Dated != want {
			t.Errorf("%q is shown as %q, want %q", text, s.Dated, want)
		}
	}
}
