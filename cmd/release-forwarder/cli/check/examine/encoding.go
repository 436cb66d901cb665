package examine

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// Encoding is what a value seems to be in that is not plain UTF-8.
type Encoding string

// The encodings that are told from each other; "" is plain UTF-8, or one that cannot be told.
const (
	UTF8BOM Encoding = "utf-8-bom" // a byte order mark before UTF-8
	UTF16   Encoding = "utf-16"
	GBK     Encoding = "gbk" // or GB18030
)

// Encodings returns every Encoding but "".
func Encodings() []Encoding { return []Encoding{UTF8BOM, UTF16, GBK} }

const byteOrderMark = "\ufeff"

// EncodingOf guesses what a value is in.
func EncodingOf(value []byte) Encoding {
	switch {
	case bytes.HasPrefix(value, []byte(byteOrderMark)):
		return UTF8BOM
	case orderOf(value) != nil:
		return UTF16
	case mostlyNotUTF8(value) && isGBK(value):
		return GBK
	}
	return ""
}

// plain is the text of a value in UTF-8, as far as that can be had, and what to add to a place
// in it for the place in the value: negative where there is no such number.
func (e Encoding) plain(value []byte) (text []byte, shift int) {
	switch e {
	case UTF8BOM:
		return value[len(byteOrderMark):], len(byteOrderMark)
	case UTF16:
		order := orderOf(value)
		units := make([]uint16, 0, len(value)/2)
		for ; len(value) >= 2; value = value[2:] {
			units = append(units, order.Uint16(value))
		}
		decoded := []byte(string(utf16.Decode(units)))
		return bytes.TrimPrefix(decoded, []byte(byteOrderMark)), -len(decoded) - 1
	case GBK:
	}
	return value, 0
}

// orderOf is the order of bytes of UTF-16: by its mark, or as the first two characters, which
// are ASCII in JSON, have it. nil if it is none.
func orderOf(value []byte) binary.ByteOrder {
	ascii := func(at int) bool { return value[at] > 0 && value[at] < utf8.RuneSelf }
	switch {
	case len(value) < 2:
		return nil
	case value[0] == 0xff && value[1] == 0xfe:
		return binary.LittleEndian
	case value[0] == 0xfe && value[1] == 0xff:
		return binary.BigEndian
	case len(value) < 4:
		return nil
	case value[1] == 0 && value[3] == 0 && ascii(0) && ascii(2):
		return binary.LittleEndian
	case value[0] == 0 && value[2] == 0 && ascii(1) && ascii(3):
		return binary.BigEndian
	}
	return nil
}

// mostlyNotUTF8 reports whether more bytes are not UTF-8 than are Chinese in UTF-8: bytes of
// one could mostly be the other, and one wrong byte makes no GBK of an event in UTF-8.
func mostlyNotUTF8(value []byte) bool {
	broken, sound := 0, 0
	for i := 0; i < len(value); {
		r, size := utf8.DecodeRune(value[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			broken++
		case size > 2: // two bytes of GBK are often two of UTF-8, three hardly ever
			sound += size
		}
		i += size
	}
	return broken > sound
}

// isGBK reports whether bytes are wholly GB18030 with at least one common Chinese character
// (of GB 2312's two levels), which what is not Chinese hardly ever is.
func isGBK(value []byte) (chinese bool) {
	in := func(at int, from, to byte) bool { return at < len(value) && value[at] >= from && value[at] <= to }
	for i := 0; i < len(value); {
		switch {
		case value[i] < utf8.RuneSelf:
			i++
		case in(i, 0x81, 0xfe) && (in(i+1, 0x40, 0x7e) || in(i+1, 0x80, 0xfe)):
			chinese = chinese || in(i, 0xb0, 0xf7) && in(i+1, 0xa1, 0xfe)
			i += 2
		case in(i, 0x81, 0xfe) && in(i+1, '0', '9') && in(i+2, 0x81, 0xfe) && in(i+3, '0', '9'):
			i += 4
		default:
			return false
		}
	}
	return chinese
}
