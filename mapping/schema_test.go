package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("event.schema.json", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("event.schema.json") // checks it against draft 2020-12's own schema too
	if err != nil {
		t.Fatal(err)
	}
	if s.DraftVersion != 2020 {
		t.Fatalf("draft %d", s.DraftVersion)
	}
	return s
}

func accepts(t interface{ Fatal(...any) }, s *jsonschema.Schema, value []byte) bool {
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(value)))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(document) == nil
}

// onlyCodeRefuses lists all cases, by their names in the tables, that the schema allows and
// Map refuses.
var onlyCodeRefuses = []string{
	// Half of a surrogate pair is valid in RFC 8259's grammar; schema validators replace it.
	"a high surrogate alone",
	"a high surrogate before a letter",
	"a high surrogate before another escape",
	"a high surrogate before a short escape",
	"a low surrogate alone",
	"the halves in the wrong order",
	"a pair and a half",
	"half a pair in an unknown key",
	"half a pair in an unknown field",
	// No schema counts levels.
	"nesting to level 1,001",
	"nesting to level 1,001 in objects",
	// A date that does not exist.
	"September 31st",
	"February 30th",
	"February 29th of 2023",
	// Parts of a 14-digit number.
	"second 60 in 14 digits",
	"month 13",
	// The spelling of a number: for a schema these are whole numbers.
	"a number with a point",
	"a number with an exponent",
	"a number with an exponent, 13 bytes",
	// Bounds that depend on an offset or the zone.
	"a second too early",
	"a second too early, local",
	"too early by its offset",
	"a second too late",
	"a second too late, local",
	"too late by its offset",
	// Local times in a gap of the zone.
	"a gap begins",
	"a gap ends",
	"a gap far ahead",
	"a gap of half an hour",
	"a day that was skipped",
}

func TestSchemaAndMapAgreeOnTheTables(t *testing.T) {
	s := compiledSchema(t)
	var onlyCode []string
	check := func(name, zone string, value []byte) {
		t.Helper()
		if !utf8.Valid(value) || !json.Valid(value) || !opinionOf(value).uniqueKeys {
			return // not one well-formed JSON document with unique keys
		}
		_, err := mapperIn(t, zone).Map(&Record{Value: value, Time: time.Time{}})
		switch bySchema := accepts(t, s, value); {
		case bySchema && err != nil:
			onlyCode = append(onlyCode, name)
		case !bySchema && err == nil:
			t.Errorf("%s: the schema refuses what maps: %.200s", name, value)
		}
	}
	for _, c := range refusals() {
		check(c.name, "Asia/Shanghai", []byte(c.value))
	}
	for _, c := range badTimes {
		check(c.name, c.zone, event(`"leave_time":`+c.json))
	}
	for _, c := range goodTimes {
		check(c.name, c.zone, event(`"operate_time":`+c.json))
	}
	for _, c := range texts {
		for _, name := range BuiltIn().Names()[4:] {
			check(c.name+" in "+name, "Asia/Shanghai", event(`"`+name+`":`+c.json))
		}
		for _, name := range BuiltIn().Required() {
			value := strings.Replace(string(event(`"x":0`)), `"`+name+`":`, `"`+name+`":`+c.json+`,"y":`, 1)
			check(c.name+" in "+name, "Asia/Shanghai", []byte(value))
		}
	}
	for _, c := range codes {
		for _, spelling := range slices.Concat(append(slices.Collect(maps.Values(c.known)), c.unknown)...) {
			check(spelling, "Asia/Shanghai", event(`"`+c.field+`":`+spelling))
		}
	}
	slices.Sort(onlyCode)
	if want := slices.Sorted(slices.Values(onlyCodeRefuses)); !slices.Equal(onlyCode, want) {
		t.Errorf("what only code refuses:\n%s\nwant:\n%s", strings.Join(onlyCode, "\n"), strings.Join(want, "\n"))
	}
}

