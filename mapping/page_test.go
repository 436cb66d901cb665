package mapping_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"release-forwarder/mapping"
)

// The table of docs/platform-api.md has the API's parameters in order, and says
// which are required: app_id and sign, which the client adds, then the event's fields.
func TestThePlatformPageHasTheFields(t *testing.T) {
	page, err := os.ReadFile("../docs/platform-api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "\n## Parameters\n")
	section, _, _ := strings.Cut(after, "\n## ")
	var names, required []string
	for line := range strings.Lines(section) {
		cells := strings.Split(line, " | ")
		name := strings.Trim(cells[0], "| `")
		if len(cells) != 4 || name == "name" || strings.HasPrefix(name, "---") {
			continue
		}
		names = append(names, name)
		if cells[2] == "yes" {
			required = append(required, name)
		}
	}
	if want := append([]string{"app_id", "sign"}, mapping.BuiltIn().Names()...); !slices.Equal(names, want) {
		t.Errorf("the page has %v, want %v", names, want)
	}
	if want := mapping.BuiltIn().Required(); !slices.Equal(required, want) {
		t.Errorf("required on the page are %v, want %v", required, want)
	}
}
