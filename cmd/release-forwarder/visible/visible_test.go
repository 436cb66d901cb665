package visible

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

func TestWhatNobodySeesIsEscaped(t *testing.T) {
	for text, want := range map[string]struct{ line, value string }{
		"":                               {"", ""},
		"粤B12345 · 临停　🚗️":                {"粤B12345 · 临停　🚗️", "粤B12345 · 临停　🚗️"},
		"\x1b[31m":                       {`\x1b[31m`, `"\x1b[31m"`},
		"a\nb\r\tc":                      {`a\nb\r\tc`, `"a\nb\r\tc"`},
		"\x7f\u0085\u009b1m":             {`\u007f\u0085\u009b1m`, `"\u007f\u0085\u009b1m"`},
		"\u202ea\u2066\u200f\u061c":      {`\u202ea\u2066\u200f\u061c`, `"\u202ea\u2066\u200f\u061c"`},
		"\u2028\u2029\ufeff\u200b\u00ad": {`\u2028\u2029\ufeff\u200b\u00ad`, `"\u2028\u2029\ufeff\u200b\u00ad"`},
		"👨\u200d👩":                       {`👨\u200d👩`, `"👨\u200d👩"`},
		"\U000E0041":                     {`\udb40\udc41`, `"\udb40\udc41"`},
		"\xff\xe7\xb2":                   {`\xff\xe7\xb2`, `"\xff\xe7\xb2"`},
		"\uFFFD":                         {"\uFFFD", "\uFFFD"},
		`C:\n`:                           {`C:\n`, `C:\n`},
		"C:\\n\n":                        {`C:\n\n`, `"C:\\n\n"`},
		`"a"`:                            {`"a"`, `"\"a\""`},
		`a"b`:                            {`a"b`, `a"b`},
	} {
		if got := Line(text); got != want.line {
			t.Errorf("%q in a line: %s, want %s", text, got, want.line)
		}
		if got := Value(text); got != want.value {
			t.Errorf("%q as a value: %s, want %s", text, got, want.value)
		}
		if again := Line(Line(text)); again != Line(text) {
			t.Errorf("%q is escaped twice: %s", text, again)
		}
	}
}

// Two values never look alike.
func FuzzValue(f *testing.F) {
	f.Add("a\nb", `"a\nb"`)
	f.Add("\u202e", `\u202e`)
	f.Add("\xff", `\xff`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if a != b && Value(a) == Value(b) {
			t.Errorf("%q and %q are both %s", a, b, Value(a))
		}
		if !clean(Value(a)) || strings.Contains(Value(a), "\n") {
			t.Errorf("%q: %q", a, Value(a))
		}
	})
}

// clean is what may reach a terminal.
func clean(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	})
}

// However a text is cut into writes, what comes out is the same and is clean; and JSON means
// what it meant.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("粤B\x1b[31m\u202e\u2028\x7f\u009b\xff\U000E0041👨\u200d👩\n"), 3)
	f.Add([]byte(`{"a\\u202e":"`+"\u202e\u0085\x7f\U000E0041\\\\\u202e"+`","b":["\u001b",1e3]}`), 7)
	f.Add([]byte("\"\\\u202e\""), 1)
	f.Fuzz(func(t *testing.T, text []byte, step int) {
		step = min(max(step, 1), len(text)+1)
		written := func(step int) string {
			var out bytes.Buffer
			w := NewWriter(&out)
			for rest := text; len(rest) > 0; {
				n := min(step, len(rest))
				if m, err := w.Write(rest[:n]); m != n || err != nil {
					t.Fatal(m, err)
				}
				rest = rest[n:]
			}
			if err := w.End(); err != nil {
				t.Fatal(err)
			}
			return out.String()
		}
		got := written(step)
		if whole := written(len(text) + 1); got != whole {
			t.Errorf("in steps of %d: %q, at once %q", step, got, whole)
		}
		if !clean(got) {
			t.Errorf("%q lets through %q", text, got)
		}
		if strings.Count(got, "\n") != bytes.Count(text, []byte("\n")) {
			t.Errorf("%q: other line ends in %q", text, got)
		}
		// What any of Go's encoders writes: no control but a line end beside what is escaped.
		if bytes.ContainsAny(text, "\r\t") || !jsontext.Value(text).IsValid() {
			return
		}
		var before, after any
		if json.Unmarshal(text, &before) != nil {
			return
		}
		if err := json.Unmarshal([]byte(got), &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("%q means %q, and as %q %q: %v", text, before, got, after, err)
		}
	})
}

// One that fails says whether anything is out, and ends nothing for the next.
func TestAWriterThatFails(t *testing.T) {
	full := errors.New("full")
	out := &failing{err: full, n: 4}
	w := NewWriter(out)
	if n, err := w.Write([]byte("a\x1b")); n != 2 || !errors.Is(err, full) {
		t.Error(n, err)
	}
	*out = failing{err: full}
	if n, err := w.Write([]byte("a")); n != 0 || !errors.Is(err, full) {
		t.Error(n, err)
	}
	*out = failing{n: 1}
	if n, err := w.Write([]byte("a")); n != 1 || err != nil {
		t.Error(n, err)
	}
}

type failing struct {
	err error
	n   int
}

func (f *failing) Write([]byte) (int, error) { return f.n, f.err }
