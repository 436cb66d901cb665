package settings

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"release-forwarder/mapping"
)

// The mapping file is read with the settings: each of its mistakes is a line, and EVENT_REQUIRED_FIELDS does not go with it.
func TestTheMappingFileIsASetting(t *testing.T) {
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "mapping.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const good = `profiles: [{name: a, when: {value: {kind: entry}}, ignore: true}, {name: b, fields: {park_uuid: {from: a}, flow_no: {from: b}, parking_serial: {from: c}, plate: {from: d}}}]`
	for _, c := range []struct {
		name string
		env  map[string]string
		want []string
	}{
		{"a good one", map[string]string{"MAPPING_FILE": file(good)}, nil},
		{"with required fields", map[string]string{"MAPPING_FILE": file(good), "EVENT_REQUIRED_FIELDS": "park_uuid,flow_no,parking_serial,plate"},
			[]string{"EVENT_REQUIRED_FIELDS: is set and so is MAPPING_FILE; unset this, and write required: true into that file"}},
		{"two mistakes", map[string]string{"MAPPING_FILE": file("profiles:\n  - name: A\n    fields: {}\n  - name: b\n    ignored: true\n    when: {topic: x}\n    ignore: true\n")}, []string{
			"MAPPING_FILE: line 2, column 11: A is no name: 1 to 40 of a–z, 0–9 and hyphens",
			"MAPPING_FILE: line 3, column 13: park_uuid is missing: the endpoint needs it",
			"MAPPING_FILE: line 3, column 13: flow_no is missing: the endpoint needs it",
			"MAPPING_FILE: line 3, column 13: parking_serial is missing: the endpoint needs it",
			"MAPPING_FILE: line 3, column 13: plate is missing: the endpoint needs it",
			"MAPPING_FILE: line 4, column 5: the profile b is never reached: A, before it, fits every record that it fits",
			"MAPPING_FILE: line 5, column 5: ignored is no keyword of a profile; there are name, when, event, prefix, fields, ignore",
		}},
		{"no file", map[string]string{"MAPPING_FILE": "/does/not/exist"}, []string{"MAPPING_FILE: the file that it names cannot be read (no such file or directory); is it mounted and readable?"}},
		{"a typing error", map[string]string{"MAPING_FILE": "x", "MAPPING_FLIE": "x"}, []string{"unknown setting MAPPING_FLIE; did you mean MAPPING_FILE?"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, c.env)
			s, _, err := Load(GroupEvent)
			var got []string
			if invalid, is := errors.AsType[*Invalid](err); is {
				for _, w := range invalid.Settings {
					got = append(got, w.String())
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			if c.want != nil {
				return
			}
			hash := s.Hash()
			if s.Event.File, err = mapping.Parse([]byte(good + " # changed")); err != nil || s.Hash() == hash {
				t.Errorf("the hash of another file is the same, %v", err)
			}
			m, err := s.Event.Mapper()
			if err != nil {
				t.Fatal(err)
			}
			r, err := m.Map(&mapping.Record{Value: []byte(`{"a":"P1","b":"F1","c":"S1","d":"粤B12345"}`), Time: time.Now()})
			if err != nil || r.Lot() != "P1" || !slices.Equal(s.Event.Ignoring(), []string{"a"}) {
				t.Errorf("%v, %v", err, s.Event.Ignoring())
			}
		})
	}
}

// The lookup files lie beside the mapping file, and each of their mistakes is a line too.
func TestLookupFilesAreReadWithTheMappingFile(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(folder, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	environment(t, map[string]string{"MAPPING_FILE": write("mapping.yaml",
		`profiles: [{name: b, fields: {park_uuid: {from: a, lookup: lots.csv}, flow_no: {from: b}, parking_serial: {from: c}, plate: {from: d}}}]`)})
	for _, c := range []struct{ lots, want string }{
		{"", "MAPPING_FILE: lots.csv, which lies beside it, cannot be read (no such file or directory); is it mounted and readable?"},
		{"code,uuid\n1,P1\n1,P2\n", "MAPPING_FILE: lots.csv: line 3, column 1: the code is there twice, first in line 2"},
		{"code,uuid\n1,P1\n", ""},
	} {
		if c.lots != "" {
			write("lots.csv", c.lots)
		}
		s, _, err := Load(GroupEvent)
		got := ""
		if invalid, is := errors.AsType[*Invalid](err); is {
			got = invalid.Settings[0].String()
		}
		if got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		if c.want != "" {
			continue
		}
		m, err := s.Event.Mapper()
		if err != nil {
			t.Fatal(err)
		}
		r, err := m.Map(&mapping.Record{Value: []byte(`{"a":"1","b":"F1","c":"S1","d":"粤B12345"}`)})
		if err != nil || r.Lot() != "P1" {
			t.Errorf("%v", err)
		}
	}
}

// The defaults of the codes are those of the endpoint's table.
func TestTheDefaultsAreTheEndpoints(t *testing.T) {
	environment(t, nil)
	s, _, err := Load(GroupEvent)
	if err != nil {
		t.Fatal(err)
	}
	e := mapping.BuiltIn()
	defaults := map[string]string{}
	for _, row := range Table() {
		defaults[row.Name] = row.Default
	}
	if defaults["UPSTREAM_SUCCESS_CODES"] != e.Success[0] || defaults["UPSTREAM_PERMANENT_CODES"] != e.Permanent[0] || !slices.Equal(s.Event.Required, mapping.BuiltIn().Required()) {
		t.Errorf("the table has %v and %v", e.Success, e.Permanent)
	}
}

// An endpoint in the mapping file has its own codes: the settings of codes do not go with it.
func TestTheCodesOfAnEndpointInTheFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "mapping.yaml")
	const text = `endpoint: {name: a, success: "0", permanent: ["1", "2"], repeat: b, order: [a, b], fields: [{name: a, kind: text, required: true}, {name: b, kind: text, required: true}]}
profiles: [{name: a, fields: {a: {from: a}, b: {from: b}}}]`
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	environment(t, map[string]string{"MAPPING_FILE": name, "UPSTREAM_URL": "https://platform.example"})
	s, warnings, err := Load(GroupEvent, GroupUpstream)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.Upstream.SuccessCodes, []string{"0"}) || !slices.Equal(s.Upstream.PermanentCodes, []string{"1", "2"}) || s.Event.Endpoint().Name != "a" {
		t.Errorf("%v, %v", s.Upstream.SuccessCodes, s.Upstream.PermanentCodes)
	}
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0].String(), "MAPPING_FILE: takes for a success 0; ") {
		t.Errorf("warnings %q", warnings)
	}
	environment(t, map[string]string{"MAPPING_FILE": name, "UPSTREAM_SUCCESS_CODES": "0", "UPSTREAM_PERMANENT_CODES": "1"})
	_, _, err = Load(GroupEvent, GroupUpstream)
	for _, code := range []string{"UPSTREAM_SUCCESS_CODES", "UPSTREAM_PERMANENT_CODES"} {
		if err == nil || !strings.Contains(err.Error(), code+": is set and so is the endpoint in MAPPING_FILE") {
			t.Errorf("%s: %v", code, err)
		}
	}
}
