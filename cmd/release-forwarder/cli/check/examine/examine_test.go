package examine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"release-forwarder/cmd/testkit/repo"
	"release-forwarder/mapping"
)

var theTime = time.Date(2021, 9, 2, 10, 36, 50, 0, time.UTC)

// mapperIn makes a Mapper for a zone, with fields that are required beyond the four.
func mapperIn(t testing.TB, zone string, alsoRequired ...string) *mapping.Mapper {
	t.Helper()
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.New(mapping.Config{Location: location, Required: append(mapping.BuiltIn().Required(), alsoRequired...)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func event(members string) []byte {
	return []byte(`{"park_uuid":"P1","flow_no":"F1","parking_serial":"S1","plate":"粤B12345",` + members + "}")
}

// told is an examination in words, one line a finding.
func told(x *Examination) string {
	var lines []string
	for _, f := range x.Faults {
		line := f.Error.Error()
		if f.Guess != (Guess{}) {
			line += fmt.Sprintf(" = %s %s", f.Guess.Looks, f.Guess.Send)
		}
		lines = append(lines, line)
	}
	for _, key := range x.Ignored {
		lines = append(lines, "ignored "+key)
	}
	for _, w := range x.Warnings {
		lines = append(lines, fmt.Sprintf("%s %s", w.Suspicion, w.Field))
	}
	if x.Encoding != "" {
		lines = append(lines, "in "+string(x.Encoding))
	}
	return strings.Join(lines, "\n")
}

func inUTF16(text string, order binary.AppendByteOrder) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return b
}

func TestExamineFindsAllFaults(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai", "operator")
	const both = `{"park_uuid":"P1","flow_no":2,"parking_serial":"S1","operator":"o","leave_time":1630575406}`
	for _, c := range []struct{ name, value, want string }{
		{"nothing", string(event(`"operator":"o"`)), ""},
		{"in the order of the fields", `{"leave_time":"2021-09-02 24:00:00","car_type":[],"parking_serial":"S1","flow_no":2,"reason":"\u0000"}`,
			"missing-field: park_uuid: required, but absent, null or blank\nwrong-type: flow_no: not a string (byte 82)\n" +
				"missing-field: plate: required, but absent, null or blank\nwrong-type: car_type: neither a string nor a number (byte 47)\n" +
				"bad-time: leave_time: no such date or time of day (byte 14)\nmissing-field: operator: required, but absent, null or blank\nbad-text: reason: holds U+0000 (byte 93)"},
		{"bad text first, then keys, then fields", "{\"x\":[\"\xff\"],\"x\":1,\"plate\":\"\xff\",\"flow_no\":1,\"operator\":[\"\xff\"],\"plate\":2,\"\xff\":\"\xff\"}",
			"bad-text: not UTF-8, or half of a surrogate pair (byte 7)\nduplicate-key: the key is there twice (byte 11)\nbad-text: plate: not UTF-8, or half of a surrogate pair (byte 26)\n" +
				"bad-text: operator: not UTF-8, or half of a surrogate pair (byte 54)\nduplicate-key: plate: the key is there twice (byte 58)\n" +
				"bad-text: not UTF-8, or half of a surrogate pair (byte 69)\nbad-text: not UTF-8, or half of a surrogate pair (byte 73)\n" +
				"missing-field: park_uuid: required, but absent, null or blank\nwrong-type: flow_no: not a string (byte 39)\n" +
				"missing-field: parking_serial: required, but absent, null or blank\nwrong-type: plate: not a string (byte 66)\nwrong-type: operator: not a string (byte 52)\nignored x"},
		{"keys that are there three times", string(event(`"operator":"o","x":1,"x":2,"x":3,"plate":"y","plate":"z"`)),
			"duplicate-key: the key is there twice (byte 96)\nduplicate-key: plate: the key is there twice (byte 108)\nignored x"},
		{"keys that are ignored", string(event(`"operator":"o","leaveTime":1,"a\u0062":{"plate":1},"app_id":"x"`)), "ignored leaveTime\nignored ab\nignored app_id"},
		{"not JSON: nothing more can be told", `{"plate":1,"leaveTime":2,,}`, "invalid-json: not JSON from here on (byte 25)"},
		{"a byte order mark, and what is behind it", byteOrderMark + both, "invalid-json: not JSON from here on (byte 0)\nwrong-type: flow_no: not a string (byte 31)\n" +
			"missing-field: plate: required, but absent, null or blank\nbad-time: leave_time: in none of the forms of a time (byte 83) = unix-seconds 1630575406000\nin utf-8-bom"},
		{"UTF-16 with its mark", string(inUTF16(byteOrderMark+both, binary.LittleEndian)), "invalid-json: not JSON from here on (byte 0)\nwrong-type: flow_no: not a string\n" +
			"missing-field: plate: required, but absent, null or blank\nbad-time: leave_time: in none of the forms of a time = unix-seconds 1630575406000\nin utf-16"},
		{"UTF-16 without a mark", string(inUTF16(string(event(`"operator":"o"`)), binary.BigEndian)), "invalid-json: not JSON from here on (byte 0)\nin utf-16"},
		{"GBK", "{\"park_uuid\":\"P1\",\"flow_no\":\"F1\",\"parking_serial\":\"S1\",\"plate\":\"\xd4\xc1B12345\",\"operator\":\"\xd5\xc5\xc8\xfd\"}",
			"bad-text: plate: not UTF-8, or half of a surrogate pair (byte 64)\nbad-text: operator: not UTF-8, or half of a surrogate pair (byte 86)\nin gbk"},
		{"a wrong byte in UTF-8", string(event("\"operator\":\"Ren\xe9e\"")), "bad-text: operator: not UTF-8, or half of a surrogate pair (byte 90)"},
		{"Latin-1 whose bytes could be GBK", "{\"operator\":\"Ren\xe9e\",", "invalid-json: the value ends too early (byte 20)"},
		{"neither UTF-8 nor GBK", "{\"plate\":\"caf\xe9\"", "invalid-json: the value ends too early (byte 15)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, told(Event(m, &mapping.Record{Value: []byte(c.value), Time: time.Time{}}))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExamineNamesTheFieldOfAWarning(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	const strange = `{"enter_time":"2031-01-01 00:00:00","leave_time":"2026-01-01 08:10:01","operate_time":"2030-01-01 00:00:00","plate_color":"pink","car_type":9,"operator":null,"reason":" ","plate":{},"extra":1}`
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	x := Event(m, &mapping.Record{Value: []byte(strange), Time: at})
	want := []Warning{
		{mapping.Future, "leave_time", ""}, {mapping.Future, "operate_time", ""}, {mapping.LeaveBeforeEnter, "leave_time", ""},
		{mapping.UnknownPlateColor, "plate_color", "-1 unknown 未知; 1 blue 蓝 蓝色; 2 yellow 黄 黄色; 3 white 白 白色; 4 black 黑 黑色; 5 green 绿 绿色"},
		{mapping.UnknownCarType, "car_type", "0 other 其他 其他未知; 1 temporary 临停 临停车辆; 2 monthly 月卡 月卡车辆; 3 vip 免费车 贵宾车辆 贵宾车辆(免费车); 4 stored_value 储值 储值车辆"},
	}
	if diff := cmp.Diff(want, x.Warnings); diff != "" {
		t.Error(diff)
	}
	if want := []string{"park_uuid", "flow_no", "parking_serial", "car_desc", "operator", "reason"}; !slices.Equal(x.Absent, want) {
		t.Errorf("absent are %v", x.Absent)
	}
	if x := Event(m, &mapping.Record{Value: []byte(strange), Time: at.Add(time.Second)}); len(x.Warnings) != 4 {
		t.Errorf("10 minutes ahead: %v", x.Warnings)
	}
}

// What is proposed for a time is what it was meant as.
func TestGuessesOfTimes(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	for _, c := range []struct {
		json  string
		looks Looks
		send  string
	}{
		{`1630575406`, UnixSeconds, "1630575406000"},
		{`"1630575406"`, UnixSeconds, "1630575406000"},
		{`1630575406.02`, UnixSeconds, "1630575406020"},
		{`1.630575406e9`, UnixSeconds, "1630575406000"},
		{`1630575406020123`, UnixMicroseconds, "1630575406020"},
		{`1630575406020123456`, UnixNanoseconds, "1630575406020"},
		{`1630575406020.0`, NotPlainDigits, "1630575406020"},
		{`1.63057540602e12`, NotPlainDigits, "1630575406020"},
		{`"+1630575406020"`, NotPlainDigits, "1630575406020"},
		{`2.0210902173646e13`, NotPlainDigits, "20210902173646"},
		{`"2021-09-02"`, DateAlone, ""},
		{`20210902`, DateAlone, ""},
		{`"2021年9月2日"`, DateAlone, ""},
		{`"2021/09/02 17:36:46"`, OtherSpelling, "2021-09-02 17:36:46"},
		{`"2021-9-2 7:36"`, OtherSpelling, "2021-09-02 07:36:00"},
		{`"2021年9月2日17时36分46秒"`, OtherSpelling, "2021-09-02 17:36:46"},
		{`"2021年9月2日 17时36分"`, OtherSpelling, "2021-09-02 17:36:00"},
		{`"２０２１－０９－０２　１７：３６：４６"`, OtherSpelling, "2021-09-02 17:36:46"},
		{`"2021-09-02 17:36:46+08:00"`, OtherSpelling, "2021-09-02T17:36:46+08:00"},
		{`"2021-09-02T17:36:46+0800"`, OtherSpelling, "2021-09-02T17:36:46+08:00"},
		{`"2021-09-02T17:36:46 +08"`, OtherSpelling, "2021-09-02T17:36:46+08:00"},
		{`"2021-09-02 09:36:46 UTC"`, OtherSpelling, "2021-09-02T09:36:46Z"},
		{`"2021-09-02T17:36:46,020"`, OtherSpelling, "2021-09-02 17:36:46.020"},
		{`"20210902173646020"`, OtherSpelling, "2021-09-02 17:36:46.020"},
		{`"20210902T093646Z"`, OtherSpelling, "2021-09-02T09:36:46Z"},
		{`202109021736`, OtherSpelling, "2021-09-02 17:36:00"},
		{`"2021-02-30"`, "", ""},
		{`"2021-09-02 17:36:46 CST"`, "", ""},
		{`"2021-09-02 05:36:46 PM"`, "", ""},
		{`"09/02/2021 17:36:46"`, "", ""},
		{`9999999999`, "", ""},
		{`1e400`, "", ""},
		{`"x"`, "", ""},
	} {
		x := Event(m, &mapping.Record{Value: event(`"leave_time":` + c.json), Time: time.Time{}})
		if len(x.Faults) != 1 || x.Faults[0].Guess != (Guess{c.looks, c.send}) {
			t.Errorf("%s: %s, want %s %s", c.json, told(x), c.looks, c.send)
		}
	}
}

// checkExamination checks the promises of Event with any value.
func checkExamination(t *testing.T, m *mapping.Mapper, value []byte, at time.Time) {
	t.Helper()
	before := bytes.Clone(value)
	r, err := m.Map(&mapping.Record{Value: value, Time: at})
	x := Event(m, &mapping.Record{Value: value, Time: at})
	if !bytes.Equal(before, value) {
		t.Fatal("the value is changed")
	}
	if (err == nil) != (len(x.Faults) == 0) || (r == nil) != (x.Release == nil) {
		t.Fatalf("Map says %v, Event\n%s", err, told(x))
	}
	if e, refused := errors.AsType[*mapping.Error](err); refused && *x.Faults[0].Error != *e {
		t.Fatalf("Map says %v, Event\n%s", err, told(x))
	}
	var kinds []mapping.Suspicion
	for _, w := range x.Warnings {
		kinds = append(kinds, w.Suspicion)
	}
	if r != nil && !slices.Equal(slices.Compact(kinds), r.Suspicions) {
		t.Fatalf("Map says %v, Event\n%s", r.Suspicions, told(x))
	}
	refused, _ := errors.AsType[*mapping.Error](err)
	readable := refused == nil || refused.Reason != mapping.Empty && refused.Reason != mapping.InvalidJSON
	if shape := ShapeOf(value); (shape == WholeObject) != readable && x.Encoding == "" {
		t.Fatalf("the shape is %v", shape)
	}
	for i, f := range x.Faults {
		if !slices.Contains(mapping.Reasons(), f.Reason) || !slices.Contains(mapping.Details(), f.Detail) || f.Offset >= len(value)+1 {
			t.Fatalf("a fault out of its bounds: %v", f)
		}
		if f.Guess.Looks != "" && !slices.Contains(AllLooks(), f.Guess.Looks) {
			t.Fatalf("an unknown guess: %v", f.Guess)
		}
		if f.Guess.Send != "" && !m.TakesTime(f.Guess.Send) {
			t.Fatalf("%q is proposed", f.Guess.Send)
		}
		for _, other := range x.Faults[:i] {
			if *other.Error == *f.Error {
				t.Fatalf("twice: %v", f)
			}
		}
	}
}

// recorded are the values whose results mapping's golden file holds, but the longest.
func recorded(t testing.TB) (values [][]byte) {
	t.Helper()
	for line := range strings.Lines(repo.Read(t, "mapping/testdata/built-in.golden")) {
		if value, err := strconv.Unquote(strings.TrimSuffix(line, "\n")); err == nil {
			values = append(values, []byte(value))
		}
	}
	if len(values) < 100 {
		t.Fatalf("%d values alone", len(values))
	}
	return values
}

func TestPromisesOnWhatIsRecorded(t *testing.T) {
	for _, zone := range []string{"Asia/Shanghai", "America/New_York"} {
		m := mapperIn(t, zone)
		for _, value := range recorded(t) {
			checkExamination(t, m, value, theTime)
		}
	}
}

func FuzzEvent(f *testing.F) {
	for _, value := range recorded(f) {
		f.Add(value, int64(0))
	}
	m := mapperIn(f, "Asia/Shanghai")
	f.Fuzz(func(t *testing.T, value []byte, at int64) {
		checkExamination(t, m, value, time.UnixMilli(at))
	})
}

// A hostile value costs at most memory in proportion to its length.
func TestExaminationsAreBounded(t *testing.T) {
	m := mapperIn(t, "Asia/Shanghai")
	const size = 1 << 20
	keys := func(key string) []byte {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			b.WriteString(strings.ReplaceAll(key, "#", strconv.FormatInt(int64(i), 16)))
		}
		return event(b.String() + `"end":0`)
	}
	for name, value := range map[string][]byte{
		"nesting that is never closed": event(`"x":` + strings.Repeat("[", size)),
		"a long string of Chinese":     event(`"x":"` + strings.Repeat("车", size/3) + `"`),
		"a plate of escapes":           event(`"plate_color":"` + strings.Repeat(`\n`, size/2) + `"`),
		"bad UTF-8":                    event(`"x":"` + strings.Repeat("\xff", size) + `"`),
		"many keys":                    keys(`"#":0,`),
		"many keys twice":              keys(`"#":0,"#":0,`),
		"one field's key many times":   keys(`"plate":"#",`),
		"UTF-16":                       bytes.Repeat([]byte("{\x00"), size/2),
	} {
		limit := 16.0 // copies: of the value, and of its text in another encoding
		if strings.Contains(name, "key") {
			limit = 100 // keys, and faults about them
		}
		if got := allocated(func() { Event(m, &mapping.Record{Value: value, Time: theTime}) }) / float64(len(value)); got > limit {
			t.Errorf("%s: %.2f bytes for each byte, want at most %v", name, got, limit)
		}
	}
}

// allocated is how many bytes run allocates.
func allocated(run func()) float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	run() // allocate what is made once
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc)
}

func TestShapes(t *testing.T) {
	for text, want := range map[string]Shape{
		"": NoObject, " \n": NoObject, "[": NoObject, "{]": NoObject, `{"a":1}}`: NoObject, `{"a":1}{`: NoObject, "\"{": NoObject,
		"{": BegunObject, " {\n": BegunObject, `{"a`: BegunObject, `{"a":[1,`: BegunObject, byteOrderMark + "{": BegunObject, "{\"a\":\"\xd4\xc1": BegunObject,
		"{}": WholeObject, "{\n\"a\": {}\n}\n": WholeObject, byteOrderMark + "{}": WholeObject, "{\"a\":\"\xff\",\"a\":1}": WholeObject,
	} {
		if got := ShapeOf([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
