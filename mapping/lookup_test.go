package mapping

import (
	"errors"
	"strings"
	"testing"
)

// An event whose lot is not listed maps when a newer file has the lot; what else is wrong with it comes
// first. Its order key stays the same.
func TestALotIsLookedUp(t *testing.T) {
	before := mapperOf(t, "lookup.yaml").With("lots.csv", Lookup{"7": "P7", "sz-1": "P1"}).With("lots-c.csv", Lookup{"7": "P9"})
	after := before.With("lots.csv", Lookup{"7": "P8", "1042": "P1", "sz-1": "P1"})
	const rest = `"flow":"F1","ticket":"S1","plate":"粤B12345"`
	const sent = "flow_no=F1 park_uuid=%s parking_serial=S1 plate=粤B12345"
	lot := func(uuid string) string { return strings.Replace(sent, "%s", uuid, 1) }
	for _, c := range []struct{ name, topic, value, before, after, key string }{
		{"listed", "lanes-a", `{"lot":{"code":7},` + rest + `}`, lot("P7"), lot("P8"), "lots.csv\x007\x00S1"},
		{"not listed", "lanes-a", `{"lot":{"code":"1042 "},` + rest + `}`, "the lot's code is not in lots.csv", lot("P1"), "lots.csv\x001042\x00S1"},
		{"by the key", "lanes-a", `{` + rest + `}`, "the lot's code is not in lots.csv", "the lot's code is not in lots.csv", "lots.csv\x00K\x00S1"},
		{"joined", "lanes-b", `{"city":"sz","no":"1",` + rest + `}`, lot("P1"), lot("P1"), "lots.csv\x00sz-1\x00S1"},
		{"no code", "lanes-b", `{"city":"sz",` + rest + `}`, "missing-field: park_uuid: required, but absent, null or blank", "missing-field: park_uuid: required, but absent, null or blank", ""},
		{"another file", "lanes-c", `{"code":"7",` + rest + `}`, lot("P9"), lot("P9"), "lots-c.csv\x007\x00S1"},
		{"not looked up", "lanes-d", `{"lot":"7",` + rest + `}`, lot("7"), lot("7"), "7\x00S1"},
		{"not listed, and a bad time", "lanes-a", `{"lot":{"code":9},"left":"soon",` + rest + `}`,
			"bad-time: leave_time: in none of the forms of a time (byte 25)", "bad-time: leave_time: in none of the forms of a time (byte 25)", "lots.csv\x009\x00S1"},
		{"not listed, and no plate", "lanes-a", `{"lot":{"code":9},"flow":"F1","ticket":"S1"}`,
			"missing-field: plate: required, but absent, null or blank", "missing-field: plate: required, but absent, null or blank", "lots.csv\x009\x00S1"},
	} {
		rec := &Record{Topic: c.topic, Key: []byte("K"), Value: []byte(c.value)}
		for m, want := range map[*Mapper]string{before: c.before, after: c.after} {
			if got := inOneLine(m, rec); got != want {
				t.Errorf("%s:\n got %s\nwant %s", c.name, got, want)
			}
			if got := m.OrderKey(rec); got != c.key {
				t.Errorf("%s: the order key is %q, want %q", c.name, got, c.key)
			}
		}
	}
	rec := &Record{Topic: "lanes-a", Value: []byte(`{"lot":{"code":1042},` + rest + `}`)}
	_, err := before.Map(rec)
	if u, is := errors.AsType[*Unlisted](err); !is || *u != (Unlisted{"lots.csv", "1042"}) || before.Lists(u) || !after.Lists(u) {
		t.Errorf("%+v", err)
	}
	for m, want := range map[*Mapper]string{before: "1042", after: "P1"} {
		if got, _ := m.Identify(rec); got != want {
			t.Errorf("the lot is %q, want %q", got, want)
		}
		if got := string(m.Plain(rec)); !strings.Contains(got, `"park_uuid":"`+want+`"`) {
			t.Errorf("shown is %s", got)
		}
	}
	if x := before.Explain(rec).Steps; *x[0].Unlisted != (Unlisted{"lots.csv", "1042"}) || x[0].Sent != "" || x[1].Unlisted != nil || x[1].Sent != "F1" {
		t.Errorf("%+v", x)
	}
	if x := after.Explain(rec).Steps; x[0].Unlisted != nil || strings.Join(x[0].Rule, ", ") != "digits, lookup lots.csv" || x[0].Sent != "P1" {
		t.Errorf("%+v", x)
	}
}
