package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"release-forwarder/cmd/testkit/repo"
)

// mapperOf maps by a file of testdata/files.
func mapperOf(t testing.TB, name string) *Mapper {
	t.Helper()
	text, err := os.ReadFile("testdata/files/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return mapperBy(t, string(text))
}

// mapperBy maps by the text of a file, in Shanghai.
func mapperBy(t testing.TB, text string) *Mapper {
	t.Helper()
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Config{Location: mapperIn(t, "Asia/Shanghai").location, File: f})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// headers are a record's, in pairs.
func headers(pairs ...string) func(func([]byte, []byte) bool) {
	return func(yield func([]byte, []byte) bool) {
		for i := 0; i < len(pairs); i += 2 {
			if !yield([]byte(pairs[i]), []byte(pairs[i+1])) {
				return
			}
		}
	}
}

// inOneLine is what becomes of a record.
func inOneLine(m *Mapper, rec *Record) string {
	r, err := m.Map(rec)
	if err != nil {
		return err.Error()
	}
	var sent []string
	for name, text := range r.All() {
		sent = append(sent, name+"="+text)
	}
	for _, s := range r.Suspicions {
		sent = append(sent, "suspicious of "+string(s))
	}
	return strings.Join(sent, " ")
}

// quotedJSON is a JSON string that holds JSON.
func quotedJSON(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

func TestNestedFormat(t *testing.T) {
	m := mapperOf(t, "nested.yaml")
	const body = `{"recordId":2211,"opType":2,"parkCode":"0755-01","car":{"no":"粤B12345"},"cars":[{"color":"绿牌"}],` +
		`"inTime":1630575406,"outTime":"2021/09/02 18:36","reasonCode":"2"}`
	const sent = "car_type=1 enter_time=2021-09-02T09:36:46Z flow_no=2211-2 leave_time=2021-09-02T12:36:00Z operate_time=2021-09-02T12:37:00Z " +
		"operator=无人值守 park_uuid=40e06b24-7320-4a61-8d97-7ebccb364a87 parking_serial=2211 plate=粤B12345 plate_color=5 reason=人工放行"
	with := func(from, to string) string { return strings.Replace(body, from, to, 1) }
	whole := func(body string) string { return `{"type":"release","sent":1630586220000,"body":` + body + `}` }
	for _, c := range []struct{ name, value, want string }{
		{"the body is a string", whole(quotedJSON(body)), sent},
		{"the body is an object", whole(body), sent},
		{"a ticket has a number of its own", whole(with(`"car"`, `"ticket":{"no":9007199254740993},"car"`)), strings.Replace(sent, "parking_serial=2211", "parking_serial=9007199254740993", 1)},
		{"a blank ticket is not there", whole(with(`"car"`, `"ticket":{"no":" "},"car"`)), sent},
		{"a ticket that is there and wrong", whole(with(`"car"`, `"ticket":{"no":true},"car"`)), "wrong-type: parking_serial: neither a string nor a number (byte 110)"},
		{"a number that is not whole", whole(with("2211", "2211.5")), "wrong-type: flow_no: a number that is not whole, or not written in digits (byte 58)"},
		{"a part of the flow number is missing", whole(with(`"opType":2,`, "")), "missing-field: flow_no: required, but absent, null or blank"},
		{"another colour", whole(with("绿牌", "粉牌")), strings.Replace(sent, "plate_color=5", "plate_color=-1", 1) + " suspicious of unknown-plate-color"},
		{"a reason that is not listed", whole(quotedJSON(with(`"reasonCode":"2"`, `"reasonCode":3`))), "unknown-code: reason: a code that the mapping file does not have (byte 46)"},
		{"a reason as a number", whole(with(`"reasonCode":"2"`, `"reasonCode":2.0`)), sent},
		{"a lot that is not listed", whole(with("0755-01", "0755-99")), "unknown-code: park_uuid: a code that the mapping file does not have (byte 85)"},
		{"a time in another form", whole(with("2021/09/02 18:36", "2021-09-02 18:36")), "bad-time: leave_time: in none of the forms of a time (byte 178)"},
		{"an entry", `{"type":"entry","body":"not looked at"}`, "ignored by the profile not-a-release"},
		{"a payment without a body", `{"type":"payment"}`, "ignored by the profile not-a-release"},
		{"no body", `{"type":"release"}`, "invalid-json: no object where the mapping file has the event"},
		{"a body of null", whole("null"), "invalid-json: no object where the mapping file has the event (byte 46)"},
		{"a list as body", whole(quotedJSON("[]")), "invalid-json: not a JSON object (byte 46)"},
		{"a body that is cut off", whole(quotedJSON(body[:40])), "invalid-json: the value ends too early (byte 46)"},
		{"bad text in the body", whole(quotedJSON(with("粤B12345", `\ud83d`))), "bad-text: plate: not UTF-8, or half of a surrogate pair (byte 46)"},
		{"a key twice in the body", whole(quotedJSON(with(`"opType"`, `"recordId":1,"opType"`))), "duplicate-key: key twice"},
		{"a key twice on the way to the plate", whole(with(`"no":"粤B12345"`, `"no":"a","no":"b"`)), "duplicate-key: plate: the key is there twice (byte 111)"},
		{"a string in a string is parsed only once", whole(quotedJSON(quotedJSON(body))), "invalid-json: not a JSON object (byte 46)"},
		{"no JSON", `hello`, "invalid-json: not JSON from here on (byte 0)"},
		{"no value", ``, "empty: no value"},
	} {
		if c.want == "duplicate-key: key twice" {
			c.want = "duplicate-key: the key is there twice (byte 46)"
		}
		if got := inOneLine(m, &Record{Value: []byte(c.value)}); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestCloudEvents(t *testing.T) {
	m := mapperOf(t, "cloudevents.yaml")
	const sent = "flow_no=E-1 leave_time=2021-09-02T10:36:46Z operate_time=2021-09-02T10:37:00Z park_uuid=P1 parking_serial=S1 plate=粤B12345"
	const data = `{"serial":"S1","plate":"粤B12345","left":"2021-09-02 18:36:46"}`
	structured := headers("content-type", "application/cloudevents+json; charset=UTF-8")
	binary := headers("ce_specversion", "1.0", "ce_type", "com.example.release", "ce_source", "P1", "ce_id", "E-1", "ce_time", "2021-09-02T10:37:00Z")
	for _, c := range []struct {
		name, want string
		rec        Record
	}{
		{"structured", sent, Record{Headers: structured, Value: []byte(`{"specversion":"1.0","id":"E-1","source":"P1","time":"2021-09-02T10:37:00Z","data":` + data + `}`)}},
		{"binary", sent, Record{Headers: binary, Value: []byte(data)}},
		{"binary, the serial in the key", sent, Record{Headers: binary, Key: []byte(" S1 "), Value: []byte(strings.Replace(data, `"serial":"S1",`, "", 1))}},
		{"a key that is no text", "bad-text: parking_serial: not UTF-8, or half of a surrogate pair", Record{Headers: binary, Key: []byte("\xff"), Value: []byte(strings.Replace(data, `"serial":"S1",`, "", 1))}},
		{"the last header of a name counts", strings.Replace(sent, "park_uuid=P1", "park_uuid=P2", 1), Record{Value: []byte(data), Headers: func(yield func(_, _ []byte) bool) {
			binary(yield)
			yield([]byte("ce_source"), []byte("P2"))
		}}},
		{"another type", "no-profile: no profile of the mapping file fits", Record{Headers: headers("ce_specversion", "1.0", "ce_type", "com.example.entry"), Value: []byte(data)}},
		{"no header", "no-profile: no profile of the mapping file fits", Record{Value: []byte(data)}},
	} {
		if got := inOneLine(m, &c.rec); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		if lot, serial := m.Identify(&c.rec); c.want == sent && (lot != "P1" || serial != "S1") {
			t.Errorf("%s: the order key is %q, %q", c.name, lot, serial)
		}
	}
}

func TestDebezium(t *testing.T) {
	m := mapperOf(t, "debezium.yaml")
	const row = `{"id":2211,"version":2,"lot_uuid":"P1","ticket_id":77,"plate":"粤B12345","left_at":1630607806000}`
	change := func(op, before, after string) string {
		return `{"schema":{"type":"struct","fields":[{"field":"op"}]},"payload":{"before":` + before + `,"after":` + after + `,"source":{"ts_ms":1630579020000},"op":"` + op + `"}}`
	}
	const sent = "flow_no=2211-2 leave_time=2021-09-02T10:36:46Z operate_time=2021-09-02T10:37:00Z park_uuid=P1 parking_serial=77 plate=粤B12345"
	for _, c := range []struct{ name, value, want string }{
		{"a row is written", change("c", "null", row), sent},
		{"a row is changed", change("u", row, row), sent},
		{"a row is deleted", change("d", row, "null"), "ignored by the profile deletes"},
		{"its tombstone", "", "ignored by the profile tombstones"},
		{"a row that was there before", change("r", "null", row), "ignored by the profile snapshots"},
		{"a truncation", change("t", "null", "null"), "invalid-json: no object where the mapping file has the event (byte 87)"},
	} {
		if got := inOneLine(m, &Record{Value: []byte(c.value)}); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

const requiredRules = `park_uuid: {from: p}, flow_no: {from: f}, parking_serial: {from: s}, plate: {from: c}`

func TestTopicsAndPrefix(t *testing.T) {
	m := mapperBy(t, `profiles: [{name: a, when: {topic: [lanes-a, lanes-b]}, prefix: confluent, fields: {`+requiredRules+`}}, {name: c, when: {topic: lanes-c}, ignore: true}]`)
	const event = `{"p":"P1","f":"F1","s":"S1","c":"粤B12345"}`
	const sent = "flow_no=F1 park_uuid=P1 parking_serial=S1 plate=粤B12345"
	for _, c := range []struct{ topic, value, want string }{
		{"lanes-a", "\x00\x00\x00\x00\x07" + event, sent},
		{"lanes-b", "\x00\xff\xff\xff\xff" + event, sent},
		{"lanes-a", event, "invalid-json: does not begin with the five bytes of the Confluent wire format (byte 0)"},
		{"lanes-a", "\x00\x00\x00", "invalid-json: does not begin with the five bytes of the Confluent wire format (byte 0)"},
		{"lanes-a", "\x00\x00\x00\x00\x07" + `{"p":1}`, "wrong-type: park_uuid: not a string (byte 10)"},
		{"lanes-a", "\x00\x00\x00\x00\x07" + `{"p":x}`, "invalid-json: not JSON from here on (byte 10)"},
		{"lanes-a", "", "empty: no value"},
		{"lanes-c", "whatever it is", "ignored by the profile c"},
		{"lanes-d", "\x00\x00\x00\x00\x07" + event, "no-profile: no profile of the mapping file fits"},
	} {
		if got := inOneLine(m, &Record{Topic: c.topic, Value: []byte(c.value)}); got != c.want {
			t.Errorf("%s, %q:\n got %s\nwant %s", c.topic, c.value, got, c.want)
		}
	}
}

// Two profiles whose events lie in different strings: both are parsed, whichever comes first.
func TestTwoStringsAreParsed(t *testing.T) {
	m := mapperBy(t, `profiles: [{name: a, when: {value: {$.kind: a}}, event: one, fields: {`+requiredRules+`}}, {name: b, event: two, fields: {`+requiredRules+`}}]`)
	event := func(n string) string {
		return quotedJSON(`{"p":"P` + n + `","f":"F` + n + `","s":"S` + n + `","c":"粤B1234` + n + `"}`)
	}
	for kind, n := range map[string]string{"a": "1", "b": "2"} {
		rec := &Record{Value: []byte(`{"one":` + event("1") + `,"two":` + event("2") + `,"kind":"` + kind + `"}`)}
		want := "flow_no=F" + n + " park_uuid=P" + n + " parking_serial=S" + n + " plate=粤B1234" + n
		if got := inOneLine(m, rec); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
		if got := m.OrderKey(rec); got != "P"+n+"\x00S"+n {
			t.Errorf("%s: the order key is %q", kind, got)
		}
	}
}

func TestLayouts(t *testing.T) {
	zone := mapperIn(t, "Asia/Shanghai").location
	for _, c := range []struct{ layout, text, want string }{
		{"yyyy/MM/dd HH:mm", "2021/09/02 18:36", "2021-09-02T10:36:00Z"},
		{"yyyyMMddHHmmssSSS", "20210902183646020", "2021-09-02T10:36:46Z"},
		{"d.M.yyyy H:mm:ss", "2.9.2021 8:36:46", "2021-09-02T00:36:46Z"},
		{"d.M.yyyy H:mm:ss", "12.10.2021 18:36:46", "2021-10-12T10:36:46Z"},
		{"yyyy-MM-dd'T'HH:mm:ssXXX", "2021-09-02T18:36:46+02:00", "2021-09-02T16:36:46Z"},
		{"yyyy-MM-dd'T'HH:mm:ssXXX", "2021-09-02T18:36:46Z", "2021-09-02T18:36:46Z"},
		{"yyyy-MM-dd HH:mm:ss XX", "2021-09-02 18:36:46 +0800", "2021-09-02T10:36:46Z"},
		{"yyyy年MM月dd日 HH:mm", "2021年09月02日 18:36", "2021-09-02T10:36:00Z"},
		{"yyyy/MM/dd HH:mm", "2021/9/02 18:36", noTimeForm},
		{"yyyy/MM/dd HH:mm", "2021/09/02 18:36:46", noTimeForm},
		{"yyyy/MM/dd HH:mm", "2021/09/02 18:3", noTimeForm},
		{"yyyy/MM/dd HH:mm", "2021/02/30 18:36", noSuchTime},
		{"yyyy/MM/dd HH:mm", "2021/13/02 18:36", noSuchTime},
		{"yyyy/MM/dd HH:mm", "2021/09/02 24:00", noSuchTime},
		{"yyyy/MM/dd HH:mm", "1999/09/02 18:36", outOfBounds},
	} {
		l, err := layoutOf(c.layout)
		if err != nil {
			t.Errorf("%s: %v", c.layout, err)
			continue
		}
		at, problem := l.read(c.text, zone)
		if got := at.UTC().Format(time.RFC3339); problem != c.want && (problem != "" || got != c.want) {
			t.Errorf("%s, %s: %s %s, want %s", c.layout, c.text, got, problem, c.want)
		}
	}
	for _, c := range []struct{ form, text, want string }{
		{"unix-seconds", "1630575406", "2021-09-02T09:36:46Z"},
		{"unix-seconds", "1630575406.75", "2021-09-02T09:36:46Z"},
		{"unix-seconds", "1630575406020", outOfBounds},
		{"unix-seconds", "-1", noTimeForm},
		{"unix-seconds", "1.6e9", noTimeForm},
		{"unix-seconds", "99999999999999999999", noTimeForm},
		{"unix-seconds", "4611686018427387903", outOfBounds},
		{"unix-millis", "1630575406020", "2021-09-02T09:36:46Z"},
		{"unix-millis", "1630575406", outOfBounds},
		{"unix-millis-local", "1630604206020", "2021-09-02T09:36:46Z"},
		{"unix-millis-local", "4611686018427387903", outOfBounds},
	} {
		at, problem := timeForms[c.form].read(c.text, zone)
		if got := at.UTC().Format(time.RFC3339); problem != c.want && (problem != "" || got != c.want) {
			t.Errorf("%s, %s: %s %s, want %s", c.form, c.text, got, problem, c.want)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"a", []string{"a"}},
		{"a.b.0.c", []string{"a", "b", "0", "c"}},
		{`"a.b".c`, []string{"a.b", "c"}},
		{`a."b\"c"`, []string{"a", `b"c`}},
		{"车.牌", []string{"车", "牌"}},
		{`"key"`, []string{"key"}},
		{"", nil}, {".a", nil}, {"a.", nil}, {"a..b", nil}, {`"a`, nil}, {`"a"b`, nil}, {"a. b", nil},
		{strings.Repeat("a.", 16) + "a", nil},
	} {
		if got, err := pathOf(c.text); !slices.Equal(got, c.want) && c.want != nil || (err != nil) != (c.want == nil) {
			t.Errorf("%q: %q, %v; want %q", c.text, got, err, c.want)
		}
	}
}

// Each mistake as it is printed, with the line and column that a person looks at.
func TestMistakes(t *testing.T) {
	var out strings.Builder
	for _, c := range mistakes(t) {
		_, err := Parse([]byte(c.text))
		e, is := errors.AsType[*FileError](err)
		if !is {
			t.Errorf("%s: taken, or another error: %v", c.name, err)
			continue
		}
		fmt.Fprintf(&out, "# %s\n%s", c.name, c.text)
		for _, m := range e.Mistakes {
			fmt.Fprintf(&out, "=> %s\n", m)
		}
		fmt.Fprintln(&out)
	}
	compareGolden(t, "testdata/mistakes.golden", out.String())
}

type wrongFile struct{ name, text string }

// mistakes are the wrong files of testdata/mistakes.txt: "# what is wrong", then the file.
func mistakes(t *testing.T) (all []wrongFile) {
	t.Helper()
	text, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		t.Fatal(err)
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(string(text), "# "), "\n# ") {
		name, file, _ := strings.Cut(part, "\n")
		all = append(all, wrongFile{name, strings.ReplaceAll(strings.TrimSuffix(file, "\n")+"\n", "REQUIRED", requiredRules)})
	}
	return all
}

// fileSchemaOf compiles the schema of a mapping file.
func fileSchemaOf(t testing.TB) *jsonschema.Schema {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(FileSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mapping.json", parsed); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("mapping.json")
}

// asJSON is a YAML file as a validator of JSON sees it.
func asJSON(text []byte) (value any, err error) {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	written, err := json.Marshal(textKeys(v))
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(strings.NewReader(string(written)))
}

// textKeys makes keys texts, as JSON's are.
func textKeys(v any) any {
	switch v := v.(type) {
	case map[any]any:
		m := map[string]any{}
		for key, value := range v {
			m[fmt.Sprint(key)] = textKeys(value)
		}
		return m
	case map[string]any:
		for key := range v {
			v[key] = textKeys(v[key])
		}
	case []any:
		for i := range v {
			v[i] = textKeys(v[i])
		}
	}
	return v
}

// Of a file the parser takes the schema takes too. Of the wrong ones it refuses all that
// it can: the list names those that it cannot.
func TestTheFileSchemaAgrees(t *testing.T) {
	schema := fileSchemaOf(t)
	good := map[string]string{"built-in": BuiltInFile()}
	names, err := filepath.Glob("testdata/files/*.yaml")
	if err != nil || len(names) < 4 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		good[name] = string(text)
	}
	for name, text := range good {
		if _, err := Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if value, err := asJSON([]byte(text)); err != nil {
			t.Error(err)
		} else if err := schema.Validate(value); err != nil {
			t.Errorf("%s: the parser takes it, the schema does not: %v", name, err)
		}
	}
	var beyond []string
	for _, c := range mistakes(t) {
		value, err := asJSON([]byte(c.text))
		if err == nil && schema.Validate(value) == nil {
			beyond = append(beyond, c.name)
		}
	}
	compareGolden(t, "testdata/beyond-the-schema.golden", strings.Join(beyond, "\n")+"\n")
}

// The schema has the keywords of the table, and describes each.
func TestTheFileSchemaHasTheKeywords(t *testing.T) {
	type part struct {
		Properties map[string]struct{ Description string }
	}
	var schema struct {
		Defs struct{ Endpoint, EndpointField, Profile, When, Field part } `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(FileSchema()), &schema); err != nil {
		t.Fatal(err)
	}
	for in, def := range map[string]part{
		inEndpoint: schema.Defs.Endpoint, inField: schema.Defs.EndpointField,
		inProfile: schema.Defs.Profile, inWhen: schema.Defs.When, inRule: schema.Defs.Field,
	} {
		var want []string
		for _, k := range Keywords() {
			if k.In == in {
				want = append(want, k.Name)
				if got := def.Properties[k.Name].Description; got != strings.ReplaceAll(k.Means, "`", "") {
					t.Errorf("%s, %s: %q", in, k.Name, got)
				}
			}
		}
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(def.Properties)); !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", in, got, want)
		}
	}
	var fields struct {
		Defs struct {
			BuiltInFields struct{ Properties map[string]any }
		} `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(FileSchema()), &fields); err != nil {
		t.Fatal(err)
	}
	want := BuiltIn().Names()
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(fields.Defs.BuiltInFields.Properties)); !slices.Equal(got, want) {
		t.Errorf("the fields are %v, want %v", got, want)
	}
}

// The example of each keyword is a part of a file that is taken.
func TestExamplesOfKeywords(t *testing.T) {
	for _, k := range Keywords() {
		text := map[string]string{
			inWhen:    "profiles: [{name: a, when: {%s}, fields: {" + requiredRules + "}}]",
			inProfile: "profiles: [{%s, fields: {" + requiredRules + "}}]",
			inRule:    "profiles: [{name: a, fields: {" + requiredRules + ", %s}}]",
		}[k.In]
		with := k.Example
		if k.In == inFile || k.In == inEndpoint || k.In == inField {
			continue // the next test
		}
		switch k.Name {
		case "name":
		case "fields":
			text, with = "profiles: [{name: a, %s}]", "fields: {"+requiredRules+"}"
		case "ignore":
			text = "profiles: [{name: a, when: {topic: a}, %s}, {name: b, fields: {" + requiredRules + "}}]"
		case "from", "join", "const":
			with = "operator: {" + with + "}"
		case "time", "zone":
			with = "leave_time: {from: a, " + with + "}"
		case "otherwise":
			with = "plate_color: {from: a, codes: {a: 1}, " + with + "}"
		case "digits", "required":
			with = "reason: {from: a, " + with + "}"
		case "lookup":
			text, with = "profiles: [{name: a, fields: {"+strings.Replace(requiredRules, "{from: p}", "{from: p, %s}", 1)+"}}]", k.Example
		case "codes":
			with = "plate_color: {from: a, " + with + "}"
		default:
			if k.In == inProfile {
				with = "name: a, " + with
			}
		}
		if _, err := Parse(fmt.Appendf(nil, text, with)); err != nil {
			t.Errorf("%s: %v", k.Example, err)
		}
	}
}

// The examples of an endpoint's keywords are those of one file.
func TestExamplesOfAnEndpoint(t *testing.T) {
	text, fields := "endpoint:\n", `
    - {name: park_uuid, kind: text, required: true}
    - {name: parking_serial, kind: text, required: true}
`
	for i, k := range Keywords() {
		switch name := fmt.Sprintf("name: f%d, ", i); {
		case k.In == inEndpoint && k.Name == "fields":
			text += "  " + k.Example
		case k.In == inEndpoint:
			text += "  " + k.Example + "\n"
		case k.In != inField:
		case k.Name == "name":
			fields += "    - {" + k.Example + ", kind: text}\n"
		case k.Name == "kind":
			fields += "    - {" + name + k.Example + "}\n"
		case k.Name == "codes":
			fields += "    - {" + name + "kind: code, " + k.Example + "}\n"
		case k.Name == "otherwise":
			fields += "    - {" + name + "kind: code, codes: {2: []}, " + k.Example + "}\n"
		default:
			fields += "    - {" + name + "kind: text, " + k.Example + "}\n"
		}
	}
	text += fields + "profiles: [{name: a, fields: {park_uuid: {from: a}, parking_serial: {from: b}, REST}}]\n"
	f, err := Parse([]byte(strings.Replace(text, "REST", "f11: {from: c}", 1)))
	if err != nil {
		t.Fatal(err, text)
	}
	if e := f.Endpoint; e == BuiltIn() || e.Name != "release" || len(e.Fields) != 9 {
		t.Errorf("%+v", e)
	}
}

const keywordsBegin, keywordsEnd = "<!-- keywords: begin -->\n", "<!-- keywords: end -->\n"

func TestTheReferencePageIsTheKeywords(t *testing.T) {
	var table strings.Builder
	in := ""
	for _, k := range Keywords() {
		if k.In != in {
			in = k.In
			fmt.Fprintf(&table, "\nIn %s:\n\n| keyword | takes | meaning | example |\n| --- | --- | --- | --- |\n", in)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | `%s` |\n", k.Name, k.Takes, k.Means, k.Example)
	}
	table.WriteString("\n")
	repo.Generated(t, "docs/reference/mapping-file.md", keywordsBegin, keywordsEnd, table.String(), *repo.Update)
}

// The built-in file as a file of the operator's maps as it does without one.
func TestTheBuiltInFileIsSuchAFile(t *testing.T) {
	m := mapperBy(t, BuiltInFile())
	built := mapperIn(t, "Asia/Shanghai")
	for _, value := range recorded(t) {
		rec := &Record{Value: value, Time: typicalAt}
		if diff := cmp.Diff(inOneLine(built, rec), inOneLine(m, rec)); diff != "" || built.OrderKey(rec) != m.OrderKey(rec) {
			t.Errorf("%.200q: %s", value, diff)
		}
	}
}

// wideValue is an event for wide.yaml.
func wideValue() []byte {
	return []byte(`{"kind":"release","body":` + quotedJSON(`{"recordId":2211,"opType":2,"park":{"uuid":"40e06b24-7320-4a61-8d97-7ebccb364a87"},"ticket":{"no":"PS-123456789"},`+
		`"car":{"no":"粤BD12345","type":"T","desc":"临停/月卡A"},"cars":[{"color":"绿牌"}],"inTime":1630575406,"outTime":"2021/09/02 18:36","ts":1630607806000,`+
		`"operator":{"name":"张三"},"reasonCode":2}`) + `}`)
}

func BenchmarkProfile(b *testing.B) {
	m := mapperOf(b, "wide.yaml")
	rec := &Record{Topic: "lanes-a", Value: wideValue(), Time: typicalAt}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Map(rec); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAllocationsOfAProfile(t *testing.T) {
	built, wide := mapperIn(t, "Asia/Shanghai"), mapperOf(t, "wide.yaml")
	of := func(m *Mapper, rec *Record) float64 {
		return testing.AllocsPerRun(100, func() {
			if _, err := m.Map(rec); err != nil {
				t.Fatal(err)
			}
		})
	}
	plain := of(built, &Record{Value: typical, Time: typicalAt})
	if got := of(wide, &Record{Topic: "lanes-a", Value: wideValue(), Time: typicalAt}); got > plain+10 {
		t.Errorf("%v allocations, the built-in contract makes %v", got, plain)
	}
}

// FuzzFile reads rubbish by files, and rubbish as files: no panic, and the order key is Map's.
func FuzzFile(f *testing.F) {
	mappers := map[string]*Mapper{}
	for _, name := range []string{"nested.yaml", "cloudevents.yaml", "debezium.yaml", "wide.yaml", "lookup.yaml"} {
		text, err := os.ReadFile("testdata/files/" + name)
		if err != nil {
			f.Fatal(err)
		}
		mappers[name] = mapperBy(f, string(text))
		f.Add(text, "lanes-a")
	}
	f.Add(wideValue(), "lanes-a")
	f.Add([]byte(`{"type":"release","body":"{\"recordId\":1}"}`), "")
	f.Add([]byte(`{"payload":{"after":{"id":1},"op":"c"}}`), "")
	f.Fuzz(func(t *testing.T, value []byte, word string) {
		if own, err := Parse(value); err == nil {
			mappers["own"] = &Mapper{file: own, location: time.UTC}
		}
		for name, m := range mappers {
			rec := &Record{Topic: word, Key: []byte(word), Value: value, Headers: headers("content-type", word, "ce_type", word)}
			r, err := m.Map(rec)
			lot, serial := m.Identify(rec)
			checkExplanation(t, m, rec)
			m.Plain(rec)
			var refused *Error
			var ignored *Ignored
			var unlisted *Unlisted
			switch {
			case errors.As(err, &unlisted):
				if lot != unlisted.Code {
					t.Fatalf("%s: Map says %+v, Identify %q", name, unlisted, lot)
				}
			case err == nil:
				if lot != r.Lot() || serial != r.sent[parkingSerial] {
					t.Fatalf("%s: Identify says %q and %q, Map %q and %q", name, lot, serial, r.Lot(), r.sent[parkingSerial])
				}
				for name, v := range r.All() {
					checkSent(t, name, v)
				}
			case errors.As(err, &refused):
				if !slices.Contains(Reasons(), refused.Reason) || !slices.Contains(Details(), refused.Detail) || refused.Offset > len(value) {
					t.Fatalf("%s: an error out of its bounds: %+v", name, refused)
				}
			case !errors.As(err, &ignored):
				t.Fatal(err)
			}
		}
		delete(mappers, "own")
	})
}

// Rubbish of a megabyte costs a file's mapper at most memory in proportion, as it does the
// built-in contract.
func TestHostileMegabytesAreBoundedByAFile(t *testing.T) {
	m := mapperOf(t, "nested.yaml")
	values := hostile()
	for name, value := range hostile() {
		values[name+", in a body"] = []byte(`{"body":` + string(value) + `}`)
		if quoted, err := json.Marshal(string(value)); err == nil {
			values[name+", in a string"] = []byte(`{"body":` + string(quoted) + `}`)
		}
	}
	for name, value := range values {
		rec := &Record{Value: value}
		limit := 6.0
		if strings.Contains(name, "keys") {
			limit = 24
		}
		if got := allocated(func() { _, _ = m.Map(rec); m.Identify(rec) }) / float64(len(value)); got > limit {
			t.Errorf("%s: %.2f bytes for each byte, want at most %v", name, got, limit)
		}
	}
}
