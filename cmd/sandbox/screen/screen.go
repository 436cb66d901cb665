// Package screen shows a run: lines that stay, and below them, on a terminal, a
// few lines that are redrawn each time. Into a file or a pipe there are only
// lines that stay.
//
// Nothing more is shown once a write has failed (the reader of the pipe has
// left); [Screen.Gone] says so.
package screen

import (
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Screen is a terminal, a file or a pipe. It is safe for concurrent use.
type Screen struct {
	width func() int // columns; nil: not a terminal
	gone  chan struct{}

	mu sync.Mutex
	// out is where everything goes, guarded by mu as all below.
	out io.Writer
	// drawn is the block that stands below the lines that stay.
	drawn  []string
	failed bool
}

// New returns a screen for the file. It is drawn live when the file is a
// terminal that knows how (TERM is not dumb).
func New(file *os.File) *Screen {
	s := &Screen{out: file, gone: make(chan struct{})}
	if fd := int(file.Fd()); term.IsTerminal(fd) && os.Getenv("TERM") != "dumb" {
		s.width = func() int {
			if width, _, err := term.GetSize(fd); err == nil && width > 0 {
				return width
			}
			return 80
		}
	}
	return s
}

// Gone is closed when the screen can no longer be seen.
func (s *Screen) Gone() <-chan struct{} { return s.gone }

// Say shows text that stays, one line or several.
func (s *Screen) Say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(s.erase() + text + "\n" + s.block(s.drawn))
}

// Show shows how things stand: the block on a terminal, in the place of the
// one before it; the line elsewhere.
func (s *Screen) Show(block []string, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.width == nil {
		s.write(line + "\n")
		return
	}
	erase := s.erase()
	s.drawn = block
	s.write(erase + s.block(block))
}

// Keep lets the block stand as it is: what follows comes below it.
func (s *Screen) Keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drawn = nil
}

// The control sequences used are those of ECMA-48 that every terminal knows:
// CUU moves up, ED clears what is below.
const (
	escape    = "\x1b["
	clearDown = escape + "J"
)

// erase goes back to where the block begins and clears it. The carriage return
// is for what the terminal itself may have written, such as ^C.
func (s *Screen) erase() string {
	if len(s.drawn) == 0 {
		return ""
	}
	return "\r" + escape + strconv.Itoa(len(s.drawn)) + "A" + clearDown
}

// block cuts the lines to the width: one that wraps would take two.
func (s *Screen) block(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	var b strings.Builder
	most := s.width() - 1
	for _, line := range lines {
		if runes := []rune(line); len(runes) > most {
			line = string(runes[:most])
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.String()
}

func (s *Screen) write(text string) {
	if s.failed {
		return
	}
	if _, err := io.WriteString(s.out, text); err != nil {
		s.failed = true
		close(s.gone)
	}
}
