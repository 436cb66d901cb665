package mapping

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// opinion is what jsontext, which shares no code with scan.go, says of a value.
type opinion struct {
	object     bool                        // wholly one JSON object, no deeper than MaxDepth
	soundText  bool                        // UTF-8, surrogates paired
	uniqueKeys bool                        // at the top level; told only where the text is sound
	members    map[string][]jsontext.Value // at the top level, by decoded key
}

func opinionOf(value []byte) opinion {
	o := opinion{uniqueKeys: true, members: map[string][]jsontext.Value{}}
	d := jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() != jsontext.KindBeginObject {
		return o
	}
	for {
		token, err := d.ReadToken()
		if err != nil || d.StackDepth() > MaxDepth {
			return o
		}
		if d.StackDepth() == 0 {
			if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
				return o
			}
			break
		}
		if kind, length := d.StackIndex(1); d.StackDepth() == 1 && kind == jsontext.KindBeginObject && length%2 == 1 {
			o.noteMember(token.String(), d)
		}
	}
	o.object = true
	o.soundText = jsontext.Value(value).IsValid(jsontext.AllowDuplicateNames(true))
	return o
}

// noteMember takes down the value behind a key. It leaves containers unread, so that
// opinionOf sees how deep they go.
func (o *opinion) noteMember(key string, d *jsontext.Decoder) {
	value := jsontext.Value("{}")
	if k := d.PeekKind(); k != jsontext.KindBeginObject && k != jsontext.KindBeginArray {
		v, err := d.ReadValue()
		if err != nil {
			return // and the next token brings it again
		}
		value = v.Clone()
	}
	o.members[key] = append(o.members[key], value)
	o.uniqueKeys = o.uniqueKeys && len(o.members[key]) == 1
}

// text is what a field would send, "" where that is not certain.
func (o opinion) text(name string) string {
	v := o.members[name]
	if !o.object || len(v) != 1 || v[0].Kind() != jsontext.KindString {
		return ""
	}
	unquoted, err := jsontext.AppendUnquote(nil, v[0])
	s := strings.TrimSpace(string(unquoted))
	if err != nil || strings.ContainsRune(s, 0) || utf8.RuneCountInString(s) > MaxTextLength {
		return ""
	}
	return s
}

// checkAgainstOracle holds the scanner, and Identify on any value, to jsontext.
func checkAgainstOracle(t interface {
	Helper()
	Errorf(string, ...any)
}, value []byte) {
	t.Helper()
	want := opinionOf(value)
	var d document
	d.judge(value)
	if object := d.fault == nil; object != want.object {
		t.Errorf("%.300q: %v, but jsontext says that it is an object: %v", value, d.fault, want.object)
		return
	}
	lot, serial := Identify(value)
	if want.object {
		if (d.badText == nil) != want.soundText {
			t.Errorf("%.300q: %v, but jsontext says that its text is sound: %v", value, d.badText, want.soundText)
		}
		if want.soundText && (d.duplicate == nil) != want.uniqueKeys {
			t.Errorf("%.300q: %v, but jsontext says that its keys are unique: %v", value, d.duplicate, want.uniqueKeys)
		}
	}
	if l, s := want.text("park_uuid"), want.text("parking_serial"); lot != l || serial != s {
		t.Errorf("%.300q: Identify says %q and %q, jsontext %q and %q", value, lot, serial, l, s)
	}
}

func TestScannerAgreesWithJSONText(t *testing.T) {
	for _, value := range seeds() {
		checkAgainstOracle(t, value)
	}
}

// Documents put together from pieces that are mostly JSON, and mostly in an order that is.
func TestScannerAgreesWithJSONTextOnPieces(t *testing.T) {
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

// Events that are whole but for one byte.
func TestScannerAgreesWithJSONTextOnDamage(t *testing.T) {
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
