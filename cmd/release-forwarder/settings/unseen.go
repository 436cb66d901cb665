package settings

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"release-forwarder/cmd/release-forwarder/visible"
)

// byteOrderMark is U+FEFF in UTF-8.
const byteOrderMark = "\uFEFF"

// Text returns a text from outside without the byte order mark that editors on Windows
// write before it, and without blank space around it. An invisible character within is an
// error, since a secret with one signs differently than it reads: controls, formats
// (U+200B, U+FEFF), line separators. Text that is not UTF-8 is an error too. The error
// names the byte, where the first byte given is 0, and nothing else of the text; it
// continues a line that begins with where the text is from.
//
// This file is the one place where texts of files, variables and standard input are cleaned.
func Text(given string) (string, error) {
	rest, begin, err := unmarked(given)
	if err != nil {
		return "", err
	}
	return clean(rest, begin)
}

// listText is Text of a list, whose elements may be on lines of their own.
func listText(given string) (string, error) {
	_, err := parts(given, ",")
	rest, _, _ := unmarked(given)
	return strings.TrimSpace(rest), err
}

// parts are the texts between separators, each as Text returns it, without empty ones.
func parts(given, separators string) (texts []string, err error) {
	rest, begin, err := unmarked(given)
	if err != nil {
		return nil, err
	}
	for rest != "" {
		part, length := rest, len(rest)
		if i := strings.IndexAny(rest, separators); i >= 0 {
			part, length = rest[:i], i+1 // separators are ASCII
		}
		text, err := clean(part, begin)
		if err != nil {
			return nil, err
		}
		if text != "" {
			texts = append(texts, text)
		}
		rest, begin = rest[length:], begin+length
	}
	return texts, nil
}

// unmarked removes the byte order mark, and returns where the rest begins.
func unmarked(given string) (rest string, begin int, err error) {
	if strings.HasPrefix(given, "\xff\xfe") || strings.HasPrefix(given, "\xfe\xff") {
		return "", 0, errors.New("is UTF-16; save it as UTF-8")
	}
	rest = strings.TrimPrefix(given, byteOrderMark)
	return rest, len(given) - len(rest), nil
}

// clean is Text of a part that begins at a byte of the whole.
func clean(part string, begin int) (string, error) {
	text := strings.TrimLeftFunc(part, unicode.IsSpace)
	begin += len(part) - len(text)
	text = strings.TrimRightFunc(text, unicode.IsSpace)
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			return "", fmt.Errorf("is not UTF-8; look at byte %d (the first is 0)", begin+i)
		case r == '\n' || r == '\r':
			return "", fmt.Errorf("holds more than one line, with a line end at byte %d (the first is 0)", begin+i)
		case Unseen(r):
			return "", unseenAt(r, begin+i)
		}
	}
	return text, nil
}

// Unseen reports whether a character is invisible and not a blank; variation selectors count too.
func Unseen(r rune) bool {
	return visible.Unseen(r) || unicode.Is(unicode.Variation_Selector, r)
}

func unseenAt(r rune, place int) error {
	return fmt.Errorf("holds %U at byte %d (the first is 0), which is invisible; remove it", r, place)
}
