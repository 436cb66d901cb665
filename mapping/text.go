package mapping

import (
	"bytes"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxTextLength is how many code points a field's text may have, white space around
// it left out.
const MaxTextLength = 1024

// soundText tells whether a string of the document is UTF-8 throughout and every
// escaped surrogate in it is half of a pair.
func soundText(data []byte, l literal) bool {
	raw := data[l.from:l.to]
	return (!l.has(wide) || utf8.Valid(raw)) && (!l.has(surrogates) || surrogatesPaired(raw))
}

// surrogatesPaired walks the escapes of a string that the scanner has passed.
func surrogatesPaired(raw []byte) bool {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return true
		}
		raw = raw[i:]
		length, surrogate := escape(raw)
		if surrogate {
			if _, ok := pair(raw); !ok {
				return false
			}
			length = 12
		}
		raw = raw[length:]
	}
}

// pair reads the code point of two surrogate escapes, high and low.
func pair(raw []byte) (rune, bool) {
	if len(raw) < 12 || raw[6] != '\\' || raw[7] != 'u' {
		return 0, false
	}
	high, _ := hex4(raw[2:])
	low, ok := hex4(raw[8:])
	r := utf16.DecodeRune(high, low)
	return r, ok && r != utf8.RuneError
}

// appendText appends a sound string of the document with its escapes resolved. What
// it appends is never longer than what it reads.
func appendText(dst, data []byte, l literal) []byte {
	raw := data[l.from:l.to]
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:i]...)
		raw = raw[i:]
		length, surrogate := escape(raw)
		switch c := raw[1]; {
		case surrogate:
			r, _ := pair(raw)
			dst = utf8.AppendRune(dst, r)
			length = 12
		case c == 'u':
			r, _ := hex4(raw[2:])
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, unescaped(c))
		}
		raw = raw[length:]
	}
}

// unescaped is what a backslash and c stand for.
func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // quote, backslash, slash
}

// Phrases of Error.Detail for a field's text.
const (
	notText  = "not UTF-8, or half of a surrogate pair"
	holdsNul = "holds U+0000"
	longText = "longer than 1,024 code points"
)

// appendTrimmed appends a sound string as a field takes it: escapes resolved, white
// space around it removed. reason is "" or why no field takes it; dst is
// then as it was.
func appendTrimmed(dst, data []byte, l literal) (result []byte, reason Reason, detail string) {
	var decoded []byte
	if l.has(escaped) {
		// The text is resolved behind dst and moved down to it once trimmed.
		room := slices.Grow(dst, l.to-l.from)
		decoded = appendText(room, data, l)[len(dst):]
		if bytes.IndexByte(decoded, 0) >= 0 {
			return dst, BadText, holdsNul
		}
	} else {
		decoded = data[l.from:l.to] // a raw 0 is no JSON
	}
	decoded = bytes.TrimSpace(decoded)
	if len(decoded) > MaxTextLength && utf8.RuneCount(decoded) > MaxTextLength {
		return dst, TooLong, longText
	}
	return append(dst, decoded...), "", ""
}
