package mapping

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"

	"github.com/google/go-cmp/cmp"
)

// What the tests outside the package take of those inside.
var (
	Recorded      = recorded
	MapperIn      = mapperIn
	TypicalAt     = typicalAt
	CompareGolden = compareGolden
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
