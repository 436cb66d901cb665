package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWriteKeepsWhatWasNotRun: a run of some troubles leaves the others' rows and commands as they are, and takes out what has failed.
func TestWriteKeepsWhatWasNotRun(t *testing.T) {
	root := t.TempDir()
	for _, page := range []string{tablePage, listPage} {
		file := filepath.Join(root, page)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte("before\n"+begin+end+"\nafter\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	run := func(commit string, failed []string, names ...string) string {
		var rows []found
		var all []typed
		for _, list := range [][]trouble{troubles, rounds} {
			for _, tr := range list {
				for _, name := range names {
					if tr.name == name {
						row := found{trouble: tr, toWell: time.Minute}
						for range tr.alerts {
							row.alerts = append(row.alerts, raised{})
						}
						rows, all = append(rows, row), append(all, typed{trouble: name, command: "of " + commit, page: "a.md"})
					}
				}
			}
		}
		if err := write(config{root: root, commit: commit}, rows, failed, all, account{}); err != nil {
			t.Fatal(err)
		}
		return read(t, root, tablePage) + read(t, root, listPage)
	}
	storm, check, moved := troubles[4].name, rounds[1].name, rounds[2].name
	run("first", nil, storm, check, moved)
	text := run("second", []string{moved}, check)
	for _, c := range []struct {
		part  string
		times int
	}{
		{"| first |", 1}, {"| second |", 1}, {", commit first,", 1}, {", commit second,", 1}, {"\nCommit first.", 1}, {"\nCommit second.", 1}, {"`of first`", 1}, {"`of second`", 1}, {moved, 0}, {titled(moved), 0},
		{"| " + storm + " |", 1}, {"| " + check + " |", 1}, {"## " + titled(storm) + "\n", 1}, {"## " + titled(check) + "\n", 1}, {"before\n", 2}, {"after\n", 2},
	} {
		if n := strings.Count(text, c.part); n != c.times {
			t.Errorf("%q stands there %d times, not %d", c.part, n, c.times)
		}
	}
	if text = run("third", nil, storm, check); strings.Contains(text, "ommit first") || strings.Contains(text, "ommit second") {
		t.Errorf("the earlier runs have no rows, and are named:\n%s", text)
	}
}

func read(t *testing.T, root, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
