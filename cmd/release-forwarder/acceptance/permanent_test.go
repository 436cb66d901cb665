package acceptance

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// byName sorts scenarios that were made from a map.
func byName(all []scenario) []scenario {
	slices.SortFunc(all, func(a, b scenario) int { return cmp.Compare(a.name, b.name) })
	return all
}

// permanentCase is a value that can never be sent.
type permanentCase struct {
	name   string
	value  []byte // nil: null
	reason string
	field  string // "" where there is none
}

// permanentCases is the list of docs/event.md: refused for good. The values are
// complete events but for the one thing that is wrong.
func permanentCases(w *world) []permanentCase {
	whole := func(pairs ...any) []byte { return w.release(0, pairs...).record.Value }
	text := string(whole())
	// within puts raw JSON before the closing brace, which json.Marshal would
	// not write.
	within := func(more string) []byte { return []byte(strings.TrimSuffix(text, "}") + "," + more + "}") }
	without := func(field, raw string) []byte {
		return []byte(strings.TrimSuffix(string(whole(field, nil)), "}") + `,"` + field + `":` + raw + "}")
	}
	cases := []permanentCase{
		{"null value", nil, "empty", ""},
		{"empty value", []byte{}, "empty", ""},
		{"text that is not JSON", []byte("plate " + planted), "invalid-json", ""},
		{"an array", []byte("[" + text + "]"), "invalid-json", ""},
		{"JSON null", []byte("null"), "invalid-json", ""},
		{"JSON text", []byte(`"` + planted + `"`), "invalid-json", ""},
		{"byte order mark", append([]byte("\ufeff"), text...), "invalid-json", ""},
		{"trailing data", []byte(text + " {}"), "invalid-json", ""},
		{"cut off", []byte(text[:len(text)-1]), "invalid-json", ""},
		{"nested deeper than 1,000", within(`"ignored":` + strings.Repeat("[", 1001) + strings.Repeat("]", 1001)), "invalid-json", ""},
		{"bad UTF-8 in a field of the API", without("reason", "\""+planted+"\xff\""), "bad-text", ""},
		{"bad UTF-8 elsewhere", within("\"ignored\":\"\xe7\x81\""), "bad-text", ""},
		{"unpaired surrogate", without("reason", `"`+planted+`\ud83d"`), "bad-text", ""},
		{"U+0000", without("reason", `"`+planted+`\u0000x"`), "bad-text", "reason"},
		{"duplicate key", within(`"plate":"` + plantedPlate + `"`), "duplicate-key", ""},
		{"duplicate key that is not the API's", within(`"ignored":1,"ignored":1`), "duplicate-key", ""},
		{"plate as a number", whole("plate", 12345), "wrong-type", "plate"},
		{"flow number as a number", whole("flow_no", 12345), "wrong-type", "flow_no"},
		{"operator as a list", whole("operator", []string{planted}), "wrong-type", "operator"},
		{"colour as a truth value", whole("plate_color", true), "wrong-type", "plate_color"},
		{"car type as an object", whole("car_type", map[string]any{}), "wrong-type", "car_type"},
		{"time as a truth value", whole("enter_time", false), "wrong-type", "enter_time"},
		{"day that does not exist", whole("enter_time", "2026-02-30 08:00:00"), "bad-time", "enter_time"},
		{"hour that does not exist", whole("leave_time", "2026-03-01T24:00:00Z"), "bad-time", "leave_time"},
		{"second 60", whole("operate_time", "2026-03-01 08:00:60"), "bad-time", "operate_time"},
		{"Unix seconds", whole("leave_time", 1772328601), "bad-time", "leave_time"},
		{"before 2000", whole("leave_time", "1999-12-31T23:59:59Z"), "bad-time", "leave_time"},
		{"after 2099", whole("leave_time", "2100-01-01T00:00:00Z"), "bad-time", "leave_time"},
		{"a time in words", whole("leave_time", "昨天"), "bad-time", "leave_time"},
		{"text of 1,025 characters", whole("reason", strings.Repeat("因", 1025)), "too-long", "reason"},
	}
	for _, field := range []string{"park_uuid", "flow_no", "parking_serial", "plate"} {
		cases = append(cases,
			permanentCase{"without " + field, whole(field, nil), "missing-field", field},
			permanentCase{field + " null", without(field, "null"), "missing-field", field},
			permanentCase{field + " blank", whole(field, " \t　"), "missing-field", field})
	}
	return cases
}

func permanentScenarios() []scenario {
	return []scenario{
		{name: "what can never be sent becomes a dead letter, the events around it are accepted", run: func(t *testing.T) {
			w := newWorld(t, plan{partitions: 2, dlqPartitions: 1})
			w.watchCommits()
			w.start()
			cases := permanentCases(w)
			bad := make([]*event, len(cases))
			var all []*event
			for i, c := range cases {
				bad[i] = w.raw(int32(i%2), c.value)
				bad[i].record.Headers = []kgo.RecordHeader{{Key: "a", Value: []byte(planted)}, {Key: "a", Value: nil}}
				all = append(all, w.release(int32(i%2)), bad[i])
			}
			w.produce(all...)
			w.drained()
			for i, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					w.checkDeadLetter(t, bad[i], map[string]string{"stage": "mapping", "reason": c.reason, "field": cmp.Or(c.field, anything)})
				})
			}
			for i, e := range all {
				if i%2 == 0 {
					w.acceptedOnce(e)
				}
			}
		}},
	}
}
