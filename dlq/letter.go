package dlq

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"

	"release-forwarder/consumer/fetch"
)

// HeaderPrefix begins the names of all headers that this package writes. A record's own
// headers with this prefix are replaced.
const HeaderPrefix = "__forwarder.errors."

// Stage is where a record failed.
type Stage string

// The stages.
const (
	StageMapping  Stage = "mapping"  // the event cannot be mapped
	StageUpstream Stage = "upstream" // the platform does not accept it
)

// The reasons of the upstream stage. Package mapping has those of the mapping stage.
const (
	ReasonRefused         = "refused"          // answered with a permanent code
	ReasonBudgetExhausted = "budget-exhausted" // kept failing while others were accepted
	ReasonLotRefused      = "lot-refused"      // its lot alone was refused for too long
	ReasonByOperator      = "by-operator"      // a person decided so
)

// Reasons are those of the upstream stage, all of them.
func Reasons() []string {
	return []string{ReasonRefused, ReasonBudgetExhausted, ReasonLotRefused, ReasonByOperator}
}

// Letter is a record that can never be delivered, and why: the record, and a field for
// each header of docs/reference/dead-letter-format.md.
type Letter struct {
	// The record, as Kafka held it. A nil key or value is null.
	Topic      string
	Partition  int32
	Offset     int64
	Timestamp  int64 // milliseconds since 1970, unchanged; −1 if there is none
	Key, Value []byte
	// Headers are the record's, unchanged. If there are too many the letter keeps the
	// first: see [CheckHeaders].
	Headers fetch.Headers

	Stage  Stage
	Reason string
	Field  string // the API's field that is wrong, if any; "headers" for too many of them

	// The platform's last answer, unchanged. This is personal data: it is written to the
	// topic and nowhere else.
	Message, Hint, Code, Seqno string
	HTTPStatus                 int

	Attempts    int // HTTP requests
	First, Last time.Time
	Traceparent string // of the delivery that gave it up (W3C Trace Context)
}

// headers returns the letter's headers: the record's own, then ours.
func (l *Letter) headers(group string) []kafka.Header {
	kept := l.kept()
	headers := make([]kafka.Header, 0, kept+20)
	redrives, origin := "0", ""
	for key, value := range l.Headers.All() {
		name, ours := bytes.CutPrefix(key, prefix)
		switch {
		case !ours:
			if len(headers) < kept {
				headers = append(headers, kafka.Header{Key: string(key), Value: value})
			}
		case string(name) == "redrives" && isCount(value):
			redrives = string(value)
		case string(name) == "origin" && isOrigin(value):
			origin = string(value)
		}
	}
	add := func(name, value string) {
		if value != "" {
			headers = append(headers, kafka.Header{Key: HeaderPrefix + name, Value: []byte(truncate(value))})
		}
	}
	add("topic", l.Topic)
	add("partition", strconv.Itoa(int(l.Partition)))
	add("offset", strconv.FormatInt(l.Offset, 10))
	add("timestamp", Stamp(l.Timestamp))
	add("group", group)
	add("stage", string(l.Stage))
	add("reason", l.Reason)
	add("field", l.Field)
	add("message", l.Message)
	add("hint", l.Hint)
	add("code", l.Code)
	if l.HTTPStatus != 0 {
		add("http.status", strconv.Itoa(l.HTTPStatus))
	}
	add("seqno", l.Seqno)
	add("attempts", strconv.Itoa(l.Attempts))
	if !l.First.IsZero() {
		add("first.attempt", stamp(l.First))
		add("last.attempt", stamp(l.Last))
	}
	add("redrives", redrives)
	add("origin", origin)
	add("traceparent", l.Traceparent)
	return headers
}

// maxHeader bounds the value of a header, in bytes.
const maxHeader = 1024

// truncate makes text valid UTF-8 of at most maxHeader bytes.
func truncate(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxHeader {
		return s
	}
	n := maxHeader
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Text is a truncated copy for a letter. A letter that waits to be written must not keep a
// larger text in memory.
func Text(s string) string { return strings.Clone(truncate(s)) }

// stamp writes a time as RFC 3339 in UTC with milliseconds.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Stamp writes a record's timestamp as RFC 3339, or as a number if it is not plausible.
func Stamp(timestamp int64) string {
	if t, believable := fetch.TimeOf(timestamp); believable {
		return stamp(t)
	}
	return strconv.FormatInt(timestamp, 10)
}

// countBits bounds the count of redrives; it stops at the maximum ([Stored.Record]).
const countBits = 62

func isCount(b []byte) bool {
	_, err := strconv.ParseUint(string(b), 10, countBits)
	return err == nil && len(b) <= maxHeader
}

// isOrigin reports whether b is topic/partition/offset of an event. It refuses one with so
// many leading zeros that it would be truncated: the rest would name another event.
func isOrigin(b []byte) bool {
	if len(b) > maxHeader {
		return false
	}
	parts := strings.Split(string(b), "/")
	if len(parts) != 3 || parts[0] == "" || len(parts[0]) > maxTopic || !utf8.Valid(b) {
		return false
	}
	_, err1 := strconv.ParseUint(parts[1], 10, 31)
	_, err2 := strconv.ParseUint(parts[2], 10, 63)
	return err1 == nil && err2 == nil
}

// maxTopic is the longest name of a topic in Kafka.
const maxTopic = 249

// size is about the memory of the letter in a request, before compression.
func (l *Letter) size() int {
	return len(l.Key) + len(l.Value) + 1024 + l.Headers.Size() + headerCost*min(l.Headers.Len(), MaxHeaders)
}
