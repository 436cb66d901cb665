package mapping

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests need zones, the binary brings its own

	"github.com/google/go-cmp/cmp"
)

// mapperIn makes a Mapper for a zone, with fields that are required beyond the four.
func mapperIn(t testing.TB, zone string, alsoRequired ...string) *Mapper {
	t.Helper()
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Config{Location: location, Required: append(BuiltIn().Required(), alsoRequired...)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The four required fields, for events about something else.
const four = `"park_uuid":"P1","flow_no":"F1","parking_serial":"S1","plate":"粤B12345"`

func event(members string) []byte { return []byte("{" + four + "," + members + "}") }

func mustMap(t *testing.T, m *Mapper, value []byte) *Release {
	t.Helper()
	r, err := m.Map(&Record{Value: value, Time: time.Time{}})
	if err != nil {
		t.Fatalf("%.200s: %v", value, err)
	}
	return r
}

func refusal(t *testing.T, m *Mapper, value []byte) *Error {
	t.Helper()
	r, err := m.Map(&Record{Value: value, Time: time.Time{}})
	if err == nil {
		t.Fatalf("%.200q was mapped to %v", value, maps.Collect(r.All()))
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%T is not *Error", err)
	}
	return e
}

func TestWholeEvent(t *testing.T) {
	r := mustMap(t, mapperIn(t, "Asia/Shanghai"), []byte(`{
		"app_id": "op1", "sign": "C65FCAC2", "unknown": [{"a":1,"a":2}, null],
		"park_uuid": "PARKUUID-1", "flow_no": "FLOW000001", "parking_serial": "PS-1", "plate": "粤B12345",
		"plate_color": "蓝色", "car_type": 2, "car_desc": "月卡A",
		"enter_time": "2021-09-02T09:36:46.020Z", "leave_time": "2021-09-02 18:36:46", "operate_time": 1630579006020,
		"operator": "张三", "reason": "设备异常"}`))
	want := map[string]string{
		"park_uuid": "PARKUUID-1", "flow_no": "FLOW000001", "parking_serial": "PS-1", "plate": "粤B12345",
		"plate_color": "1", "car_type": "2", "car_desc": "月卡A",
		"enter_time": "2021-09-02T09:36:46Z", "leave_time": "2021-09-02T10:36:46Z", "operate_time": "2021-09-02T10:36:46Z",
		"operator": "张三", "reason": "设备异常",
	}
	if diff := cmp.Diff(want, maps.Collect(r.All())); diff != "" {
		t.Error(diff)
	}
	if r.Lot() != "PARKUUID-1" || r.Suspicions != nil {
		t.Errorf("lot %q, suspicious of %v", r.Lot(), r.Suspicions)
	}
	var names []string
	for name, value := range r.All() {
		names = append(names, name)
		if value == "" {
			t.Errorf("All yields an empty %s", name)
		}
	}
	if all := slices.Sorted(slices.Values(BuiltIn().Names())); !slices.Equal(names, all) {
		t.Errorf("All yields %v, want all fields ascending: %v", names, all)
	}
}

func TestAllStopsWhenAskedTo(t *testing.T) {
	r := mustMap(t, mapperIn(t, "Asia/Shanghai"), event(`"reason":"设备异常"`))
	for name := range r.All() {
		if name != "flow_no" {
			t.Fatalf("went on to %s", name)
		}
		break
	}
}

// texts are texts in JSON and as they are sent.
var texts = []struct{ name, json, want string }{
	{"white space around is removed", `" \t\r\n张三\u000b\u000c "`, "张三"},
	{"so is Unicode's", `"\u3000\u00a0\u0085\u1680\u2000\u200a\u2028\u2029\u202f\u205f张三\u3000"`, "张三"},
	{"U+3000 unescaped too", "\"\u3000张三\u3000\"", "张三"},
	{"white space within stays", `"张  三\u3000四"`, "张  三\u3000四"},
	{"a zero width space and a BOM are no white space", `"\u200b张三\ufeff"`, "\u200b张三\ufeff"},
	{"signs of forms stay raw", `"a&b=c%20+d"`, "a&b=c%20+d"},
	{"line ends within stay", `"a\r\nb"`, "a\r\nb"},
	{"every escape", `"\"\\\/\b\f\n\r\tz\u4e2d\u00E9"`, "\"\\/\b\f\n\r\tz中é"},
	{"a surrogate pair", `"\ud83d\ude97 \uD83D\uDE97"`, "🚗 🚗"},
	{"a pair between other escapes", `"\\\ud83d\ude97\\u"`, `\🚗\u`},
	{"U+FFFD itself", `"\ufffd�"`, "��"},
	{"control characters, escaped", `"a\u0001\u007fb"`, "a\x01\x7fb"},
	{"null is absent", `null`, ""},
	{"empty is absent", `""`, ""},
	{"blank is absent", `" \u3000\t"`, ""},
	{"1,024 code points", `"` + strings.Repeat("车", 1024) + `"`, strings.Repeat("车", 1024)},
	{"white space around does not count", `"` + strings.Repeat(" ", 5000) + strings.Repeat("车", 1024) + `\u3000"`, strings.Repeat("车", 1024)},
	{"long blank is absent", `"` + strings.Repeat(" ", 5000) + `"`, ""},
	{"a pair is one code point", `"` + strings.Repeat(`\ud83d\ude97`, 1024) + `"`, strings.Repeat("🚗", 1024)},
}

func TestText(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	for _, c := range texts {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"operator", "reason", "car_desc"} {
				if got := maps.Collect(mustMap(t, m, event(`"`+name+`":`+c.json)).All())[name]; got != c.want {
					t.Errorf("%s: %.60q, want %.60q", name, got, c.want)
				}
			}
		})
	}
}

