package mapping

import (
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
	seconds := int64(n / uint64(time.Second/u.unit))
	if u.local {
		var exists bool
		if t, exists = firstInstant(min(seconds, tooLate.Unix()*2), zone); !exists {
			return t, gapTime
		}
		return bounded(t)
	}
	return bounded(time.Unix(min(seconds, tooLate.Unix()*2), 0))
}

// layout is a form of symbols: yyyy-MM-dd HH:mm:ss.
type layout []piece

// piece is a part of a layout.
type piece struct {
	symbol byte   // of a number or an offset; 0: literal
	width  int    // its symbols
	text   string // of a literal
}

// symbols are those that stand for numbers: year, month, day, hour, minute, second, fraction.
const symbols = "yMdHmsS"

// runs are the symbols as they can stand in a layout.
var runs = strings.Fields("yyyy MM M dd d HH H mm ss S SS SSS SSSSSS SSSSSSSSS XXX XX X")

// layoutOf reads a layout. It must tell year, month, day, hour and minute, each once.
func layoutOf(text string) (layout, error) {
	var l layout
	given := map[byte]bool{}
	for i := 0; i < len(text); {
		c, run := text[i], i
		for run < len(text) && text[run] == c {
			run++
		}
		symbol := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		switch {
		case c == '\'':
			end := strings.IndexByte(text[i+1:], '\'')
			if end < 0 {
				return nil, fmt.Errorf("a quote has no end")
			}
			l = append(l, piece{text: text[i+1 : i+1+end]})
			run = i + end + 2
		case !symbol:
			l = append(l, piece{text: text[i:run]})
		case !slices.Contains(runs, text[i:run]):
			return nil, fmt.Errorf("%s is none of yyyy, MM, M, dd, d, HH, H, mm, ss, S to SSSSSSSSS, XXX, XX", text[i:run])
		case given[c]:
			return nil, fmt.Errorf("%s is there twice", text[i:run])
		default:
			given[c] = true
			l = append(l, piece{symbol: c, width: run - i})
		}
		i = run
	}
	for _, c := range []byte("yMdHm") {
		if !given[c] {
			return nil, fmt.Errorf("no %c: a time needs yyyy, MM, dd, HH and mm", c)
		}
	}
	return l, nil
}

// hasOffset reports whether times of the layout name their offset.
func (l layout) hasOffset() bool {
	for _, p := range l {
		if p.symbol == 'X' {
			return true
		}
	}
	return false
}

func (l layout) read(s string, zone *time.Location) (t time.Time, problem string) {
	var n [len(symbols)]int
	offset := 0
	for _, p := range l {
		var ok bool
		switch p.symbol {
		case 0:
			s, ok = strings.CutPrefix(s, p.text)
		case 'X':
			offset, s, ok = cutOffset(s, p.width)
		default:
			n[strings.IndexByte(symbols, p.symbol)], s, ok = cutNumber(s, p.width)
		}
		if !ok {
			return t, noTimeForm
		}
	}
	if s != "" {
		return t, noTimeForm
	}
	t = time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
	if t.Day() != n[2] || t.Month() != time.Month(n[1]) || n[3] > 23 || n[4] > 59 || n[5] > 59 {
		return t, noSuchTime
	}
	if l.hasOffset() {
		return bounded(t.Add(-time.Duration(offset) * time.Second))
	}
	var exists bool
	if t, exists = firstInstant(t.Unix(), zone); !exists {
		return t, gapTime
	}
	return bounded(t)
}

// cutNumber cuts a number of just so many digits; where one symbol stands for it, of one or two.
func cutNumber(s string, width int) (n int, rest string, ok bool) {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	if width == 1 {
		end, width = min(end, 2), min(end, 2)
	}
	if end < width || width == 0 {
		return 0, s, false
	}
	n, err := strconv.Atoi(s[:width])
	return n, s[width:], err == nil
}

// cutOffset cuts Z, or +08:00 (XXX), +0800 (XX) or +08 (X), in seconds.
func cutOffset(s string, width int) (seconds int, rest string, ok bool) {
	if rest, isZ := strings.CutPrefix(s, "Z"); isZ {
		return 0, rest, true
	}
	form := map[int]string{1: "-07", 2: "-0700", 3: "-07:00"}[width]
	if len(s) < len(form) {
		return 0, s, false
	}
	t, err := time.Parse(form, s[:len(form)])
	if err != nil {
		return 0, s, false
	}
	_, seconds = t.Zone()
	return seconds, s[len(form):], true
}
