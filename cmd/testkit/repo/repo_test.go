package repo

import (
	"slices"
	"testing"
)

func TestTheRepositoryIsFound(t *testing.T) {
	if files := Files(t, ".go"); !slices.Contains(files, "cmd/testkit/repo/repo.go") || !slices.Contains(files, ".ci/compose/main.go") {
		t.Errorf("%d files, without this one or those below .ci", len(files))
	}
	if !Tests(t)["TestTheRepositoryIsFound"] {
		t.Error("this test is not among the tests")
	}
}
