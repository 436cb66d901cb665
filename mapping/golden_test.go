package mapping

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/repo"

	"github.com/google/go-cmp/cmp"
)

// recorded are the values whose results testdata/built-in.golden holds: the tables of the tests,
// the examples, and the inputs that fuzzing has found.
func recorded(t *testing.T) (values [][]byte) {
	t.Helper()
	values = seeds()
	file, err := os.ReadFile("testdata/examples.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples []struct{ Event json.RawMessage }
	if err := json.Unmarshal(file, &examples); err != nil {
		t.Fatal(err)
	}
	for _, e := range examples {
		values = append(values, e.Event)
	}
	names, err := filepath.Glob("testdata/fuzz/FuzzMap/*")
	if err != nil || len(names) == 0 {
		t.Fatal("no corpus", err)
	}
	for _, name := range names {
		input, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(input), "\n")
		value, err := strconv.Unquote(strings.TrimSuffix(strings.TrimPrefix(lines[1], "[]byte("), ")"))
		if err != nil {
			t.Fatal(name, err)
		}
		values = append(values, []byte(value))
	}
	return values
}

// short is a text, or the begin of a long one with a sum of the whole.
func short(text string) string {
	if len(text) <= 400 {
		return text
	}
	return fmt.Sprintf("%.60q…%x", text[:60], sha256.Sum256([]byte(text)))
}

// result is all that this package says of a value, in one line.
func result(m *Mapper, value []byte, at time.Time) string {
	parts := []string{fmt.Sprintf("%q", m.OrderKey(&Record{Value: value}))}
	if r, err := m.Map(&Record{Value: value, Time: at}); err != nil {
		parts = append(parts, err.Error())
	} else {
		var sent []string
		for name, text := range r.All() {
			sent = append(sent, fmt.Sprintf("%s=%q", name, text))
		}
		parts = append(parts, strings.Join(sent, " "), fmt.Sprint(r.Suspicions))
	}
	x := m.Examine(&Record{Value: value, Time: at})
	told, _ := json.Marshal(struct { // as it was recorded
		Release  *Release
		Faults   []Fault
		Ignored  []string
		Absent   []string
		Warnings []Warning
		Encoding Encoding
	}{nil, x.Faults, x.Ignored, x.Absent, x.Warnings, x.Encoding})
	return short(strings.Join(parts, " | ")) + " | " + short(string(told))
}

// The contract of docs/event.md: what was recorded before there was a mapping file. A change here is a change
// for every lane.
func TestTheBuiltInContractIsAsRecorded(t *testing.T) {
	var out strings.Builder
	mappers := []struct {
		name string
		*Mapper
	}{{"Asia/Shanghai", mapperIn(t, "Asia/Shanghai")}, {"America/New_York, reason required", mapperIn(t, "America/New_York", "reason")}}
	values := recorded(t)
	slices.SortFunc(values, bytes.Compare)
	for _, value := range slices.CompactFunc(values, bytes.Equal) {
		fmt.Fprintln(&out, short(strconv.Quote(string(value))))
		for _, m := range mappers {
			fmt.Fprintln(&out, "  "+m.name+": "+result(m.Mapper, value, typicalAt))
		}
	}
	compareGolden(t, "testdata/built-in.golden", out.String())
}

// compareGolden compares a text with a file's; with -update it writes it.
func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	if *repo.Update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s: -want +got\n%s", name, diff)
	}
}
