package platform

import (
	"maps"
	"slices"
	"testing"

	"release-forwarder/mapping"
)

// The double judges by a list of its own, written from the API's document, and not by the
// forwarder's: so each finds what the other has wrong. They have the same fields.
func TestTheDoubleKnowsTheFieldsOfAnEvent(t *testing.T) {
	ours := slices.Sorted(maps.Keys(fields))
	public := []string{"app_id", "sign", "sign_type", "timestamp"}
	for _, name := range mapping.BuiltIn().Names() {
		f, _ := mapping.BuiltIn().Field(name)
		d, known := fields[name]
		if !known {
			t.Errorf("%s is sent by the forwarder, and the double refuses it: write it into fields in verify.go as the API's document has it", name)
			continue
		}
		if slices.Contains(required, name) != f.Required || d.time != (f.Kind == mapping.Time) || (d.codes != nil) != (f.Kind == mapping.Code) {
			t.Errorf("%s is %+v to the double and %+v to the forwarder; see the API's document", name, d, f)
		}
		ours = slices.DeleteFunc(ours, func(n string) bool { return n == name })
	}
	if !slices.Equal(ours, public) {
		t.Errorf("beside the forwarder's the double has %v, want the public %v", ours, public)
	}
}
