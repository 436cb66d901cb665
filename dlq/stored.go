package dlq

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"release-forwarder/consumer/fetch"
)

// ID is the place of a letter.
type ID struct {
	Topic     string
	Partition int32
	Offset    int64
}

// String returns topic/partition/offset.
func (id ID) String() string { return fmt.Sprintf("%s/%d/%d", id.Topic, id.Partition, id.Offset) }

// Short returns partition/offset, for use within one dead-letter topic.
func (id ID) Short() string { return fmt.Sprintf("%d/%d", id.Partition, id.Offset) }

// ParseID reads topic/partition/offset, partition/offset, or only the offset if the topic has
// one partition.
func ParseID(text, topic string, partitions int) (ID, error) {
	parts := strings.Split(text, "/")
	if len(parts) == 3 {
		if parts[0] != topic {
			return ID{}, fmt.Errorf("%s is not in the dead-letter topic %s", quoted(text), topic)
		}
		parts = parts[1:]
	}
	if len(parts) == 1 {
		if partitions != 1 {
			return ID{}, fmt.Errorf("%s does not say in which of %d partitions; give partition/offset", quoted(text), partitions)
		}
		parts = []string{"0", parts[0]}
	}
	if len(parts) != 2 {
		return ID{}, fmt.Errorf("%s is no ID of a dead letter; give topic/partition/offset, or partition/offset", quoted(text))
	}
	partition, err1 := strconv.ParseUint(parts[0], 10, 31)
	offset, err2 := strconv.ParseUint(parts[1], 10, 63)
	if err1 != nil || err2 != nil {
		return ID{}, fmt.Errorf("%s is no ID of a dead letter; give topic/partition/offset, or partition/offset", quoted(text))
	}
	if int(partition) >= partitions {
		return ID{}, fmt.Errorf("%s: topic %s has partitions 0 to %d only", quoted(text), topic, partitions-1)
	}
	return ID{topic, int32(partition), int64(offset)}, nil
}

// quoted makes a person's input safe to show.
func quoted(text string) string {
	if len(text) > 80 {
		text = strings.ToValidUTF8(text[:80], "") + "…"
	}
	return strconv.Quote(text)
}

// Stored is a letter in the topic, as far as it can be read.
type Stored struct {
	ID ID
	// Written is the letter's own timestamp, in milliseconds since 1970: when it was
	// written. It may be implausible.
	Written int64
	// Dated is the header timestamp in a form that may be shown: RFC 3339, or a number of
	// milliseconds; "" if it is missing or neither. Then Timestamp is −1.
	Dated string
	// Letter is read from the headers. Its Headers are all that the letter has; the
	// record's own are those of [Letter.Own].
	Letter
	// Group is the consumer group that gave the record up.
	Group string
	// Redrives is how often the event was replayed before this letter, according to the
	// replayed record: whoever may write to the topic of replays may change it.
	Redrives int
	// Origin is the event's first place, as topic/partition/offset, according to the
	// replayed record. For an event that was never replayed it is the record's own place.
	Origin string
	// ClaimedRedrives and ClaimedOrigin are the headers of a record that was not in the
	// topic of replays ([ReaderConfig].Replays). No decision uses them.
	ClaimedRedrives int
	ClaimedOrigin   string
	// Foreign says that the letter has none of this program's headers: another program
	// wrote it.
	Foreign bool
	// Problems say in words which headers are missing or cannot be read. A letter with
	// problems is not replayed.
	Problems []string
}

// WrittenAt is Written as a time, zero if it is not plausible.
func (s *Stored) WrittenAt() time.Time {
	t, _ := fetch.TimeOf(s.Written)
	return t
}

// Day is the day of writing in a zone, "unknown" if it is not plausible.
func (s *Stored) Day(zone *time.Location) string {
	t := s.WrittenAt()
	if t.IsZero() {
		return "unknown"
	}
	return t.In(zone).Format(time.DateOnly)
}

// Unfit returns an [*UnfitError] if the letter cannot be replayed.
func (s *Stored) Unfit() error {
	if len(s.Problems) == 0 {
		return nil
	}
	return &UnfitError{s.ID, s.Problems}
}

// parse reads a record of the dead-letter topic. It never fails.
func parse(topic string, partition int32, rec *fetch.Record) *Stored {
	s := &Stored{ID: ID{topic, partition, rec.Offset}, Written: rec.Timestamp}
	s.Key, s.Value = rec.Key, rec.Value
	s.Timestamp, s.Partition, s.Offset = -1, -1, -1
	s.Headers = rec.Headers
	ours, some := s.ours()
	if !some {
		s.Foreign = true
		s.problem("this program did not write it: it has no header that begins with %s", HeaderPrefix)
		return s
	}
	if err := CheckHeaders(s.Headers); err != nil {
		s.problem("%s", err)
	}
	s.place(ours)
	s.verdict(ours)
	return s
}

