package examine

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Looks says what a time that has none of the forms looks like.
type Looks string

// What such times look like; "" is like none of these.
const (
	UnixSeconds      Looks = "unix-seconds"
	UnixMicroseconds Looks = "unix-microseconds"
	UnixNanoseconds  Looks = "unix-nanoseconds"
	NotPlainDigits   Looks = "not-plain-digits" // a known number with a sign, a point or an exponent
	DateAlone        Looks = "date-alone"
	OtherSpelling    Looks = "other-spelling" // a date and a time of day, written otherwise
)

// AllLooks returns every Looks but "".
func AllLooks() []Looks {
	return []Looks{UnixSeconds, UnixMicroseconds, UnixNanoseconds, NotPlainDigits, DateAlone, OtherSpelling}
}

// Guess is what a time seems to be meant as. It helps a person; nothing is sent by it.
type Guess struct {
	Looks Looks
	// Send is the nearest text that is taken; "" for a date alone.
	Send string
}

// guess looks for the form that a time is nearest to. What it proposes is always taken.
func guess(s string, taken func(time string) bool) Guess {
	if taken(s) {
		return Guess{} // nothing to guess
	}
	if g := guessCalendar(s); g.Looks == DateAlone && taken(g.Send+" 12:00:00") {
		return Guess{Looks: DateAlone}
	} else if g.Looks == OtherSpelling && taken(g.Send) {
		return g
	}
	if g := guessUnix(s); taken(g.Send) {
		return g
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil && strings.ContainsAny(s, "+.eE") {
		digits := strconv.FormatFloat(math.Trunc(n), 'f', -1, 64)
		if taken(digits) {
			return Guess{NotPlainDigits, digits}
		}
		if g := guessUnix(digits); taken(g.Send) {
			return g
		}
	}
	return Guess{}
}

// guessUnix takes 10 digits for seconds, with a fraction too, 16 for microseconds and 19 for
// nanoseconds.
func guessUnix(s string) Guess {
	m := unixDigits.FindStringSubmatch(s)
	if m == nil {
		return Guess{}
	}
	looks := map[int]Looks{0: UnixSeconds, 6: UnixMicroseconds, 9: UnixNanoseconds}[len(m[2])]
	return Guess{looks, m[1] + (m[2] + strings.TrimPrefix(m[3], ".") + "000")[:3]}
}

// Of dates and times of day: year, month, day, hour, minute, second, fraction, zone.
var (
	unixDigits = regexp.MustCompile(`^(\d{10})(\d{6}|\d{9})?(\.\d+)?$`)
	separated  = regexp.MustCompile(`^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[Tt_ ]*(\d{1,2})[:.时点](\d{1,2})(?:[:.分](\d{1,2})秒?(?:[.,](\d*))?)?分?)?\s*(\D.*)?$`)
	compact    = regexp.MustCompile(`^(\d{4})(\d\d)(\d\d)(?:[Tt ]?(\d\d)(\d\d)(\d\d)?[.,]?(\d*))?\s*(\D.*)?$`)
	offset     = regexp.MustCompile(`^([+-])(\d\d)(?::?(\d\d))?$`)
)

// halfWidth writes what input methods write in full width, and the minus of typesetters.
var halfWidth = strings.NewReplacer("０", "0", "１", "1", "２", "2", "３", "3", "４", "4", "５", "5", "６", "6", "７", "7", "８", "8", "９", "9",
	"：", ":", "／", "/", "－", "-", "−", "-", "．", ".", "，", ",", "　", " ", "＋", "+")

// guessCalendar reads a date and a time of day in forms that are not taken. Of a date alone
// Send is the date.
func guessCalendar(s string) Guess {
	if len(s) > 64 {
		return Guess{} // no time is so long
	}
	s = halfWidth.Replace(s)
	m := separated.FindStringSubmatch(s)
	if m == nil {
		m = compact.FindStringSubmatch(s)
	}
	if m == nil {
		return Guess{}
	}
	two := func(digits string) string { return fmt.Sprintf("%02s", digits) }
	date := m[1] + "-" + two(m[2]) + "-" + two(m[3])
	zone, known := guessZone(m[8])
	switch {
	case !known:
		return Guess{}
	case m[4] == "":
		return Guess{DateAlone, date}
	}
	clock := two(m[4]) + ":" + two(m[5]) + ":" + two(m[6])
	if m[7] != "" {
		clock += "." + m[7]
	}
	if zone == "" {
		return Guess{OtherSpelling, date + " " + clock}
	}
	return Guess{OtherSpelling, date + "T" + clock + zone}
}

// guessZone reads an offset. Names are not guessed: CST alone is China's and two of America's.
func guessZone(s string) (zone string, known bool) {
	switch strings.ToUpper(s) {
	case "":
		return "", true
	case "Z", "UTC", "GMT":
		return "Z", true
	}
	m := offset.FindStringSubmatch(s)
	if m == nil {
		return "", false
	}
	return m[1] + m[2] + ":" + fmt.Sprintf("%02s", m[3]), true
}
