package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type refusalCase struct {
	name, value string
	reason      Reason
	field       string
}

// refusals are values that no configuration maps. For times see badTimes.
func refusals() []refusalCase {
	whole := string(event(`"reason":"设备异常"`))
	nested := func(levels int) string { // inside the event's own level
		return string(event(`"x":` + strings.Repeat("[", levels) + strings.Repeat("]", levels)))
	}
	return []refusalCase{
		{"a record without a value", "", Empty, ""},
		{"white space alone", " \t\r\n", Empty, ""},

		{"the text null", `null`, InvalidJSON, ""},
		{"an array", `[` + whole + `]`, InvalidJSON, ""},
		{"a string", `"x"`, InvalidJSON, ""},
		{"a number", `1`, InvalidJSON, ""},
		{"no JSON", `hello`, InvalidJSON, ""},
		{"a raw zero", "\x00", InvalidJSON, ""},
		{"a BOM", "\ufeff" + whole, InvalidJSON, ""},
		{"UTF-16", "{\x00\"\x00", InvalidJSON, ""},
		{"white space that is not JSON's", whole + "\u00a0", InvalidJSON, ""},
		{"form feed", "\f" + whole, InvalidJSON, ""},
		{"a second object", whole + whole, InvalidJSON, ""},
		{"trailing brace", whole + "}", InvalidJSON, ""},
		{"trailing zero byte", whole + "\x00", InvalidJSON, ""},
		{"trailing comma", `{` + four + `,}`, InvalidJSON, ""},
		{"leading comma", `{,` + four + `}`, InvalidJSON, ""},
		{"no comma", `{` + four + ` "a":1}`, InvalidJSON, ""},
		{"no colon", `{"a" 1}`, InvalidJSON, ""},
		{"no value", `{"a":}`, InvalidJSON, ""},
		{"a key that is no string", `{a:1}`, InvalidJSON, ""},
		{"a key in single quotes", `{'a':1}`, InvalidJSON, ""},
		{"a comment", `{/**/}`, InvalidJSON, ""},
		{"trailing comma in an array", `{"a":[1,]}`, InvalidJSON, ""},
		{"trailing comma further in", `{"a":{"b":1,}}`, InvalidJSON, ""},
		{"the wrong bracket", `{"a":[1}}`, InvalidJSON, ""},
		{"the wrong brace", `{"a":{"b":1]}`, InvalidJSON, ""},
		{"a leading zero", `{"a":01}`, InvalidJSON, ""},
		{"a plus sign", `{"a":+1}`, InvalidJSON, ""},
		{"a point without digits", `{"a":1.}`, InvalidJSON, ""},
		{"a point first", `{"a":.5}`, InvalidJSON, ""},
		{"an exponent without digits", `{"a":1e+}`, InvalidJSON, ""},
		{"a lone minus", `{"a":-}`, InvalidJSON, ""},
		{"NaN", `{"a":NaN}`, InvalidJSON, ""},
		{"True", `{"a":True}`, InvalidJSON, ""},
		{"half a word", `{"a":tru}`, InvalidJSON, ""},
		{"a word too long", `{"a":nulll}`, InvalidJSON, ""},
		{"a line end in a string", "{\"a\":\"x\ny\"}", InvalidJSON, ""},
		{"an unknown escape", `{"a":"\x41"}`, InvalidJSON, ""},
		{"an escape cut short", `{"a":"\u12"}`, InvalidJSON, ""},
		{"an escape that is no number", `{"a":"\u12G4"}`, InvalidJSON, ""},
		{"nesting to level 1,001", nested(1000), InvalidJSON, ""},
		{"nesting to level 1,001 in objects", string(event(`"x":` + strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000))), InvalidJSON, ""},
		{"a megabyte of brackets", nested(1 << 20), InvalidJSON, ""},

		{"bad UTF-8 in a plate", "{\"plate\":\"\xd4\xc1B12345\"}", BadText, "plate"},
		{"bad UTF-8 in an unknown field", string(event("\"x\":\"\xff\"")), BadText, ""},
		{"bad UTF-8 deep within", string(event("\"x\":[{\"y\":[\"\xff\"]}]")), BadText, ""},
		{"bad UTF-8 deep within a field of the API", string(event("\"reason\":[{\"\xff\":1}]")), BadText, "reason"},
		{"bad UTF-8 in a key", string(event("\"\xff\":1")), BadText, ""},
		{"a surrogate in UTF-8", string(event("\"reason\":\"\xed\xa0\x80\"")), BadText, "reason"},
		{"overlong UTF-8", string(event("\"reason\":\"\xc0\xaf\"")), BadText, "reason"},
		{"a code point too high", string(event("\"reason\":\"\xf4\x90\x80\x80\"")), BadText, "reason"},
		{"a high surrogate alone", string(event(`"reason":"\ud83d"`)), BadText, "reason"},
		{"a high surrogate before a letter", string(event(`"reason":"\ud83dxxxxxx"`)), BadText, "reason"},
		{"a high surrogate before another escape", string(event(`"reason":"\ud83d\u0041"`)), BadText, "reason"},
		{"a high surrogate before a short escape", string(event(`"reason":"\ud83d\nabcde"`)), BadText, "reason"},
		{"a low surrogate alone", string(event(`"reason":"x\ude97"`)), BadText, "reason"},
		{"the halves in the wrong order", string(event(`"reason":"\ude97\ud83d"`)), BadText, "reason"},
		{"a pair and a half", string(event(`"reason":"\ud83d\ude97\ud83d"`)), BadText, "reason"},
		{"half a pair in an unknown key", string(event(`"\ud83d":1`)), BadText, ""},
		{"half a pair in an unknown field", string(event(`"x":{"y":"\udfff"}`)), BadText, ""},
		{"U+0000 in text", string(event(`"reason":"a\u0000"`)), BadText, "reason"},
		{"U+0000 in a code", string(event(`"car_type":"1\u0000"`)), BadText, "car_type"},
		{"U+0000 in a time", string(event(`"leave_time":"\u00001630575406020"`)), BadText, "leave_time"},

		{"a field twice", string(event(`"plate":"粤B12345"`)), DuplicateKey, "plate"},
		{"a field twice, once escaped", string(event(`"pl\u0061te":"x"`)), DuplicateKey, "plate"},
		{"a field twice, null", string(event(`"reason":null,"reason":null`)), DuplicateKey, "reason"},
		{"an unknown key twice", string(event(`"x":1,"x":1`)), DuplicateKey, ""},
		{"an unknown key twice, once escaped", string(event(`"/":1,"\/":1`)), DuplicateKey, ""},
		{"an empty key twice", string(event(`"":1,"":1`)), DuplicateKey, ""},
		{"app_id twice", string(event(`"app_id":1,"app_id":1`)), DuplicateKey, ""},
		{"the last of many keys again", string(event(manyKeys(1000) + `,"k999":1`)), DuplicateKey, ""},
		{"the eighth of nine keys again", string(event(manyKeys(9) + `,"k7":1`)), DuplicateKey, ""},

		{"a number as text", string(event(`"operator":1`)), WrongType, "operator"},
		{"true as text", string(event(`"operator":true`)), WrongType, "operator"},
		{"an object as text", string(event(`"car_desc":{}`)), WrongType, "car_desc"},
		{"a list as text", string(event(`"reason":["x"]`)), WrongType, "reason"},
		{"a number as a required text", `{"park_uuid":1,"flow_no":"F1","parking_serial":"S1","plate":"x"}`, WrongType, "park_uuid"},
		{"true as a code", string(event(`"plate_color":true`)), WrongType, "plate_color"},
		{"a list as a code", string(event(`"car_type":[1]`)), WrongType, "car_type"},
		{"an object as a time", string(event(`"enter_time":{}`)), WrongType, "enter_time"},
		{"false as a time", string(event(`"enter_time":false`)), WrongType, "enter_time"},

		{"1,025 code points", string(event(`"reason":"` + strings.Repeat("车", 1025) + `"`)), TooLong, "reason"},
		{"1,025 code points with white space within", string(event(`"reason":"x` + strings.Repeat(" ", 1023) + `x"`)), TooLong, "reason"},
		{"1,025 escapes", string(event(`"reason":"` + strings.Repeat(`\n`, 1) + strings.Repeat(`\u8f66`, 1025) + `"`)), TooLong, "reason"},
		{"a code of 1,025", string(event(`"car_type":"` + strings.Repeat("1", 1025) + `"`)), TooLong, "car_type"},
		{"a time of 1,025", string(event(`"leave_time":"2021-09-02 17:36:46.` + strings.Repeat("0", 1005) + `"`)), TooLong, "leave_time"},
	}
}