// readNames are this program's headers that are read.
var readNames = func() map[string]bool {
	known := map[string]bool{}
	for name := range strings.FieldsSeq("topic partition offset timestamp group stage reason field message hint code http.status " +
		"seqno attempts first.attempt last.attempt redrives origin traceparent") {
		known[name] = true
	}
	return known
}()

// ours reads this program's headers, and reports whether any header has its prefix. It keeps no
// more than a letter of this program has, whatever the topic holds.
func (s *Stored) ours() (ours map[string]string, some bool) {
	ours = make(map[string]string, len(readNames))
	said := map[string]bool{}
	once := func(problem string) {
		if !said[problem] {
			said[problem] = true
			s.problem("%s", problem)
		}
	}
	for key, value := range s.Headers.All() {
		name, is := bytes.CutPrefix(key, prefix)
		some = some || is
		if !is || !readNames[string(name)] {
			continue
		}
		known := string(name)
		if _, twice := ours[known]; twice {
			once(fmt.Sprintf("header %q is there twice", known))
		}
		if len(value) > maxHeader {
			once(fmt.Sprintf("header %s cannot be read: it is longer than %d bytes", known, maxHeader))
			value = value[:maxHeader]
		}
		ours[known] = string(value)
	}
	return ours, some
}

func (s *Stored) problem(format string, args ...any) {
	s.Problems = append(s.Problems, fmt.Sprintf(format, args...))
}

// place reads where the record was. A letter without it cannot be replayed.
func (s *Stored) place(ours map[string]string) {
	s.Topic = s.text(ours, "topic", true)
	s.Partition = int32(s.number(ours, "partition", 31, true))
	s.Offset = s.number(ours, "offset", 63, true)
	s.Timestamp, s.Dated = dated(ours["timestamp"])
	s.Group = s.text(ours, "group", true)
	s.Redrives = int(max(0, s.number(ours, "redrives", countBits, false)))
	s.Origin = s.Source()
	if origin := ours["origin"]; isOrigin([]byte(origin)) {
		s.Origin = origin
	}
}

// Source is the record's own place. An event that was never replayed has this origin.
func (s *Stored) Source() string {
	return ID{s.Topic, s.Partition, s.Offset}.String()
}

// dated reads the header timestamp. Earlier versions could write a year of more than four
// digits, which is shown unchanged.
func dated(text string) (timestamp int64, shown string) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, Stamp(n)
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UnixMilli(), stamp(t)
	}
	if len(text) <= len("+292278994-08-17T07:12:55.807Z") && strings.Trim(text, "+-0123456789T:.Z") == "" {
		return -1, text
	}
	return -1, ""
}

// verdict reads why the record failed. Only a header that a replay needs can be a problem.
func (s *Stored) verdict(ours map[string]string) {
	s.Stage = Stage(s.text(ours, "stage", true))
	s.Reason = s.text(ours, "reason", true)
	s.Field = s.text(ours, "field", false)
	s.Message = s.text(ours, "message", false)
	s.Hint = s.text(ours, "hint", false)
	s.Code = s.text(ours, "code", false)
	s.Seqno = s.text(ours, "seqno", false)
	s.Traceparent = s.text(ours, "traceparent", false)
	s.HTTPStatus = int(max(0, s.number(ours, "http.status", 31, false)))
	s.Attempts = int(max(0, s.number(ours, "attempts", 31, false)))
	s.First, _ = time.Parse(time.RFC3339, ours["first.attempt"])
	s.Last, _ = time.Parse(time.RFC3339, ours["last.attempt"])
}

func (s *Stored) text(ours map[string]string, name string, needed bool) string {
	value, is := ours[name]
	switch {
	case needed && (!is || value == ""):
		s.problem("header %s is missing", name)
	case !utf8.ValidString(value):
		s.problem("header %s cannot be read: it is not UTF-8", name)
		return strings.ToValidUTF8(value, "\uFFFD")
	}
	return value
}

func (s *Stored) number(ours map[string]string, name string, bits int, needed bool) int64 {
	value, is := ours[name]
	if !is {
		if needed {
			s.problem("header %s is missing", name)
		}
		return -1
	}
	n, err := strconv.ParseUint(value, 10, bits)
	if err != nil {
		s.problem("header %s cannot be read: it is no number", name)
		return -1
	}
	return int64(n)
}
