package visible

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Unseen reports whether a character is invisible and not a blank: controls (C0, DEL,
// C1), formats (direction marks, zero widths, byte order mark), line separators, and
// what Unicode says is not drawn (Default_Ignorable_Code_Point: Hangul fillers). The
// zero width joiner is among them: joined emoji are shown apart.
func Unseen(r rune) bool {
	if ' ' <= r && r <= '~' {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)
}

// Line returns a text from outside for use within a line: line ends are escaped too.
func Line(text string) string {
	if at := first(text, ""); at < len(text) {
		return string(escape(make([]byte, 0, len(text)+16), text, ""))
	}
	return text
}

// Value is Line for a text that a person must be able to read back byte by byte. A text with
// something to escape, or that begins with a quote, is put into quotes; in quotes, a quote and
// a backslash have a backslash before them. A text without quotes is what it looks like.
func Value(text string) string {
	if first(text, "") == len(text) && !strings.HasPrefix(text, `"`) {
		return text
	}
	text = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
	return `"` + Line(text) + `"`
}

// first returns the position of the first character to escape, len(text) without one. Those
// in kept are not escaped.
func first(text, kept string) int {
	for i, r := range text {
		if escaped(text[i:], r, kept) {
			return i
		}
	}
	return len(text)
}

func escaped(text string, r rune, kept string) bool {
	switch {
	case r >= ' ' && r < 0x7f:
		return false
	case r == utf8.RuneError:
		return !strings.HasPrefix(text, "\uFFFD")
	}
	return Unseen(r) && !strings.ContainsRune(kept, r)
}

// escape appends text, escaped. From DEL on the escapes are JSON's, so that JSON stays JSON
// and means the same: JSON already escapes what is below DEL, and what is not UTF-8.
func escape(to []byte, text, kept string) []byte {
	for text != "" {
		at := first(text, kept)
		to, text = append(to, text[:at]...), text[at:]
		if text == "" {
			break
		}
		r, size := utf8.DecodeRuneInString(text)
		switch high, low := utf16.EncodeRune(r); {
		case r == utf8.RuneError:
			to = fmt.Appendf(to, `\x%02x`, text[0])
		case r < ' ':
			quoted := strconv.QuoteRune(r)
			to = append(to, quoted[1:len(quoted)-1]...)
		case r > 0xffff:
			to = fmt.Appendf(to, `\u%04x\u%04x`, high, low)
		default:
			to = fmt.Appendf(to, `\u%04x`, r)
		}
		text = text[size:]
	}
	return to
}
