package consumer

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The map in doc.go names each file once.
func TestTheMapNamesEachFile(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return f == "doc.go" || strings.HasSuffix(f, "_test.go") })
	var named []string
	for _, m := range regexp.MustCompile(`(?m)^//\t(\w+\.go) +\S`).FindAllStringSubmatch(string(doc), -1) {
		named = append(named, m[1])
	}
	slices.Sort(named)
	if !slices.Equal(named, files) {
		t.Errorf("doc.go names\n%v, the files are\n%v", named, files)
	}
}
