package console

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"release-forwarder/cmd/release-forwarder/visible"
)

// A bar steers the terminal, and goes no other way.
func TestABarIsDrawnBesideTheBorder(t *testing.T) {
	var terminal, lines bytes.Buffer
	sc := Screen{Err: visible.NewWriter(&lines), bar: &terminal}
	p := NewBar(sc, "sent", 2)
	p.Set(1)
	p.Set(2)
	p.End()
	if !strings.Contains(terminal.String(), "\r") || !strings.Contains(terminal.String(), "100%") {
		t.Errorf("drawn: %q", terminal.String())
	}
	if lines.String() != "\n" {
		t.Errorf("lines: %q", lines.String())
	}
	pipe, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if o := NewOutput(io.Discard, pipe); o.bar != nil || NewScreen(Stopper{t.Context()}, o).bar != nil {
		t.Error("a bar where there is no terminal")
	}
}
