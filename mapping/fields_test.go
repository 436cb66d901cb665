package mapping

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Who adds a field to the table finds here what else must tell of it: docs/event.md, the schema,
// an example, and docs/explanation/data-protection.md where it is personal.

func contents(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rowOf finds the row of a Markdown table whose first cell names a field.
func rowOf(document, name string) (cells []string) {
	for line := range strings.Lines(document) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if strings.HasPrefix(line, "|") && strings.Contains(cells[0], "`"+name+"`") {
			return cells
		}
	}
	return nil
}

var kindWords = map[Kind]string{Text: "text", Code: "code", Time: "time"}

func TestTheEventPageHasEveryField(t *testing.T) {
	event, rest, _ := strings.Cut(contents(t, "../docs/event.md"), "EVENT_REQUIRED_FIELDS can require more.")
	if rest == "" {
		t.Fatal("docs/event.md has no table of fields")
	}
	for _, f := range table {
		want := fmt.Sprintf("| `%s` | %s | %s… |", f.Name, map[bool]string{true: "yes"}[f.Required], kindWords[f.Kind])
		cells := rowOf(event, f.Name)
		if cells == nil {
			t.Errorf("docs/event.md: no row for %s; write %s", f.Name, want)
			continue
		}
		if required := strings.TrimSpace(cells[1]) == "yes"; required != f.Required || !strings.HasPrefix(strings.TrimSpace(cells[2]), kindWords[f.Kind]) {
			t.Errorf("docs/event.md: the row of %s is %q, want %s", f.Name, cells, want)
		}
		if f.Kind != Code {
			continue
		}
		for code, names := range f.codes.written() {
			for _, name := range append(names, code) {
				if !slices.Contains(strings.FieldsFunc(cells[2], func(r rune) bool { return strings.ContainsRune(" ,`", r) }), name) {
					t.Errorf("docs/event.md: the row of %s lacks %s of code %s", f.Name, name, code)
				}
			}
		}
	}
	for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(firstCells(event), -1) {
		if _, known := FieldOf(name[1]); !known {
			t.Errorf("docs/event.md: %s is not in the table of fields.go", name[1])
		}
	}
}

// written are the names of each code but its number, those left out that are another
// spelling alone.
func (c *codeList) written() map[string][]string {
	names := map[string][]string{}
	for name, code := range c.byName {
		if name != code && name != "-0" && !strings.Contains(name, "（") {
			names[code] = append(names[code], name)
		}
	}
	return names
}

func firstCells(document string) string {
	var cells []string
	for line := range strings.Lines(document) {
		if strings.HasPrefix(line, "|") {
			cells = append(cells, strings.Split(line, "|")[1])
		}
	}
	return strings.Join(cells, "\n")
}

func TestTheSchemaHasEveryField(t *testing.T) {
	type property struct {
		Title string            `json:"title"`
		Ref   string            `json:"$ref"`
		AnyOf []json.RawMessage `json:"anyOf"`
	}
	var schema struct {
		Required   []string
		Properties map[string]property
	}
	if err := json.Unmarshal([]byte(Schema()), &schema); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(schema.Required, AlwaysRequired()) {
		t.Errorf("event.schema.json requires %v, want %v", schema.Required, AlwaysRequired())
	}
	for _, f := range table {
		ref := map[Kind]string{Text: "#/$defs/text", Time: "#/$defs/time"}[f.Kind]
		if f.Required {
			ref = "#/$defs/requiredText"
		}
		p, there := schema.Properties[f.Name]
		if !there || p.Ref != ref || (p.AnyOf != nil) != (f.Kind == Code) || !strings.Contains(p.Title, "("+f.Title) {
			t.Errorf("event.schema.json: %s is %+v; want under properties a title that ends in (%s), a description, examples, and %s",
				f.Name, p, f.Title, map[bool]string{true: "anyOf with its codes", false: fmt.Sprintf(`"$ref": %q`, ref)}[f.Kind == Code])
		}
	}
	for name := range schema.Properties {
		if _, known := FieldOf(name); !known {
			t.Errorf("event.schema.json: %s is not in the table of fields.go", name)
		}
	}
}

func TestAnExampleSendsEveryField(t *testing.T) {
	var examples []struct{ Sends map[string]string }
	if err := json.Unmarshal([]byte(contents(t, "testdata/examples.json")), &examples); err != nil {
		t.Fatal(err)
	}
	sent := map[string]bool{}
	for _, e := range examples {
		for name := range e.Sends {
			sent[name] = true
		}
	}
	for _, name := range Fields() {
		if !sent[name] {
			t.Errorf("testdata/examples.json: no example sends %s; add it to the one that has every field", name)
		}
	}
}

func TestDataProtectionTellsWhatIsPersonal(t *testing.T) {
	document := contents(t, "../docs/explanation/data-protection.md")
	for _, f := range table {
		if f.Personal && rowOf(document, f.Name) == nil {
			t.Errorf("docs/explanation/data-protection.md, What is personal: no row for `%s`", f.Name)
		}
	}
}

// Every code has its own list and is told apart from the codes that are none, or nobody
// would notice a producer that writes another one.
func TestEveryCodeFieldHasItsCodes(t *testing.T) {
	for _, f := range table {
		if (f.codes != nil) != (f.Kind == Code) {
			t.Errorf("%s: a field has codes if it is a Code", f.Name)
			continue
		}
		if f.Kind != Code {
			continue
		}
		if !slices.Contains(Suspicions(), f.codes.odd) || f.codes.byName[f.codes.unknown] != f.codes.unknown {
			t.Errorf("%s: codes without a suspicion of their own, or without the one for unknown", f.Name)
		}
		if !slices.ContainsFunc(codes, func(c codeSpellings) bool { return c.field == f.Name }) {
			t.Errorf("code_test.go: no spellings of the codes of %s", f.Name)
		}
	}
}

func TestFieldOf(t *testing.T) {
	if f, known := FieldOf("plate"); !known || !f.Required || !f.Personal || f.Kind != Text {
		t.Errorf("plate is %+v, %v", f, known)
	}
	if f, known := FieldOf("Plate"); known {
		t.Errorf("Plate is %+v", f)
	}
}
