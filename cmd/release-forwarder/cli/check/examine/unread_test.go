package examine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/repo"
	"release-forwarder/mapping"
)

// mapperOf makes a Mapper by one of mapping's files.
func mapperOf(t testing.TB, name string) *mapping.Mapper {
	t.Helper()
	f, err := mapping.Parse([]byte(repo.Read(t, "mapping/testdata/files/"+name)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.New(mapping.Config{Location: time.UTC, File: f})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What no profile reads is named by its path, also within a string that holds JSON. A name that may be
// somebody's is not.
func TestUnreadNamesAreTold(t *testing.T) {
	for _, c := range []struct {
		file, value string
		want        []string
	}{
		{"nested.yaml", `{"type":"release","sent":1,"lane":{"no":1},"body":"{\"recordId\":2,\"car\":{\"no\":\"x\",\"vin\":\"y\"},\"cars\":[{\"color\":1,\"type\":2},{\"other\":3}],\"a.b\":1}"}`,
			[]string{"lane", "body.car.vin", "body.cars.0.type", `body."a.b"`}},
		{"nested.yaml", `{"body":{"粤B12345":{},"car":{"13800138000":1},"` + strings.Repeat("x", 41) + `":1}}`, []string{"body.*", "body.car.*", "body.*"}},
		{"nested.yaml", "\x00\x00\x00\x00\x01{\"x\":1}", []string{"x"}},
		{"nested.yaml", `{"body":"{\"car\":\"{\\\"in\\\":1}\"}","y":[}`, nil},
		{"nested.yaml", `[{"x":1}]`, nil},
		{"nested.yaml", `"{\"x\":1}"`, nil},
	} {
		var got []string
		Unread(mapperOf(t, c.file), []byte(c.value), func(path string) { got = append(got, path) })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.value, got, c.want)
		}
	}
}

// FuzzMapped examines rubbish by mapping files: no panic, Map's fault comes first, and no path has what may
// be somebody's.
func FuzzMapped(f *testing.F) {
	mappers := map[string]*mapping.Mapper{}
	for _, name := range []string{"nested.yaml", "cloudevents.yaml", "debezium.yaml", "wide.yaml"} {
		mappers[name] = mapperOf(f, name)
	}
	f.Add([]byte(`{"type":"release","body":"{\"recordId\":1,\"x\":{}}","y":[{"z":1}]}`), "lanes-a")
	f.Add([]byte(`{"payload":{"after":{"id":1},"op":"c"}}`), "")
	for _, value := range recorded(f) {
		f.Add(value, "lanes-a")
	}
	f.Fuzz(func(t *testing.T, value []byte, word string) {
		for name, m := range mappers {
			rec := &mapping.Record{Topic: word, Key: []byte(word), Value: value, Headers: func(yield func(_, _ []byte) bool) { yield([]byte("ce_type"), []byte(word)) }}
			_, err := m.Map(rec)
			x := Event(m, rec)
			if refused, is := errors.AsType[*mapping.Error](err); is && (len(x.Faults) == 0 || *x.Faults[0].Error != *refused) {
				t.Fatalf("%s: Map says %v, Event %v", name, err, x.Faults)
			}
			if (err == nil) != (x.Release != nil) {
				t.Fatalf("%s: Map says %v, Event sends %v", name, err, x.Release)
			}
			Unread(m, value, func(path string) {
				for part := range strings.SplitSeq(path, ".") {
					if personal(strings.Trim(part, `"`)) && !strings.Contains(path, `"`) {
						t.Fatalf("%q is told", path)
					}
				}
			})
		}
	})
}
