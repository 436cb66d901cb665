package mapping

import (
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// seeds are all values in the tables of the tests.
func seeds() [][]byte {
	all := [][]byte{typical, nil, []byte(`{}`)}
	for _, c := range refusals() {
		all = append(all, []byte(c.value))
	}
	for _, c := range goodTimes {
		all = append(all, event(`"leave_time":`+c.json+`,"enter_time":`+c.json))
	}
	for _, c := range badTimes {
		all = append(all, event(`"operate_time":`+c.json))
	}
	for _, c := range texts {
		all = append(all, event(`"operator":`+c.json), []byte(`{"parking_serial":`+c.json+`,"park_uuid":`+c.json+`}`))
	}
	for _, c := range codes {
		for _, spelling := range slices.Concat(append(slices.Collect(maps.Values(c.known)), c.unknown)...) {
			all = append(all, event(`"`+c.field+`":`+spelling))
		}
	}
	return all
}

// checkPromises checks the promises of doc.go with any value.
func checkPromises(t *testing.T, m *Mapper, value []byte, at time.Time) {
	t.Helper()
	lot, serial := identify(value)
	r, err := m.Map(&Record{Value: value, Time: at})
	if err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok || r != nil {
			t.Fatalf("a release beside an error, or an error of type %T", err)
		}
		if !slices.Contains(Reasons(), e.Reason) || !slices.Contains(Details(), e.Detail) || e.Field != "" && !slices.Contains(BuiltIn().Names(), e.Field) || e.Offset >= max(1, len(value)+1) {
			t.Fatalf("an error out of its bounds: %+v", e)
		}
		return
	}
	if lot != r.Lot() || serial != r.sent[parkingSerial] {
		t.Fatalf("Identify says %q and %q, Map %q and %q", lot, serial, r.Lot(), r.sent[parkingSerial])
	}
	sent := maps.Collect(r.All())
	for _, name := range BuiltIn().Required() {
		if sent[name] == "" {
			t.Fatalf("%s is not sent", name)
		}
	}
	for name, v := range sent {
		checkSent(t, name, v)
	}
	for _, s := range r.Suspicions {
		if !slices.Contains(Suspicions(), s) {
			t.Fatalf("unknown suspicion %q", s)
		}
	}
	// The parameters that are sent are an event, and it maps to itself.
	again, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	second, err := m.Map(&Record{Value: again, Time: time.Time{}})
	if err != nil {
		t.Fatalf("what was sent does not map: %v", err)
	}
	if diff := cmp.Diff(sent, maps.Collect(second.All())); diff != "" {
		t.Fatalf("what was sent maps to something else: %s", diff)
	}
}

func checkSent(t *testing.T, name, v string) {
	t.Helper()
	if !utf8.ValidString(v) || strings.ContainsRune(v, 0) || strings.TrimSpace(v) != v || utf8.RuneCountInString(v) > MaxTextLength {
		t.Fatalf("%s is sent out of bounds: %.100q", name, v)
	}
	switch name {
	case "plate_color":
		if !slices.Contains([]string{"-1", "1", "2", "3", "4", "5"}, v) {
			t.Fatalf("plate_color %q", v)
		}
	case "car_type":
		if !slices.Contains([]string{"0", "1", "2", "3", "4"}, v) {
			t.Fatalf("car_type %q", v)
		}
	case "enter_time", "leave_time", "operate_time":
		if _, err := time.Parse("2006-01-02T15:04:05Z", v); err != nil || len(v) != 20 || v < "2000-01-01" || v >= "2100" {
			t.Fatalf("%s %q", name, v)
		}
	}
}

