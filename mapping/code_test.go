package mapping

import (
	"slices"
	"strings"
	"testing"
)

// codeSpellings are a field's codes with their spellings in JSON, and other values.
type codeSpellings struct {
	field    string
	known    map[string][]string
	unknown  []string
	fallback string
	kind     Suspicion
}

var codes = []codeSpellings{
	{
		field: "plate_color",
		known: map[string][]string{
			"1":  {`1`, `"1"`, `" 1 "`, `"\u30001"`, `"blue"`, `"BLUE"`, `"Blue"`, `"蓝色"`, `"蓝"`, `" 蓝色\n"`, `1.0`, `1e0`, `"1.0"`, `10e-1`, `0.1E1`, `0.0100e+2`, `1.00000000000000000000000000000001`},
			"2":  {`2`, `"2"`, `"yellow"`, `"黄色"`, `"黄"`},
			"3":  {`3`, `"3"`, `"white"`, `"白色"`, `"白"`},
			"4":  {`4`, `"4"`, `"black"`, `"blac\u212a"`, `"黑色"`, `"黑"`},
			"5":  {`5`, `"5"`, `"green"`, `"绿色"`, `"绿"`},
			"-1": {`-1`, `"-1"`, `"unknown"`, `"UnKnown"`, `"未知"`, `-1.0`},
		},
		unknown: []string{
			`0`, `-0`, `6`, `7`, `-2`, `10`, `1.5`, `0.1`, `1e1`, `12`, `1000000000000000000000000`, `1e99999999999999999999`, `1e-99999999999999999999`,
			`"purple"`, `"紫色"`, `"渐变绿"`, `"01"`, `"+1"`, `"1."`, `"1,0"`, `"0x1"`, `"１"`, `"blueish"`, `"bl ue"`, `"-"`, `"true"`,
			`"` + strings.Repeat("x", 1024) + `"`, `"` + strings.Repeat("1", 1024) + `"`,
		},
		fallback: "-1", kind: UnknownPlateColor,
	},
	{
		field: "car_type",
		known: map[string][]string{
			"1": {`1`, `"1"`, `"temporary"`, `"Temporary"`, `"临停车辆"`, `"临停"`},
			"2": {`2`, `"2"`, `"monthly"`, `"月卡车辆"`, `"月卡"`},
			"3": {`3`, `"3"`, `"vip"`, `"VIP"`, `"贵宾车辆"`, `"贵宾车辆(免费车)"`, `"贵宾车辆（免费车）"`, `"免费车"`},
			"4": {`4`, `"4"`, `"stored_value"`, `"STORED_VALUE"`, `"储值车辆"`, `"储值"`},
			"0": {`0`, `"0"`, `-0`, `0.0`, `0e7`, `"other"`, `"OTHER"`, `"其他未知"`, `"其他"`},
		},
		unknown:  []string{`-1`, `5`, `0.5`, `100`, `"bus"`, `"月卡A"`, `"stored value"`, `"storedvalue"`, `"ſtored_value"`, `"临停/月卡A"`, `"未知"`},
		fallback: "0", kind: UnknownCarType,
	},
}

func TestCodes(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	for _, c := range codes {
		for code, spellings := range c.known {
			for _, s := range spellings {
				r := mustMap(t, m, event(`"`+c.field+`":`+s))
				if r.sent[named(c.field)] != code || r.Suspicions != nil {
					t.Errorf("%s %s is sent as %q %v, want %s", c.field, s, r.sent[named(c.field)], r.Suspicions, code)
				}
			}
		}
		for _, s := range c.unknown {
			r := mustMap(t, m, event(`"`+c.field+`":`+s))
			if r.sent[named(c.field)] != c.fallback || !slices.Equal(r.Suspicions, []Suspicion{c.kind}) {
				t.Errorf("%s %.40s is sent as %q %v, want %s and counted", c.field, s, r.sent[named(c.field)], r.Suspicions, c.fallback)
			}
		}
	}
}

// named is the place of a field of the built-in contract.
func named(name string) int { return BuiltIn().place(name) }

var parkingSerial = named("parking_serial")
