package visible

import (
	"io"
	"slices"
	"sync"
	"unicode/utf8"
)

// Writer escapes invisible characters, except line ends, and passes the text on. JSON stays
// JSON and means the same. It may be used from several goroutines.
type Writer struct {
	to io.Writer

	mu  sync.Mutex
	cut []byte // guarded by mu: the first bytes of a character that is not complete yet
}

// NewWriter returns a Writer that writes to to.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to} }

// Write implements io.Writer. If it fails, the number says only whether anything was
// written.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := slices.Concat(w.cut, p)
	end := whole(text)
	if n, err := w.write(text[:end]); err != nil {
		return min(n, len(p)), err
	}
	w.cut = text[end:]
	return len(p), nil
}

// End writes the bytes of a last character that was never completed.
func (w *Writer) End() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := w.write(w.cut)
	w.cut = nil
	return err
}

func (w *Writer) write(text []byte) (int, error) {
	if len(text) == 0 {
		return 0, nil
	}
	return w.to.Write(escape(make([]byte, 0, len(text)+16), string(text), "\n"))
}

// whole returns where an incomplete last character begins; len(text) without one.
func whole(text []byte) int {
	for i := len(text) - 1; i >= max(0, len(text)-utf8.UTFMax); i-- {
		if utf8.RuneStart(text[i]) {
			if !utf8.FullRune(text[i:]) {
				return i
			}
			break
		}
	}
	return len(text)
}
