package mapping

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// opinion is the result of encoding/json, which shares no code with jsontext, and of simple
// checks of our own.
type opinion struct {
	object     bool                         // one JSON object and nothing else, no deeper than MaxDepth
	soundText  bool                         // UTF-8, surrogates paired
	uniqueKeys bool                         // at the top level; set only if the text is sound
	members    map[string][]json.RawMessage // at the top level, by decoded key
}

func opinionOf(value []byte) opinion {
	o := opinion{uniqueKeys: true, members: map[string][]json.RawMessage{}}
	if !json.Valid(value) || depthOf(value) > MaxDepth {
		return o
	}
	d := json.NewDecoder(bytes.NewReader(value))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return o
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return o
		}
		name := key.(string)
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return o
		}
		o.members[name] = append(o.members[name], raw)
		o.uniqueKeys = o.uniqueKeys && len(o.members[name]) == 1
	}
	o.object, o.soundText = true, sound(value)
	return o
}

// depthOf counts how deep valid JSON nests.
func depthOf(value []byte) (deepest int) {
	depth, inString := 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

var (
	shortEscape = regexp.MustCompile(`\\[^u]`)
	pairEscape  = regexp.MustCompile(`\\u[dD][89abAB]..\\u[dD][c-fC-F]..`)
	halfEscape  = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
)

// sound tells whether valid JSON is UTF-8 and has every surrogate escape paired.
func sound(value []byte) bool {
	escapes := shortEscape.ReplaceAll(value, []byte("_"))
	return utf8.Valid(value) && !halfEscape.Match(pairEscape.ReplaceAll(escapes, []byte("_")))
}

// text is the text that would be sent for a field, "" if not certain.
func (o opinion) text(name string) string {
	v := o.members[name]
	if !o.object || len(v) != 1 || v[0][0] != '"' || !sound(v[0]) {
		return ""
	}
	var s string
	err := json.Unmarshal(v[0], &s)
	s = strings.TrimSpace(s)
	if err != nil || strings.ContainsRune(s, 0) || utf8.RuneCountInString(s) > MaxTextLength {
		return ""
	}
	return s
}

// checkAgainstOracle compares open and Identify with encoding/json, for any value.
func checkAgainstOracle(t interface {
	Helper()
	Errorf(string, ...any)
}, value []byte) {
	t.Helper()
	want := opinionOf(value)
	var got Reason
	if refused := (&evaluation{state: state{judgeText: true}}).open(&builtIn.plans[0], value); refused != nil {
		got = refused.Reason
	}
	if object := got != Empty && got != InvalidJSON; object != want.object {
		t.Errorf("%.300q: %s, but encoding/json says that it is an object: %v", value, got, want.object)
		return
	}
	if want.object {
		if (got != BadText) != want.soundText {
			t.Errorf("%.300q: %s, but its text is sound: %v", value, got, want.soundText)
		}
		if want.soundText && (got != DuplicateKey) != want.uniqueKeys {
			t.Errorf("%.300q: %s, but its keys are unique: %v", value, got, want.uniqueKeys)
		}
	}
	lot, serial := identify(value)
	if l, s := want.text("park_uuid"), want.text("parking_serial"); lot != l || serial != s {
		t.Errorf("%.300q: Identify says %q and %q, encoding/json %q and %q", value, lot, serial, l, s)
	}
}

func TestAgreesWithEncodingJSON(t *testing.T) {
	for _, value := range seeds() {
		checkAgainstOracle(t, value)
	}
}

// Documents made of pieces that are mostly JSON, in an order that is mostly valid.
func TestAgreesWithEncodingJSONOnPieces(t *testing.T) {
	pieces := rapid.SampledFrom([]string{
		`{`, `}`, `[`, `]`, `,`, `:`, `"`, `"a"`, `"a":1`, `"park_uuid":"P"`, `"parking_serial":"S"`, `"park_\u0075uid":" P "`, `{}`, `[]`, `[1,2]`, `{"a":{"a":[]}}`,
		` `, "\n", "\f", `0`, `-0`, `1.5e3`, `01`, `1.`, `-`, `1e`, `true`, `false`, `null`, `nul`, `\`, `\u`, `"\ud83d"`, `"\ude97"`, `"\ud83d\ude97"`, `"\uD83D\u0041"`,
		"\"\xff\"", "\xff", "\"车\"", "\x00", "\"\x1f\"", `"\n"`, `"\x"`, `"\u00g0"`, "\ufeff",
	})
	rapid.Check(t, func(t *rapid.T) {
		value := strings.Join(rapid.SliceOfN(pieces, 0, 12).Draw(t, "pieces"), "")
		checkAgainstOracle(t, []byte(value))
		checkAgainstOracle(t, []byte("{"+value+"}"))
		checkAgainstOracle(t, []byte(`{"park_uuid":"P","x":`+value+"}"))
		checkAgainstOracle(t, []byte(`{"x":[{"y":`+value+"}]}"))
	})
}

// Events with one wrong byte.
func TestAgreesWithEncodingJSONOnDamage(t *testing.T) {
	all := seeds()
	rapid.Check(t, func(t *rapid.T) {
		value := bytes.Clone(all[rapid.IntRange(0, len(all)-1).Draw(t, "event")])
		if len(value) == 0 || len(value) > 1<<12 {
			return
		}
		value[rapid.IntRange(0, len(value)-1).Draw(t, "place")] = rapid.Byte().Draw(t, "byte")
		checkAgainstOracle(t, value)
	})
}
