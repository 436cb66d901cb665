package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timeForm is how a time is written.
type timeForm struct {
	// read reads a time in UTC and whole seconds. problem is "" or says what is wrong.
	read    func(s string, zone *time.Location) (t time.Time, problem string)
	instant bool // it tells its zone
}

// builtInForm is any of the built-in contract's forms.
var builtInForm = &timeForm{read: timeOf}

// timeForms are the words for forms that are numbers.
var timeForms = map[string]*timeForm{
	"unix-seconds":      unixForm(time.Second, false),
	"unix-millis":       unixForm(time.Millisecond, false),
	"unix-millis-local": unixForm(time.Millisecond, true),
}

// unixForm is a count since 1970. A local one counts what a clock on the wall shows, as if that were UTC.
func unixForm(unit time.Duration, local bool) *timeForm {
	return &timeForm{instant: !local, read: func(s string, zone *time.Location) (t time.Time, problem string) {
		digits, fraction, _ := strings.Cut(s, ".")
		n, err := strconv.ParseUint(digits, 10, 62)
		if err != nil || strings.Trim(fraction, "0123456789") != "" || len(s) > MaxTextLength {
			return t, noTimeForm
		}
		seconds := min(int64(n/uint64(time.Second/unit)), tooLate.Unix()*2)
		if local {
			return localTime(seconds, zone)
		}
		return bounded(time.Unix(seconds, 0))
	}}
}

// symbols can stand in a layout for year, month, day, hour, minute, second, fraction and offset.
var symbols = strings.Fields("yyyy MM M dd d HH H mm ss S SS SSS SSSSSS SSSSSSSSS XXX XX X")

// offsets are the forms of offsets, by the number of their symbols: as an expression, and for package time.
var offsets = [...]struct{ minutes, layout string }{1: {``, "Z07"}, 2: {`[0-5]\d`, "Z0700"}, 3: {`:[0-5]\d`, "Z07:00"}}

// layoutOf reads a layout of symbols, such as yyyy-MM-dd HH:mm:ss. It must tell year, month, day, hour and minute,
// each once. Times have as many digits as symbols; where one stands alone, one or two.
func layoutOf(text string) (*timeForm, error) {
	expression, offset := "^", ""
	has := func(symbol rune) bool { return strings.Contains(expression, "<"+string(symbol)+">") }
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
			expression, end = expression+regexp.QuoteMeta(quoted), i+len(quoted)+2
		case !symbol:
			expression += regexp.QuoteMeta(run)
		case !slices.Contains(symbols, run):
			return nil, fmt.Errorf("%s is none of yyyy, MM, M, dd, d, HH, H, mm, ss, S to SSSSSSSSS, XXX, XX", run)
		case has(rune(c)):
			return nil, fmt.Errorf("%s is there twice", run)
		case c == 'X':
			expression += `(?P<X>Z|[+-](?:[01]\d|2[0-3])` + offsets[len(run)].minutes + `)`
			offset = offsets[len(run)].layout
		case len(run) == 1 && c != 'S':
			expression += fmt.Sprintf(`(?P<%c>\d\d?)`, c)
		default:
			expression += fmt.Sprintf(`(?P<%c>\d{%d})`, c, len(run))
		}
		i = end
	}
	for _, c := range "yMdHm" {
		if !has(c) {
			return nil, fmt.Errorf("no %c: a time needs yyyy, MM, dd, HH and mm", c)
		}
	}
	template := "${y}-${M}-${d} ${H}:${m}:${s}${X}" // a group that is not there is empty
	if !has('s') {
		template = strings.Replace(template, "${s}", "0", 1)
	}
	form := regexp.MustCompile(expression + "$")
	return &timeForm{instant: offset != "", read: func(s string, zone *time.Location) (t time.Time, problem string) {
		groups := form.FindStringSubmatchIndex(s)
		if groups == nil {
			return t, noTimeForm
		}
		if offset != "" {
			zone = nil
		}
		var room [64]byte
		return parsed("2006-1-2 15:4:5"+offset, string(form.ExpandString(room[:0], template, s, groups)), zone)
	}}, nil
}