// Random events of values that the two are likely to judge differently.
func TestSchemaAndMapAgreeOnGeneratedEvents(t *testing.T) {
	s := compiledSchema(t)
	m := mapperIn(t, "Asia/Shanghai")
	rapid.Check(t, func(t *rapid.T) {
		members := map[string]string{}
		for _, name := range BuiltIn().Names() {
			likely := slices.Contains(BuiltIn().Required(), name)
			if rapid.IntRange(0, 19).Draw(t, "left out") == 0 || !likely && rapid.Bool().Draw(t, "unused") {
				continue
			}
			members[name] = drawValue(t, name)
		}
		value, err := json.Marshal(rawMembers(members))
		if err != nil {
			t.Fatal(err)
		}
		_, mapErr := m.Map(&Record{Value: value, Time: time.Time{}})
		bySchema := accepts(t, s, value)
		if !bySchema && mapErr == nil {
			t.Fatalf("the schema refuses what maps: %s", value)
		}
		if e, refused := errors.AsType[*Error](mapErr); bySchema && refused && !beyondSchemas(members, e) {
			t.Fatalf("the schema accepts %s: %v", value, mapErr)
		}
	})
}

func rawMembers(members map[string]string) map[string]json.RawMessage {
	raw := map[string]json.RawMessage{}
	for name, value := range members {
		raw[name] = json.RawMessage(value)
	}
	return raw
}

func drawValue(t *rapid.T, name string) string {
	space := rapid.SampledFrom([]string{"", "", " ", "\u3000", "\t\u0085", "\u2028", "\u200b", "\ufeff", "\u001c"})
	str := func(s string) string {
		b, _ := json.Marshal(space.Draw(t, "before") + s + space.Draw(t, "after"))
		return string(b)
	}
	switch rapid.IntRange(0, 11).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]string{`null`, `true`, `{}`, `[]`, `["x"]`, `""`, `" "`, `0`, `-1`, `1.5`, `1e3`, `"a\u0000"`}).Draw(t, "odd")
	case 1:
		return str(strings.Repeat(rapid.SampledFrom([]string{"x", "车", "🚗", "x "}).Draw(t, "unit"), rapid.SampledFrom([]int{0, 1, 511, 512, 513, 1023, 1024, 1025}).Draw(t, "times")))
	}
	if f, _ := BuiltIn().Field(name); f.Kind != Time {
		return str(rapid.SampledFrom([]string{"粤B12345", "blue", "1", "张三", "a\nb", "", "\u3000", "a\u0001"}).Draw(t, "text"))
	}
	digits := drawTime(t)
	if regexp.MustCompile(`^[1-9][0-9]*$`).MatchString(digits) && rapid.Bool().Draw(t, "as a number") {
		return digits + rapid.SampledFrom([]string{"", "", "", ".0", ".5", "e0", "e1", "0"}).Draw(t, "written")
	}
	return str(digits)
}

// drawTime makes a time that is right or almost right.
func drawTime(t *rapid.T) string {
	part := func(label string, usual int, format string, odd ...int) string {
		return fmt.Sprintf(format, rapid.SampledFrom(append(slices.Repeat([]int{usual}, 3*len(odd)), odd...)).Draw(t, label))
	}
	year := part("year", 2024, "%04d", 0, 1970, 1999, 2000, 2099, 2100, 2101, 10000)
	month := part("month", 6, "%02d", 0, 1, 2, 9, 10, 11, 12, 13, 20)
	day := part("day", 15, "%02d", 0, 1, 9, 10, 28, 29, 30, 31, 32, 40)
	hour := part("hour", 12, "%02d", 0, 9, 19, 20, 23, 24, 30)
	minute := part("minute", 30, "%02d", 0, 59, 60, 99)
	second := part("second", 30, "%02d", 0, 59, 60, 61)
	switch rapid.IntRange(0, 3).Draw(t, "form") {
	case 0:
		return year + month + day + hour + minute + second
	case 1:
		ms := rapid.SampledFrom([]int64{0, 1, 999999999999, 1e12, 1630575406020, 4102444799999, 4102444800000, 9999999999999, 946684800000, 946684799999}).Draw(t, "milliseconds")
		return fmt.Sprintf(rapid.SampledFrom([]string{"%d", "%013d", "%014d"}).Draw(t, "width"), ms)
	case 2: // any 13 digits
		return rapid.StringMatching(`[0-4][0-9]{12}`).Draw(t, "digits")
	}
	separator := rapid.SampledFrom([]string{"T", "T", " ", "t", "_", ""}).Draw(t, "separator")
	fraction := rapid.SampledFrom([]string{"", "", ".0", ".999999999999", ".", ",5"}).Draw(t, "fraction")
	zone := rapid.SampledFrom([]string{"", "Z", "z", "+08:00", "-08:00", "+23:59", "-23:59", "+24:00", "+00:60", "+0800", " Z"}).Draw(t, "zone")
	return year + "-" + month + "-" + day + separator + hour + ":" + minute + ":" + second + fraction + zone
}

