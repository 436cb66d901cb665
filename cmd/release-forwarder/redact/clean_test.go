package redact

import (
	"strings"
	"testing"
)

// What comes from Kafka cannot steer a terminal, nor fill it.
func TestCleanTextsOnly(t *testing.T) {
	for text, want := range map[string]string{
		"a\x1b[31m\n": `a\x1b[31m\n`, "\xff粤": `\xff粤`, "\u202e": `\u202e`, strings.Repeat("x", 500): strings.Repeat("x", MaxShown) + "…",
	} {
		if got := Clean(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"": "", "粤B12345": "粤… (7)", "\x1b": "?… (1)", "\xff\xfe": "?… (2)"} {
		if got := Text(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
