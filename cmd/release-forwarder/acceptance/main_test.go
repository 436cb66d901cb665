package acceptance

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What TestMain prepares for all cases.
var (
	binary string  // the forwarder
	kafka  backend // where the cases run
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	// Cases wait far more than they work, so many run at once.
	if err := flag.Set("test.parallel", or(os.Getenv("ACCEPTANCE_PARALLEL"), "8")); err != nil {
		return fail(err)
	}
	dir, err := os.MkdirTemp("", "acceptance-*")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	if binary, err = buildForwarder(dir); err != nil {
		return fail(err)
	}
	if kafka, err = openBackend(dir); err != nil {
		return fail(err)
	}
	defer kafka.close()
	code := m.Run()
	if err := errors.Join(finishResults(os.Stdout), evidence.finish(os.Stdout)); err != nil {
		return fail(err)
	}
	return code
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "acceptance:", err)
	return 1
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// buildForwarder builds the binary under test, unless one is given.
func buildForwarder(dir string) (string, error) {
	if given := os.Getenv("ACCEPTANCE_FORWARDER"); given != "" {
		return filepath.Abs(given)
	}
	out := filepath.Join(dir, "release-forwarder")
	cmd := exec.Command("go", slices.Concat([]string{"build", "-o", out}, raceFlag, []string{"./cmd/release-forwarder"})...)
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the forwarder does not build: %w\n%s", err, text)
	}
	return out, nil
}

// root is the module's, seen from this package.
var root = filepath.Join("..", "..", "..")

// noteInputs looks at everything that the suite's outcome hangs on. go test
// answers from its cache as long as nothing has changed that the tests looked
// at; it does not see that they build the forwarder, nor what TestMain does.
func noteInputs(t *testing.T) {
	t.Helper()
	for _, name := range []string{"ACCEPTANCE_KAFKA", "ACCEPTANCE_BROKERS", "ACCEPTANCE_FORWARDER", "ACCEPTANCE_RESULTS", "ACCEPTANCE_PARALLEL", "KAFKA_VERSION"} {
		_ = os.Getenv(name)
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "..":
			return fs.SkipDir
		case !d.IsDir():
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
