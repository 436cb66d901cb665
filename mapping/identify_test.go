package mapping

import (
	"strings"
	"testing"
)

// identify is Identify of the built-in contract, which needs no settings.
var testMapper = &Mapper{file: builtIn}

func identify(value []byte) (lot, serial string) {
	return testMapper.Identify(&Record{Value: value})
}

// Whatever else is wrong with an event, what the platform knows a repeated one by is read as it would be sent.
func TestRepeat(t *testing.T) {
	const pair = `"park_uuid":"P1","flow_no":"F1"`
	for _, c := range []struct{ name, value, lot, repeat string }{
		{"nothing else", `{` + pair + `}`, "P1", "F1"},
		{"a bad time", `{` + pair + `,"leave_time":"x"}`, "P1", "F1"},
		{"a serial of the wrong type", `{` + pair + `,"parking_serial":7}`, "P1", "F1"},
		{"another key twice", `{` + pair + `,"plate":"a","plate":"b"}`, "P1", "F1"},
		{"bad UTF-8 in another field", "{" + pair + ",\"plate\":\"\xd4\xc1\"}", "P1", "F1"},
		{"white space around", `{"park_uuid":" P1","flow_no":"F1\n"}`, "P1", "F1"},
		{"no lot", `{"flow_no":"F1"}`, "", "F1"},
		{"no flow_no", `{"park_uuid":"P1"}`, "P1", ""},
		{"flow_no twice", `{` + pair + `,"flow_no":"F2"}`, "P1", ""},
		{"flow_no of the wrong type", `{"park_uuid":"P1","flow_no":1}`, "P1", ""},
		{"cut off", `{` + pair, "", ""},
	} {
		if lot, repeat := testMapper.Repeat(&Record{Value: []byte(c.value)}); lot != c.lot || repeat != c.repeat {
			t.Errorf("%s: %q, %q; want %q, %q", c.name, lot, repeat, c.lot, c.repeat)
		}
	}
}

func TestIdentify(t *testing.T) {
	const pair = `"park_uuid":"P1","parking_serial":"S1"`
	for _, c := range []struct{ name, value, lot, serial string }{
		{"a whole event", string(event(`"x":1`)), "P1", "S1"},
		{"white space around", `{"park_uuid":" \u3000P1","parking_serial":"S1\n"}`, "P1", "S1"},
		{"names and values written with escapes", `{"park\u005fuuid":"\u0050\u0031","\u0070arking_serial":"S\/1"}`, "P1", "S/1"},

		// It cannot be mapped, but its order key is known.
		{"no plate", `{` + pair + `}`, "P1", "S1"},
		{"a plate of the wrong type", `{` + pair + `,"plate":7}`, "P1", "S1"},
		{"a bad time", string(event(`"leave_time":"x"`)), "P1", "S1"},
		{"bad UTF-8 in another field", "{\"plate\":\"\xd4\xc1\"," + pair + "}", "P1", "S1"},
		{"bad UTF-8 in a key", "{\"\xff\":1," + pair + "}", "P1", "S1"},
		{"half a surrogate pair in another field", `{` + pair + `,"reason":"\ud83d"}`, "P1", "S1"},
		{"half a surrogate pair in a key", `{` + pair + `,"\ud83d":0}`, "P1", "S1"},
		{"another key twice", `{` + pair + `,"plate":"a","plate":"b","x":1,"x":1}`, "P1", "S1"},
		{"a reason too long", `{` + pair + `,"reason":"` + strings.Repeat("x", 5000) + `"}`, "P1", "S1"},

		// One of the two is not certain.
		{"no lot", `{"parking_serial":"S1"}`, "", "S1"},
		{"no serial", `{"park_uuid":"P1"}`, "P1", ""},
		{"a lot of null", `{"park_uuid":null,"parking_serial":"S1"}`, "", "S1"},
		{"a blank serial", `{"park_uuid":"P1","parking_serial":" \u3000"}`, "P1", ""},
		{"a serial as a number", `{"park_uuid":"P1","parking_serial":1}`, "P1", ""},
		{"a serial as an object", `{"park_uuid":"P1","parking_serial":{"parking_serial":"S1"}}`, "P1", ""},
		{"the lot twice", `{` + pair + `,"park_uuid":"P2"}`, "", "S1"},
		{"the lot twice, the same", `{` + pair + `,"park_uuid":"P1"}`, "", "S1"},
		{"the lot twice, once escaped", `{` + pair + `,"p\u0061rk_uuid":"P1"}`, "", "S1"},
		{"the serial twice, once null", `{` + pair + `,"parking_serial":null}`, "P1", ""},
		{"the serial twice, null first", `{"parking_serial":null,` + pair + `}`, "P1", ""},
		{"bad UTF-8 in the lot", "{\"park_uuid\":\"\xff\",\"parking_serial\":\"S1\"}", "", "S1"},
		{"half a surrogate pair in the serial", `{"park_uuid":"P1","parking_serial":"\ud83d"}`, "P1", ""},
		{"U+0000 in the serial", `{"park_uuid":"P1","parking_serial":"S\u0000"}`, "P1", ""},
		{"a lot too long", `{"park_uuid":"` + strings.Repeat("x", 1025) + `","parking_serial":"S1"}`, "", "S1"},
		{"a lot just not too long", `{"park_uuid":"` + strings.Repeat("车", 1024) + `","parking_serial":"S1"}`, strings.Repeat("车", 1024), "S1"},

		// Nothing is certain: the value is not one JSON object.
		{"no value", ``, "", ""},
		{"cut off", `{` + pair, "", ""},
		{"trailing data", `{` + pair + `}{}`, "", ""},
		{"a BOM", "\ufeff{" + pair + `}`, "", ""},
		{"in an array", `[{` + pair + `}]`, "", ""},
		{"nested too deep", `{` + pair + `,"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, "", ""},
		{"only further in", `{"x":{` + pair + `}}`, "", ""},
		{"broken elsewhere", `{` + pair + `,"x":01}`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if lot, serial := identify([]byte(c.value)); lot != c.lot || serial != c.serial {
				t.Errorf("%.100q, %.100q; want %.100q, %.100q", lot, serial, c.lot, c.serial)
			}
		})
	}
}
