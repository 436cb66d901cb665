package mapping

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// The bounds of an event's times; the last is excluded.
var (
	earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	tooLate  = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Phrases of Error.Detail for times.
const (
	noTimeForm  = "in none of the forms of a time"
	noSuchTime  = "no such date or time of day"
	gapTime     = "a local time in a gap of the zone"
	outOfBounds = "not between 2000-01-01T00:00:00Z and 2099-12-31T23:59:59Z"
)

// timeOf reads a time in any form that an event may use, and returns it in UTC and whole
// seconds. zone is for forms without one. problem is "" or says what is wrong.
func timeOf(s string, zone *time.Location) (t time.Time, problem string) {
	const seconds = len("2006-01-02T15:04:05")
	if len(s) == 13 {
		if ms, err := strconv.ParseUint(s, 10, 64); err == nil {
			return bounded(time.UnixMilli(int64(ms)))
		}
	}
	if has(s, 't') || has(s, 'z') { // RFC 3339 takes them
		s = strings.ToUpper(s)
	}
	layout := "2006-01-02T15:04:05"
	switch {
	case len(s) == 14:
		layout = "20060102150405"
	// time.Parse takes more than RFC 3339: hours of one digit, fractions after a comma, and
	// offsets of 24 hours or 60 minutes.
	case len(s) < seconds || s[13] != ':' || has(s, ','):
		return t, noTimeForm
	case s[10] == ' ':
		layout = time.DateTime
	default:
		end := s[seconds:]
		if has(end, 'Z') || has(end, '+') || has(end, '-') {
			layout, zone = time.RFC3339, nil
			if o := strings.TrimLeft(end, ".0123456789"); len(o) == 6 && (o[1:3] > "23" || o[4:] > "59") {
				return t, noTimeForm
			}
		}
	}
	return parsed(layout, s, zone)
}

// parsed reads a time by a layout of package time; zone is nil if the layout has one.
func parsed(layout, s string, zone *time.Location) (t time.Time, problem string) {
	t, err := time.Parse(layout, s)
	if e, ok := errors.AsType[*time.ParseError](err); ok {
		if strings.HasSuffix(e.Message, "out of range") {
			return t, noSuchTime
		}
		return t, noTimeForm
	}
	if zone != nil {
		return localTime(t.Unix(), zone)
	}
	return bounded(t)
}

// has is for texts that are too short for strings.ContainsAny to pay.
func has(s string, c byte) bool { return strings.IndexByte(s, c) >= 0 }

// bounded cuts the fraction of a time and checks the bounds.
func bounded(t time.Time) (time.Time, string) {
	seconds := t.Unix()
	if t = time.Unix(seconds, 0).UTC(); seconds < earliest.Unix() || seconds >= tooLate.Unix() {
		return t, outOfBounds
	}
	return t, ""
}

// localTime returns the first instant at which clocks in the zone show a civil time,
// given as its Unix seconds in UTC. A time that they skip is refused.
//
// time.Date does not say which of two instants it returns, and it moves a skipped time. So
// this tries the offsets of the day before and of the day after: the larger offset gives the
// earlier instant.
func localTime(civil int64, zone *time.Location) (t time.Time, problem string) {
	offsetAt := func(unix int64) int64 {
		_, offset := time.Unix(unix, 0).In(zone).Zone()
		return int64(offset)
	}
	const day = 24 * 60 * 60 // more than any offset
	before, after := offsetAt(civil-day), offsetAt(civil+day)
	for _, offset := range [...]int64{max(before, after), min(before, after)} {
		if unix := civil - offset; offsetAt(unix) == offset {
			return bounded(time.Unix(unix, 0))
		}
	}
	return t, gapTime
}
