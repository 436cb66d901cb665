package screen

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newScreen(columns int) (*Screen, *bytes.Buffer) {
	out := &bytes.Buffer{}
	s := &Screen{out: out, gone: make(chan struct{})}
	if columns > 0 {
		s.width = func() int { return columns }
	}
	return s, out
}

// picture is what stands on a terminal after the text was written to it, as far
// as the sequences that a screen uses go.
func picture(text string) string {
	lines := []string{""}
	for text != "" {
		if rest, ok := strings.CutPrefix(text, "\r"+escape); ok {
			up := int(rest[0] - '0')
			lines = append(lines[:len(lines)-1-up], "")
			text = strings.TrimPrefix(rest[1:], "A"+clearDown)
			continue
		}
		if text[0] == '\n' {
			lines = append(lines, "")
		} else {
			lines[len(lines)-1] += text[:1]
		}
		text = text[1:]
	}
	return strings.Join(lines, "\n")
}

func TestOnATerminalTheBlockIsDrawnInPlace(t *testing.T) {
	s, out := newScreen(40)
	s.Say("first")
	s.Show([]string{"a 1", "b 1"}, "unseen")
	s.Show([]string{"a 2", "b 2", "c 2"}, "unseen")
	s.Say("second")
	s.Show([]string{"a 3"}, "unseen")
	s.Keep()
	s.Say("last")
	if got, want := picture(out.String()), "first\nsecond\na 3\nlast\n"; got != want {
		t.Errorf("the terminal shows\n%s\nwant\n%s", got, want)
	}
}

func TestALongLineOfTheBlockIsCut(t *testing.T) {
	s, out := newScreen(11)
	s.Show([]string{"0123456789abcdef"}, "")
	if got := picture(out.String()); got != "0123456789\n" {
		t.Errorf("shows %q", got)
	}
}

func TestElsewhereThereAreOnlyLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s := New(file)
	s.Say("first")
	s.Show([]string{"a 1"}, "1s a 1")
	s.Keep()
	s.Say("last")
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != "first\n1s a 1\nlast\n" {
		t.Errorf("the file holds %q", got)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestAReaderThatLeftIsNoticedOnce(t *testing.T) {
	s := &Screen{out: broken{}, gone: make(chan struct{})}
	s.Say("one")
	<-s.Gone()
	s.Say("two")
}