// checkExplanation checks that Explain says of any record what Map says.
func checkExplanation(t *testing.T, m *Mapper, rec *Record) {
	t.Helper()
	r, err := m.Map(rec)
	x := m.Explain(rec)
	refused, _ := errors.AsType[*Error](err)
	unlisted, missing := errors.AsType[*Unlisted](err)
	told := false
	var kinds []Suspicion
	for _, s := range x.Steps {
		kinds = append(kinds, s.Suspicions...)
		if r != nil && (s.Sent != r.sent[named(s.Field)] || s.Refused != nil) {
			t.Fatalf("Map sends %q as %s, Explain says %+v", r.sent[named(s.Field)], s.Field, s)
		}
		if missing && s.Field == m.Endpoint().Order[0] && (s.Unlisted == nil || *s.Unlisted != *unlisted) {
			t.Fatalf("Map says %+v, Explain %+v", unlisted, s.Unlisted)
		}
		if s.Sent != "" {
			checkSent(t, s.Field, s.Sent)
		}
		if e := s.Refused; e != nil {
			told = told || refused != nil && *e == *refused
			if s.Sent != "" || e.Field != s.Field || !slices.Contains(Reasons(), e.Reason) || !slices.Contains(Details(), e.Detail) || e.Offset > len(rec.Value) {
				t.Fatalf("a step out of its bounds: %+v", s)
			}
		}
	}
	if refused != nil && !told && refused.Reason != BadText && refused.Reason != DuplicateKey && len(x.Steps) > 0 {
		t.Fatalf("Map says %v, Explain %+v", refused, x.Steps)
	}
	slices.Sort(kinds)
	if r != nil {
		want := slices.Sorted(slices.Values(r.Suspicions))
		if got := slices.Compact(kinds); !slices.Equal(got, slices.Compact(want)) {
			t.Fatalf("Map suspects %v, Explain %v", want, got)
		}
	}
}

func TestPromisesOnAllTables(t *testing.T) {
	for _, zone := range []string{"Asia/Shanghai", "America/New_York"} {
		m := mapperIn(t, zone)
		for _, value := range seeds() {
			checkPromises(t, m, value, typicalAt)
			checkExplanation(t, m, &Record{Value: value, Time: typicalAt})
		}
	}
}

func FuzzMap(f *testing.F) {
	for _, value := range seeds() {
		if len(value) < 1<<12 { // the fuzzer is slow with long ones
			f.Add(value, int64(0))
		}
	}
	shanghai, newYork := mapperIn(f, "Asia/Shanghai"), mapperIn(f, "America/New_York")
	f.Fuzz(func(t *testing.T, value []byte, at int64) {
		checkPromises(t, shanghai, value, time.UnixMilli(at))
		checkPromises(t, newYork, value, time.Time{})
		checkAgainstOracle(t, value)
		checkExplanation(t, shanghai, &Record{Value: value, Time: time.UnixMilli(at)})
	})
}

// rfc3339 is the date-time of RFC 3339 section 5.6; time.Parse takes more (a comma, an
// offset of 24 hours).
var rfc3339 = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:]{8}(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

// FuzzTime looks for times that time.Parse reads differently.
func FuzzTime(f *testing.F) {
	for _, c := range goodTimes {
		f.Add(strings.Trim(c.json, `"`))
	}
	for _, c := range badTimes {
		f.Add(strings.Trim(c.json, `"`))
	}
	newYork := mapperIn(f, "America/New_York").location
	f.Fuzz(func(t *testing.T, s string) {
		got, problem := timeOf(s, newYork)
		std, err := time.Parse(time.RFC3339, strings.ToUpper(s))
		wellFormed := err == nil && rfc3339.MatchString(s)
		inBounds := wellFormed && !std.Before(earliest) && std.Before(tooLate)
		switch {
		case inBounds && (problem != "" || got.Unix() != std.Unix()):
			t.Fatalf("%q: %v %s, time.Parse says %v", s, got, problem, std)
		case wellFormed && !inBounds && problem == "":
			t.Fatalf("%q: %v is out of bounds", s, got)
		}
		for _, layout := range []string{time.DateTime, "2006-01-02T15:04:05", "20060102150405"} {
			local, err := time.ParseInLocation(layout, s, newYork)
			if err != nil || strings.Contains(s, ",") || problem != "" {
				continue
			}
			if shown := got.In(newYork); shown.Format(layout) != local.Format(layout) || got.After(local) {
				t.Fatalf("%q: %v, time.Parse says %v", s, shown, local)
			}
		}
	})
}