func TestAbsentOptionalFieldsAreNotSent(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	for _, blank := range []string{`null`, `""`, `"\u3000"`} {
		var members []string
		for _, f := range BuiltIn().Names()[4:] {
			members = append(members, `"`+f+`":`+blank)
		}
		r := mustMap(t, m, event(strings.Join(members, ",")))
		want := map[string]string{"park_uuid": "P1", "flow_no": "F1", "parking_serial": "S1", "plate": "粤B12345"}
		if diff := cmp.Diff(want, maps.Collect(r.All())); diff != "" {
			t.Errorf("%s: %s", blank, diff)
		}
		if r.Suspicions != nil {
			t.Errorf("%s is suspicious: %v", blank, r.Suspicions)
		}
	}
}

func TestNamesAreExact(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	r := mustMap(t, m, []byte(`{"\u0070ark_uuid":"P1","flow\u005Fno":"F1","\u0070\u0061\u0072\u006b\u0069\u006e\u0067\u005f\u0073\u0065\u0072\u0069\u0061\u006c":"S1","plate":"粤B12345",
		"Plate":"x","PLATE":1,"plate ":2,"operator\u0000":3,"plate_colour":4,"reaſon":5,"\ud83d\ude97":6,"\\u0070late":7}`))
	want := map[string]string{"park_uuid": "P1", "flow_no": "F1", "parking_serial": "S1", "plate": "粤B12345"}
	if diff := cmp.Diff(want, maps.Collect(r.All())); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	for name, value := range map[string]string{
		"numbers of any size":    `1e999999999`,
		"duplicates further in":  `{"plate":1,"plate":2}`,
		"U+0000":                 `"a\u0000b"`,
		"long text":              `"` + strings.Repeat("x", 1<<20) + `"`,
		"nesting to level 1,000": strings.Repeat("[", 999) + strings.Repeat("]", 999),
		"mixed nesting":          strings.Repeat(`{"a":[ `, 499) + `{}` + strings.Repeat(` ] }`, 499),
		"empty containers":       `[[],{},[ ],{ },"",[{}],{"":[]}]`,
		"literals":               `[true, false ,null,-0,0.5e-3]`,
	} {
		for _, key := range []string{"app_id", "sign", "lane", "\\u0000", ""} {
			if r := mustMap(t, m, event(`"`+key+`":`+value)); r.sent[named("plate")] != "粤B12345" {
				t.Errorf("%s in %q: plate %q", name, key, r.sent[named("plate")])
			}
		}
	}
}

