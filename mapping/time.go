package mapping

import "time"

// The bounds of an event's times, Unix seconds, both included.
const (
	earliest = 946684800  // 2000-01-01T00:00:00Z
	latest   = 4102444799 // 2099-12-31T23:59:59Z
)

// Phrases of Error.Detail for times.
const (
	noTimeForm  = "in none of the forms of a time"
	noSuchTime  = "no such date or time of day"
	gapTime     = "a local time in a gap of the zone"
	outOfBounds = "not between 2000-01-01T00:00:00Z and 2099-12-31T23:59:59Z"
)

// timeOf reads a time in any form that an event may use and returns Unix seconds,
// fractions cut. local is the zone of forms that state none. problem is "" or why
// there is no such time.
func timeOf(s []byte, local *time.Location) (unix int64, problem string) {
	switch {
	case len(s) == 13 && allDigits(s):
		unix = decimal(s) / 1000
	case len(s) == 14 && allDigits(s):
		c, ok := civilOf(s[0:4], s[4:6], s[6:8], s[8:10], s[10:12], s[12:14])
		if !ok {
			return 0, noSuchTime
		}
		if unix, ok = firstInstant(c, local); !ok {
			return 0, gapTime
		}
	default:
		if unix, problem = calendarTime(s, local); problem != "" {
			return 0, problem
		}
	}
	if unix < earliest || unix > latest {
		return 0, outOfBounds
	}
	return unix, ""
}

// calendarTime reads RFC 3339's date-time, and the same without an offset, then also
// with a space in the middle.
func calendarTime(s []byte, local *time.Location) (unix int64, problem string) {
	const seconds = len("2006-01-02T15:04:05")
	if len(s) < seconds || !dashesAndColons(s) {
		return 0, noTimeForm
	}
	rest, ok := cutFraction(s[seconds:])
	if !ok {
		return 0, noTimeForm
	}
	offset, stated, ok := offsetOf(rest)
	if !ok || stated && s[10] == ' ' {
		return 0, noTimeForm
	}
	c, ok := civilOf(s[0:4], s[5:7], s[8:10], s[11:13], s[14:16], s[17:19])
	if !ok {
		return 0, noSuchTime
	}
	if stated {
		return c - offset, ""
	}
	if unix, ok = firstInstant(c, local); !ok {
		return 0, gapTime
	}
	return unix, ""
}

// dashesAndColons tells whether s begins like "2006-01-02 15:04:05", with a digit
// wherever that has one.
func dashesAndColons(s []byte) bool {
	return s[4] == '-' && s[7] == '-' && (s[10] == ' ' || s[10]|0x20 == 't') && s[13] == ':' && s[16] == ':' &&
		allDigits(s[0:4]) && allDigits(s[5:7]) && allDigits(s[8:10]) &&
		allDigits(s[11:13]) && allDigits(s[14:16]) && allDigits(s[17:19])
}

// cutFraction removes a point and the digits after it, of which there must be one.
func cutFraction(s []byte) (rest []byte, ok bool) {
	if len(s) == 0 || s[0] != '.' {
		return s, true
	}
	n := 1
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return s[n:], n > 1
}

// offsetOf reads RFC 3339's time-offset in seconds east of UTC, or nothing at all.
func offsetOf(s []byte) (offset int64, stated, ok bool) {
	switch {
	case len(s) == 0:
		return 0, false, true
	case len(s) == 1 && s[0]|0x20 == 'z':
		return 0, true, true
	case len(s) != len("+08:00") || s[3] != ':' || !allDigits(s[1:3]) || !allDigits(s[4:6]):
		return 0, false, false
	}
	hours, minutes := decimal(s[1:3]), decimal(s[4:6])
	if hours > 23 || minutes > 59 {
		return 0, false, false
	}
	offset = hours*3600 + minutes*60
	switch s[0] {
	case '+':
		return offset, true, true
	case '-':
		return -offset, true, true
	}
	return 0, false, false
}

// civilOf returns the Unix seconds that a calendar date and time of day would have in
// UTC. ok is false for one that no calendar and no clock shows; second 60 is
// refused, since the platform's format cannot be trusted to take it.
func civilOf(year, month, day, hour, minute, second []byte) (unix int64, ok bool) {
	y, mo, d := int(decimal(year)), int(decimal(month)), int(decimal(day))
	h, mi, s := int(decimal(hour)), int(decimal(minute)), int(decimal(second))
	if mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 59 {
		return 0, false
	}
	t := time.Date(y, time.Month(mo), d, h, mi, s, 0, time.UTC)
	return t.Unix(), t.Day() == d // the 31st of a short month becomes another day
}

// firstInstant returns the first instant at which clocks in the zone show a civil
// time (as civilOf gives it). ok is false for a time that they skip.
//
// time.Date does not say which of two instants it takes and moves a skipped time. So this
// tries the offsets of the day before and of the day after: the larger is the earlier instant.
func firstInstant(civil int64, zone *time.Location) (unix int64, ok bool) {
	offsetAt := func(unix int64) int64 {
		_, offset := time.Unix(unix, 0).In(zone).Zone()
		return int64(offset)
	}
	const day = 24 * 60 * 60 // more than any offset
	before, after := offsetAt(civil-day), offsetAt(civil+day)
	for _, offset := range [...]int64{max(before, after), min(before, after)} {
		if unix = civil - offset; offsetAt(unix) == offset {
			return unix, true
		}
	}
	return 0, false
}

func allDigits(s []byte) bool {
	for _, c := range s {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

// decimal reads at most 18 digits.
func decimal(s []byte) (n int64) {
	for _, c := range s {
		n = n*10 + int64(c-'0')
	}
	return n
}
