package apptest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// MountedFile is a file as Kubernetes mounts one of a Secret: a link into a folder that is a link itself, which is
// swapped as a whole.
type MountedFile struct {
	t      *testing.T
	dir    string
	number int // of the folder that is linked now
}

// MountFile makes such a file. Call it outside the bubble: it is removed at the test's end.
func MountFile(t *testing.T, contents string) *MountedFile {
	m := &MountedFile{t: t, dir: t.TempDir()}
	m.Swap(contents)
	if err := os.Symlink(filepath.Join("..data", "file"), m.Name()); err != nil {
		t.Fatal(err)
	}
	return m
}

// Name gives the file's path, which never changes.
func (m *MountedFile) Name() string { return filepath.Join(m.dir, "file") }

// Swap gives the file other contents, in one step: no reader sees a part of them.
func (m *MountedFile) Swap(contents string) {
	m.t.Helper()
	m.number++
	folder := fmt.Sprintf("..%d", m.number)
	next := filepath.Join(m.dir, "..data_tmp")
	for _, err := range []error{
		os.Mkdir(filepath.Join(m.dir, folder), 0o755),
		os.WriteFile(filepath.Join(m.dir, folder, "file"), []byte(contents), 0o644),
		os.Symlink(folder, next),
		os.Rename(next, filepath.Join(m.dir, "..data")),
		os.RemoveAll(filepath.Join(m.dir, fmt.Sprintf("..%d", m.number-1))),
	} {
		if err != nil {
			m.t.Fatal(err)
		}
	}
}
