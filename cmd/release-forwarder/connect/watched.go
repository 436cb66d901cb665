package connect

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// PollInterval is how often Run reads the files. A change takes effect within 5s (docs/how-to/rotate-secrets.md);
// reading two small files this often costs almost nothing.
const PollInterval = 2 * time.Second

// WatchConfig says what to watch and which functions to call.
type WatchConfig[T any] struct {
	// Files are read together: a certificate and its key make one value.
	Files []string
	// Settings are the names of the settings that name the files, in the order of Files. One file may belong
	// to several settings, here and in other watches; Failed and Taken are called once for each. Without these
	// two functions none are needed.
	Settings []string
	// Parse makes the value from the files' contents, in the order of Files. Its error must not repeat the
	// contents.
	Parse func(contents [][]byte) (T, error)
	// Changed is called with each new value after the first; nil: no call. It must not call the Watched.
	Changed func(T)
	// Failed is called each time the files could not be reloaded, so that a counter shows a fault as long as
	// it lasts. It gets the setting of the file that could not be read. If the files could not be parsed
	// together it gets each setting: which of two files that do not match is wrong is not known. nil: no call.
	Failed func(setting string)
	// Taken is called with each file's setting each time new contents were loaded; nil: no call.
	Taken func(setting string)
	// Logger logs one line for a change and one for a new fault; nil: no log.
	Logger *slog.Logger
}

// Watched is a value read from files: the last one that could be parsed. A file that is removed, blank or half
// written changes nothing but the log.
//
// Files are compared by content, not by time or inotify: Kubernetes swaps a symlinked folder.
type Watched[T any] struct {
	cfg   WatchConfig[T]
	value atomic.Pointer[T]

	turn  chan struct{}     // has room for one look at a time; it guards the rest
	good  [sha256.Size]byte // of the contents that value was parsed from
	fault string            // the fault logged last; empty: the last look was good
}

// Watch reads the files for the first time. The error is that of reading or parsing them: there is no value
// yet to keep.
func Watch[T any](cfg WatchConfig[T]) (*Watched[T], error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	contents, sum, err := read(cfg.Files)
	if err != nil {
		return nil, err
	}
	value, err := cfg.Parse(contents)
	if err != nil {
		return nil, err
	}
	w := &Watched[T]{cfg: cfg, turn: make(chan struct{}, 1), good: sum}
	w.value.Store(&value)
	return w, nil
}

// Get returns the value in force. It never blocks and never reads a file.
func (w *Watched[T]) Get() T { return *w.value.Load() }

// How long a look may take, on a file system that hangs: if a caller needs the value now, and before it is a
// fault.
const (
	freshLimit = 2 * time.Second
	slowLook   = 10 * time.Second
)

// Fresh reads the files now and returns the value then in force. It is for rare uses that must not be late,
// such as a new connection. Files that cannot be read in time change nothing.
func (w *Watched[T]) Fresh() T {
	ctx, cancel := context.WithTimeout(context.Background(), freshLimit)
	defer cancel()
	w.within(ctx)
	return w.Get()
}

// Run reads the files every [PollInterval] until ctx ends.
func (w *Watched[T]) Run(ctx context.Context) {
	tick := time.NewTicker(PollInterval)
	defer tick.Stop()
	hangs := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		patience, cancel := context.WithTimeout(ctx, slowLook)
		looked := w.within(patience)
		cancel()
		if !looked && ctx.Err() == nil {
			w.report(w.cfg.Files, w.cfg.Failed)
			if !hangs {
				eventFileRefused.Log(w.cfg.Logger,
					slog.String("files", w.names()), slog.String("error", "it cannot be read to its end: no answer for "+slowLook.String()))
			}
		}
		hangs = !looked
	}
}

// within looks, and waits for the look until ctx ends: no caller may hang with a file system. While a look
// hangs no other begins.
func (w *Watched[T]) within(ctx context.Context) (looked bool) {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	ended := make(chan struct{})
	go func() {
		w.look()
		<-w.turn
		close(ended)
	}()
	select {
	case <-ended:
		return true
	case <-ctx.Done():
		return false
	}
}

// Look reads the files once and loads their contents if they are new and good.
func (w *Watched[T]) Look() { w.within(context.Background()) }

func (w *Watched[T]) look() {
	contents, sum, err := read(w.cfg.Files)
	broken := w.cfg.Files
	if err != nil {
		broken = broken[len(contents):][:1] // those before it were read
	}
	if err == nil && sum == w.good {
		w.restored()
		return
	}
	var value T
	if err == nil {
		value, err = w.cfg.Parse(contents)
	}
	if err != nil {
		w.failed(err, broken)
		return
	}
	w.good, w.fault = sum, ""
	w.value.Store(&value)
	eventFileTakenUp.Log(w.cfg.Logger, slog.String("files", w.names()))
	w.report(w.cfg.Files, w.cfg.Taken)
	if w.cfg.Changed != nil {
		w.cfg.Changed(value)
	}
}

// failed reports a fault; a fault that lasts is logged once.
func (w *Watched[T]) failed(err error, broken []string) {
	w.report(broken, w.cfg.Failed)
	if w.fault == err.Error() {
		return
	}
	w.fault = err.Error()
	eventFileRefused.Log(w.cfg.Logger, slog.String("files", w.names()), slog.String("error", w.fault))
}

// restored notes that the contents in force are back.
func (w *Watched[T]) restored() {
	if w.fault != "" {
		w.fault = ""
		eventFileMended.Log(w.cfg.Logger, slog.String("files", w.names()))
	}
}

// report calls to with each setting of these files; to may be nil.
func (w *Watched[T]) report(files []string, to func(setting string)) {
	for i, setting := range w.cfg.Settings {
		if to != nil && slices.Contains(files, w.cfg.Files[i]) {
			to(setting)
		}
	}
}

func (w *Watched[T]) names() string { return strings.Join(w.cfg.Files, ", ") }

// read returns the files' contents, as far as they can be read, and a hash that also depends on where each
// file ends.
func read(files []string) (contents [][]byte, sum [sha256.Size]byte, err error) {
	var sums []byte
	for _, f := range files {
		c, err := os.ReadFile(f)
		if err != nil {
			return contents, sum, err
		}
		one := sha256.Sum256(c)
		sums = append(sums, one[:]...)
		contents = append(contents, c)
	}
	return contents, sha256.Sum256(sums), nil
}
