package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timeForm is how a time is written; nil: in any of the built-in contract's forms.
type timeForm interface {
	// read reads a time. problem is "" or says what is wrong.
	read(s string, zone *time.Location) (t time.Time, problem string)
}

// timeForms are the words for forms that are numbers.
var timeForms = map[string]timeForm{
	"unix-seconds":      unixForm{time.Second, false},
	"unix-millis":       unixForm{time.Millisecond, false},
	"unix-millis-local": unixForm{time.Millisecond, true},
}

// unixForm is a count since 1970. A local one counts what a clock on the wall shows, as if that were UTC.
type unixForm struct {
	unit  time.Duration
	local bool
}

func (u unixForm) read(s string, zone *time.Location) (t time.Time, problem string) {
	digits, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseUint(digits, 10, 62)
	if err != nil || strings.Trim(fraction, "0123456789") != "" || len(s) > MaxTextLength {
		return t, noTimeForm
	}
	seconds := min(int64(n/uint64(time.Second/u.unit)), tooLate.Unix()*2)
	if u.local {
		return localTime(seconds, zone)
	}
	return bounded(time.Unix(seconds, 0))
}

// layout is a form of symbols: yyyy-MM-dd HH:mm:ss.
type layout []piece

// piece is a part of a layout.
type piece struct {
	symbol byte   // of a number or an offset; 0: literal
	text   string // its symbols, or what is written
}

// symbols are those that stand for numbers: year, month, day, hour, minute, second, fraction.
const symbols = "yMdHmsS"

// offsets are the forms of offsets for package time, by the number of their symbols.
var offsets = [...]string{1: "Z07", 2: "Z0700", 3: "Z07:00"}

// runs are the symbols as they can stand in a layout.
var runs = strings.Fields("yyyy MM M dd d HH H mm ss S SS SSS SSSSSS SSSSSSSSS XXX XX X")

// layoutOf reads a layout. It must tell year, month, day, hour and minute, each once.
func layoutOf(text string) (l layout, err error) {
	for i := 0; i < len(text); {
		c, end := text[i], i
		for end < len(text) && text[end] == c {
			end++
		}
		run := text[i:end]
		switch symbol := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'; {
		case c == '\'':
			quoted, _, closed := strings.Cut(text[i+1:], "'")
			if !closed {
				return nil, errors.New("a quote has no end")
			}
			l, end = append(l, piece{text: quoted}), i+len(quoted)+2
		case !symbol:
			l = append(l, piece{text: run})
		case !slices.Contains(runs, run):
			return nil, fmt.Errorf("%s is none of yyyy, MM, M, dd, d, HH, H, mm, ss, S to SSSSSSSSS, XXX, XX", run)
		case l.has(c):
			return nil, fmt.Errorf("%s is there twice", run)
		default:
			l = append(l, piece{c, run})
		}
		i = end
	}
	for _, c := range []byte("yMdHm") {
		if !l.has(c) {
			return nil, fmt.Errorf("no %c: a time needs yyyy, MM, dd, HH and mm", c)
		}
	}
	return l, nil
}

// has reports whether times of the layout have what a symbol stands for.
func (l layout) has(symbol byte) bool {
	return slices.ContainsFunc(l, func(p piece) bool { return p.symbol == symbol })
}

func (l layout) read(s string, zone *time.Location) (t time.Time, problem string) {
	var n [len(symbols)]int
	for _, p := range l {
		end := p.end(s)
		if end > len(s) {
			return t, noTimeForm
		}
		var err error
		switch part := s[:end]; p.symbol {
		case 0:
			if part != p.text {
				return t, noTimeForm
			}
		case 'X':
			t, err = time.ParseInLocation(offsets[len(p.text)], part, time.UTC)
			zone = t.Location()
		default:
			var number uint64 // without a sign
			number, err = strconv.ParseUint(part, 10, 32)
			n[strings.IndexByte(symbols, p.symbol)] = int(number)
		}
		if err != nil {
			return t, noTimeForm
		}
		s = s[end:]
	}
	if s != "" {
		return t, noTimeForm
	}
	t = time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
	if t.Day() != n[2] || t.Month() != time.Month(n[1]) || n[3] > 23 || n[4] > 59 || n[5] > 59 {
		return t, noSuchTime
	}
	return localTime(t.Unix(), zone)
}

// end is where the piece ends in a text that begins with it. A number has as many digits as symbols; where
// one stands for it, one or two.
func (p piece) end(s string) int {
	switch {
	case p.symbol == 'X' && strings.HasPrefix(s, "Z"):
		return 1
	case p.symbol == 'X':
		return len(offsets[len(p.text)])
	case p.symbol != 0 && len(p.text) == 1 && len(s) > 1 && s[1] >= '0' && s[1] <= '9':
		return 2
	}
	return len(p.text)
}
