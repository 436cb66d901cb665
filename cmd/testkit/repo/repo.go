// Package repo lets tests look at the repository's own files: documents, sources and the names of tests. What a
// document says is held to the code by tests in the package of that code.
package repo

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Update is the flag -update of a test: the generated parts of pages are written. make generate sets it.
var Update = flag.Bool("update", false, "write the generated parts of pages")

// Path is the file of a name relative to the repository's root.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.HasPrefix(string(text), "module release-forwarder\n") {
			return filepath.Join(dir, filepath.FromSlash(name))
		}
		above := filepath.Dir(dir)
		if above == dir {
			t.Fatal("the test does not run in the repository")
		}
		dir = above
	}
}

// Read is the text of a file.
func Read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Files names the files whose names end in suffix, except those of git and of what is built.
func Files(t testing.TB, suffix string) (names []string) {
	t.Helper()
	root := Path(t, "")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "dist", "node_modules"}, d.Name()):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, suffix):
			names = append(names, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)

// Tests has the names of all tests and fuzz targets.
func Tests(t testing.TB) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, file := range Files(t, "_test.go") {
		for _, m := range testFunction.FindAllStringSubmatch(Read(t, file), -1) {
			names[m[1]] = true
		}
	}
	return names
}

// Generated holds the part of a page between two marks to what the code says now. Where update is set it writes
// the part instead.
func Generated(t *testing.T, page, begin, end, now string, update bool) {
	t.Helper()
	before, rest, begins := strings.Cut(Read(t, page), begin)
	part, after, ends := strings.Cut(rest, end)
	switch {
	case !begins || !ends:
		t.Fatalf("%s lacks the marks %q and %q", page, begin, end)
	case part == now:
	case !update:
		t.Errorf("%s is not what the code says: run make generate. The code says:\n%s", page, now)
	default:
		if err := os.WriteFile(Path(t, page), []byte(before+begin+now+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