func TestRequiredFields(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai", BuiltIn().Names()[4:]...)
	good := map[string]string{}
	for _, f := range BuiltIn().Fields {
		good[f.Name] = map[Kind]string{Text: `"x"`, Code: `0`, Time: `20210902173646`}[f.Kind]
	}
	good["plate_color"] = `-1`
	write := func(members map[string]string) []byte {
		var parts []string
		for name, value := range members {
			parts = append(parts, `"`+name+`":`+value)
		}
		return []byte("{" + strings.Join(parts, ",") + "}")
	}
	mustMap(t, m, write(good)) // 0 and -1 are values, not empty
	for _, name := range BuiltIn().Names() {
		for _, blank := range []string{"", `null`, `""`, `" \u3000 "`} {
			members := maps.Clone(good)
			if members[name] = blank; blank == "" {
				delete(members, name)
			}
			want := &Error{Reason: MissingField, Field: name, Offset: -1}
			if diff := cmp.Diff(want, refusal(t, m, write(members)), ignoreDetail); diff != "" {
				t.Errorf("%s as %q: %s", name, blank, diff)
			}
		}
	}
}

var ignoreDetail = cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Detail" }, cmp.Ignore())

func TestNew(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
		want   string
	}{
		{"no zone", Config{}, "no time zone"},
		{"an unknown field", Config{Location: time.UTC, Required: append(BuiltIn().Required(), "app_id", "Plate")}, "app_id is no field of the endpoint\nPlate is no field of the endpoint"},
		{"some of the four left out", Config{Location: time.UTC, Required: []string{"plate", "reason", "flow_no"}}, "park_uuid is always required, but left out\nparking_serial is always required, but left out"},
		{"nothing named", Config{Location: time.UTC}, ""},
		{"the four and more, some twice", Config{Location: time.UTC, Required: append(BuiltIn().Names(), BuiltIn().Names()...)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := New(c.config)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if (m == nil) != (err != nil) {
				t.Errorf("mapper %v, error %v", m, err)
			}
		})
	}
	m, _ := New(Config{Location: time.UTC})
	for _, name := range BuiltIn().Required() {
		value := strings.Replace(string(event(`"reason":"x"`)), `"`+name+`"`, `"x"`, 1)
		if e := refusal(t, m, []byte(value)); e.Reason != MissingField || e.Field != name {
			t.Errorf("without %s: %v", name, e)
		}
	}
}

func TestSuspicions(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	at := time.Date(2024, 5, 1, 12, 0, 0, int(500*time.Millisecond), time.UTC)
	for _, c := range []struct {
		name, members string
		at            time.Time
		want          []Suspicion
	}{
		{"an ordinary event", `"enter_time":"2024-05-01T11:00:00Z","leave_time":"2024-05-01T12:00:00Z","operate_time":"2024-05-01T12:00:00Z","plate_color":1,"car_type":1`, at, nil},
		{"leaving 10 minutes ahead", `"leave_time":"2024-05-01T12:10:00Z"`, at, nil},
		{"leaving more than 10 minutes ahead", `"leave_time":"2024-05-01T12:10:01Z"`, at, []Suspicion{Future}},
		{"operated more than 10 minutes ahead", `"operate_time":"2024-05-01T12:10:01Z"`, at, []Suspicion{Future}},
		{"both ahead count once", `"operate_time":"2025-05-01T12:10:01Z","leave_time":"2025-05-01T12:10:01Z"`, at, []Suspicion{Future}},
		{"entering ahead alone", `"enter_time":"2025-05-01T12:10:01Z"`, at, nil},
		{"the record's time is unknown", `"leave_time":"2099-05-01T12:10:01Z"`, time.Time{}, nil},
		{"left before it came", `"enter_time":"2024-05-01T11:00:01Z","leave_time":"2024-05-01T11:00:00Z"`, at, []Suspicion{LeaveBeforeEnter}},
		{"left as it came", `"enter_time":"2024-05-01T11:00:00Z","leave_time":"2024-05-01T19:00:00+08:00"`, at, nil},
		{"fractions do not count", `"enter_time":"2024-05-01T11:00:00.9Z","leave_time":"2024-05-01T11:00:00.1Z"`, at, nil},
		{"left, never came", `"leave_time":"2024-05-01T11:00:00Z"`, at, nil},
		{"came, never left", `"enter_time":"2024-05-01T11:00:00Z"`, at, nil},
		{"unknown codes", `"plate_color":"purple","car_type":9`, at, []Suspicion{UnknownPlateColor, UnknownCarType}},
		{"all at once", `"plate_color":7,"car_type":"bus","enter_time":"2026-05-01T11:00:00Z","leave_time":"2025-05-01T11:00:00Z"`, at, Suspicions()},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := m.Map(&Record{Value: event(c.members), Time: c.at})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.Suspicions, c.want) {
				t.Errorf("%v, want %v", r.Suspicions, c.want)
			}
		})
	}
}