func TestRefusals(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	for _, c := range refusals() {
		t.Run(c.name, func(t *testing.T) {
			e := refusal(t, m, []byte(c.value))
			if e.Reason != c.reason || e.Field != c.field {
				t.Errorf("%v, want %s %s", e, c.reason, c.field)
			}
			if e.Detail == "" || !strings.HasPrefix(e.Error(), string(c.reason)) {
				t.Errorf("says too little: %q", e.Error())
			}
		})
	}
}

// A text takes only strings, codes and times take numbers too: the detail says which.
func TestAWrongTypeSaysWhatIsTaken(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	numbers := []string{"plate_color", "car_type", "enter_time", "leave_time", "operate_time"}
	four := map[string]string{"park_uuid": `"P1"`, "flow_no": `"F1"`, "parking_serial": `"S1"`, "plate": `"粤B12345"`}
	for _, name := range BuiltIn().Names() {
		for _, value := range []string{`1`, `1.5`, `-0`, `true`, `false`, `{}`, `[]`, `["x"]`} {
			want := "not a string"
			if slices.Contains(numbers, name) {
				if !strings.ContainsAny(value[:1], "tf{[") {
					continue // a number, which codes and times judge themselves
				}
				want = "neither a string nor a number"
			}
			members := maps.Clone(four)
			members[name] = value
			var all []string
			for key, value := range members {
				all = append(all, fmt.Sprintf("%q:%s", key, value))
			}
			e := refusal(t, m, []byte("{"+strings.Join(all, ",")+"}"))
			if e.Reason != WrongType || e.Field != name || e.Detail != want {
				t.Errorf("%s:%s: %v, want %s", name, value, e, want)
			}
		}
	}
}

