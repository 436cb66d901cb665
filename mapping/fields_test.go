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

// Who adds a field to the table finds here what else must tell of it: docs/event.md and docs/event.zh.md, the schema,
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

// eventPages are the contract for lanes in both languages, with its words for the table of fields.
var eventPages = map[string]struct {
	fields, reasons, suspicions string // headings
	required                    string
	kinds                       map[Kind]string
}{
	"docs/event.md":    {"Fields", "Refused events", "Suspicious events", "yes", map[Kind]string{Text: "text", Code: "code", Time: "time"}},
	"docs/event.zh.md": {"字段", "被拒绝的事件", "会发送但计为可疑的事件", "是", map[Kind]string{Text: "文本", Code: "代码", Time: "时间"}},
}

// sectionOf is what stands between a heading and the next one.
func sectionOf(t *testing.T, document, heading string) string {
	t.Helper()
	_, after, found := strings.Cut(contents(t, "../"+document), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %s", document, heading)
	}
	section, _, _ := strings.Cut(after, "\n##")
	return section
}

func TestTheEventPageHasEveryField(t *testing.T) {
	for document, words := range eventPages {
		section := sectionOf(t, document, words.fields)
		for _, f := range BuiltIn().Fields {
			want := fmt.Sprintf("| `%s` | %s | %s… |", f.Name, map[bool]string{true: words.required}[f.Required], words.kinds[f.Kind])
			cells := rowOf(section, f.Name)
			if cells == nil {
				t.Errorf("%s: no row for %s; write %s", document, f.Name, want)
				continue
			}
			if required := strings.TrimSpace(cells[1]) == words.required; required != f.Required || !strings.HasPrefix(strings.TrimSpace(cells[2]), words.kinds[f.Kind]) {
				t.Errorf("%s: the row of %s is %q, want %s", document, f.Name, cells, want)
			}
			if f.Kind == Code {
				rowHasCodes(t, document, f, cells[2])
			}
		}
		for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(firstCells(section), -1) {
			if _, known := BuiltIn().Field(name[1]); !known {
				t.Errorf("%s: %s is not in the table of fields.go", document, name[1])
			}
		}
	}
}

func rowHasCodes(t *testing.T, document string, f Field, cell string) {
	t.Helper()
	words := strings.FieldsFunc(cell, func(r rune) bool { return strings.ContainsRune(" ,，：`", r) })
	for code := range strings.SplitSeq(f.codes.forms(), "; ") {
		for _, name := range strings.Fields(code) {
			if !slices.Contains(words, name) {
				t.Errorf("%s: the row of %s lacks %s of code %s", document, f.Name, name, code)
			}
		}
	}
}

// Who reads a reason in check or in a dead letter finds it on the page, and finds none that no event is given.
func TestTheEventPageHasEveryReasonAndSuspicion(t *testing.T) {
	for document, words := range eventPages {
		var reasons, suspicions []string
		for _, r := range Reasons() {
			reasons = append(reasons, string(r))
		}
		for _, s := range Suspicions() {
			suspicions = append(suspicions, string(s))
		}
		for heading, want := range map[string][]string{words.reasons: reasons, words.suspicions: suspicions} {
			var got []string
			for _, name := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(firstCells(sectionOf(t, document, heading)), -1) {
				got = append(got, name[1])
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: the table has %q, want %q", document, heading, got, want)
			}
		}
	}
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
	if !slices.Equal(schema.Required, BuiltIn().Required()) {
		t.Errorf("event.schema.json requires %v, want %v", schema.Required, BuiltIn().Required())
	}
	for _, f := range BuiltIn().Fields {
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
		if _, known := BuiltIn().Field(name); !known {
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
	for _, name := range BuiltIn().Names() {
		if !sent[name] {
			t.Errorf("testdata/examples.json: no example sends %s; add it to the one that has every field", name)
		}
	}
}

func TestDataProtectionTellsWhatIsPersonal(t *testing.T) {
	document := contents(t, "../docs/explanation/data-protection.md")
	for _, f := range BuiltIn().Fields {
		if f.Personal && rowOf(document, f.Name) == nil {
			t.Errorf("docs/explanation/data-protection.md, What is personal: no row for `%s`", f.Name)
		}
	}
}

// Every code has its own list and is told apart from the codes that are none, or nobody
// would notice a producer that writes another one.
func TestEveryCodeFieldHasItsCodes(t *testing.T) {
	for _, f := range BuiltIn().Fields {
		if (f.codes != nil) != (f.Kind == Code) {
			t.Errorf("%s: a field has codes if it is a Code", f.Name)
			continue
		}
		if f.Kind != Code {
			continue
		}
		if !slices.Contains(Suspicions(), f.odd) || f.codes.byName[f.codes.otherwise] != f.codes.otherwise {
			t.Errorf("%s: codes without a suspicion of their own, or without the one for unknown", f.Name)
		}
		if !slices.ContainsFunc(codes, func(c codeSpellings) bool { return c.field == f.Name }) {
			t.Errorf("code_test.go: no spellings of the codes of %s", f.Name)
		}
	}
}

func TestFieldOf(t *testing.T) {
	if f, known := BuiltIn().Field("plate"); !known || !f.Required || !f.Personal || f.Kind != Text {
		t.Errorf("plate is %+v, %v", f, known)
	}
	if f, known := BuiltIn().Field("Plate"); known {
		t.Errorf("Plate is %+v", f)
	}
}