// beyondSchemas reports whether a refusal is of a kind in onlyCodeRefuses that the generator
// makes: dates that do not exist, times just outside the bounds, numbers.
func beyondSchemas(members map[string]string, e *Error) bool {
	value := members[e.Field]
	if e.Reason != BadTime {
		return false
	}
	switch e.Detail {
	case noTimeForm: // a whole number in bounds, written with a point or an exponent
		n, ok := new(big.Rat).SetString(value)
		return ok && n.IsInt() && strings.ContainsAny(value, ".eE")
	case noSuchTime:
		return regexp.MustCompile(`^[0-9]{14}$`).MatchString(value) ||
			regexp.MustCompile(`(-02-(29|30|31)|-(04|06|09|11)-31)`).MatchString(value) ||
			regexp.MustCompile(`"[^-0-9]*[0-9]{4}(02(29|30|31)|(04|06|09|11)31)[0-9]{6}[^-0-9]*"`).MatchString(value)
	case outOfBounds:
		return regexp.MustCompile(`(1999-?12-?31|2000-?01-?01|2099-?12-?31|2100-?01-?01)`).MatchString(value)
	}
	return false
}

// The schema's pattern for milliseconds takes exactly the times in bounds.
func TestSchemaKnowsTheBoundsOfMilliseconds(t *testing.T) {
	s := compiledSchema(t)
	for _, bound := range []int64{earliest.UnixMilli(), tooLate.UnixMilli() - 1} {
		for power := int64(1); power < 1e13; power *= 10 {
			for _, n := range []int64{bound - power, bound - 1, bound, bound + 1, bound + power} {
				want := n >= earliest.UnixMilli() && n < tooLate.UnixMilli()
				if got := accepts(t, s, event(fmt.Sprintf(`"leave_time":"%013d"`, n))); got != want {
					t.Errorf("%013d: %v", n, got)
				}
			}
		}
	}
}

// Map knows every name of a code in the schema, each with one meaning, and every example in
// the schema maps without suspicion.
func TestSchemaShowsWhatMapKnows(t *testing.T) {
	var document struct {
		Examples   []json.RawMessage
		Properties map[string]struct {
			Title, Description string
			Examples           []json.RawMessage
			AnyOf              []struct{ Enum []json.RawMessage }
		}
	}
	if err := json.Unmarshal([]byte(Schema()), &document); err != nil {
		t.Fatal(err)
	}
	m := mapperIn(t, "Asia/Shanghai")
	s := compiledSchema(t)
	for _, example := range document.Examples {
		if r := mustMap(t, m, example); r.Suspicions != nil || !accepts(t, s, example) {
			t.Errorf("%s: %v", example, r.Suspicions)
		}
	}
	with := func(name string, value json.RawMessage) []byte {
		members := map[string]string{"park_uuid": `"P"`, "flow_no": `"F"`, "parking_serial": `"S"`, "plate": `"粤B12345"`}
		members[name] = string(value)
		all, _ := json.Marshal(rawMembers(members))
		return all
	}
	for name, p := range document.Properties {
		if p.Title == "" || p.Description == "" || len(p.Examples) == 0 {
			t.Errorf("%s is not explained", name)
		}
		for _, example := range p.Examples {
			if r := mustMap(t, m, with(name, example)); r.Suspicions != nil || !accepts(t, s, with(name, example)) {
				t.Errorf("%s %s: %v", name, example, r.Suspicions)
			}
		}
		for _, choice := range p.AnyOf {
			var sent []string
			for _, spelling := range choice.Enum {
				r := mustMap(t, m, with(name, spelling))
				if r.Suspicions != nil {
					t.Errorf("%s %s: %v", name, spelling, r.Suspicions)
				}
				sent = append(sent, maps.Collect(r.All())[name])
			}
			if len(slices.Compact(sent)) > 1 {
				t.Errorf("%s %s is sent as %v", name, choice.Enum, sent)
			}
		}
	}
}