// manyKeys writes members k0, k1, … with numbers for values.
func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":0`, i)
	}
	return b.String()[1:]
}

// A tombstone has a nil value, which the table's strings cannot express.
func TestNilIsEmpty(t *testing.T) {
	if e := refusal(t, mapperIn(t, "Asia/Shanghai"), nil); e.Reason != Empty {
		t.Error(e)
	}
}

func TestEveryPlaceToCutAnEventIsInvalid(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	whole := event(`"x":{"y":[1.5e-3,true,"\ud83d\ude97"]},"reason":"设备异常"`)
	mustMap(t, m, whole)
	for n := 1; n < len(whole); n++ {
		if e := refusal(t, m, whole[:n]); e.Reason != InvalidJSON || e.Offset > n {
			t.Errorf("cut at %d: %v", n, e)
		}
	}
}

func TestOneReasonWins(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai", "operator")
	const badUTF8 = "\"x\":\"\xff\""
	for _, c := range []struct {
		name, value, want string
	}{
		{"invalid JSON over all", "{\"plate\":1,\"plate\":\"\xff\"", "invalid-json "},
		{"bad text over duplicates", `{"plate":1,"plate":2,` + badUTF8 + `}`, "bad-text "},
		{"the first bad text", "{\"y\":\"\\ud800\",\"plate\":\"\xff\"}", "bad-text "},
		{"the first bad text, in a field", "{\"plate\":\"\xff\",\"y\":\"\\ud800\"}", "bad-text plate"},
		{"duplicates over fields", `{"reason":1,"reason":2}`, "duplicate-key reason"},
		{"the first duplicate", `{"x":1,"x":1,"reason":1,"reason":2}`, "duplicate-key "},
		{"the first duplicate, in a field", `{"reason":1,"reason":2,"x":1,"x":1}`, "duplicate-key reason"},
		{"the first field, whatever is wrong with it", `{"reason":1,"leave_time":"x","flow_no":"F1","parking_serial":"S1","plate":2}`, "missing-field park_uuid"},
		{"a wrong type in an earlier field", `{"park_uuid":"P1","reason":1,"leave_time":"x","flow_no":"F1","parking_serial":2}`, "wrong-type parking_serial"},
		{"a bad time before a missing operator", `{` + four + `,"leave_time":"x"}`, "bad-time leave_time"},
		{"U+0000 over length", `{"park_uuid":"` + strings.Repeat("x", 2000) + `\u0000"}`, "bad-text park_uuid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := refusal(t, m, []byte(c.value))
			if got := string(e.Reason) + " " + e.Field; got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestOffsetsPointAtTheFault(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	for _, c := range []struct {
		value, at string
	}{
		{`{"a":1,,"b":2}`, `,"b"`},
		{`{"a":"` + "\x01" + `"}`, "\x01"},
		{`{"a":"xy\q"}`, `\q`},
		{`{"a":1} x`, `x`},
		{string(event("\"x\":[\"\xff\"]")), "\xff"},
		{string(event(`"a":1,"plate":2`)), `"plate":2`},
		{string(event(`"leave_time":  20211301000000`)), `20211301000000`},
	} {
		e := refusal(t, m, []byte(c.value))
		if want := strings.LastIndex(c.value, c.at); e.Offset != want {
			t.Errorf("%s: %v, want byte %d", c.value, e, want)
		}
	}
}

func TestNothingOfAnEventShowsByMistake(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	r := mustMap(t, m, event(`"operator":"张三","reason":"设备异常"`))
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("x", "release", r, "copy", *r)
	fmt.Fprintf(&out, "%v %+v %#v %s %v %#v", r, r, r, r, *r, *r)
	for _, secret := range []string{"粤B12345", "张三", "设备异常", "P1"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("shows %s: %s", secret, out.String())
		}
	}
}

func TestWordsAreStable(t *testing.T) {
	got, _ := json.Marshal(struct {
		R []Reason
		S []Suspicion
		F []string
	}{Reasons(), Suspicions(), BuiltIn().Names()})
	want := `{"R":["empty","invalid-json","duplicate-key","bad-text","missing-field","wrong-type","bad-time","too-long","unknown-code","no-profile"],` +
		`"S":["future","leave-before-enter","unknown-plate-color","unknown-car-type"],` +
		`"F":["park_uuid","flow_no","parking_serial","plate","plate_color","car_type","car_desc","enter_time","leave_time","operate_time","operator","reason"]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}
