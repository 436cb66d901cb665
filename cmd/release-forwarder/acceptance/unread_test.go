package acceptance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/platform"
)

// unreadScenarios: what becomes of the service when its standard output and error
// cannot be written, and of signals that it did not ask for.
func unreadScenarios() []scenario {
	return []scenario{
		{name: "standard error is a pipe no one reads: all is delivered, SIGTERM is obeyed", run: unreadPipe},
		{name: "standard error is a pipe that is full from the start: all is delivered, SIGTERM is obeyed", run: fullPipe},
		{name: "standard error is a pipe whose reader has gone: a graceful stop stays graceful", run: brokenPipe},
		{name: "standard error is a full disk: all is delivered, SIGTERM is obeyed", run: fullDisk},
		{name: "standard error is a file that may not grow: all is delivered, SIGTERM is obeyed", run: limitedFile},
		{name: "lines that no one reads are dropped, counted and reported", run: linesDropped},
		{name: "a pipe that no one reads: a wrong configuration and a second signal end it all the same", run: unreadEnds},
		{name: "a terminal that is closed stops the service gracefully, but under nohup", run: hangUp},
		{name: "signals that mean nothing to it end nothing", run: otherSignals},
		{name: "SIGTERM while it starts: exit 0", run: termAtStart},
		{name: "a secret's file that cannot be read to its end: all is delivered, SIGTERM is obeyed", run: hangingFile},
	}
}

// smallPipe is a pipe that takes so many bytes more, and then no writer goes on.
func smallPipe(t testing.TB, room int) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = read.Close(), write.Close() })
	fd := int(write.Fd()) // makes it blocking, for who is given it
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	page := bytes.Repeat([]byte("x\n"), 512)
	for err == nil {
		_, err = syscall.Write(fd, page)
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, read, int64(room)); err != nil {
		t.Fatal(err)
	}
	return read, write
}

// troubled delivers events of which some fail at first, so that there is much to say.
func (w *world) troubled() {
	w.t.Helper()
	var fails atomic.Bool
	fails.Store(true)
	w.platform.script(func(*platform.Request) *platform.Reply {
		if fails.Load() {
			return &platform.Reply{Status: 500, Body: body("500")}
		}
		return nil
	})
	w.produce(w.releases(200, 1)...)
	w.produce(w.raw(0, []byte("no event")))
	eventually(w.t, "requests go out in the outage", func() error {
		if n := w.platform.Stats().Received; n < 20 {
			return fmt.Errorf("%d so far", n)
		}
		return nil
	})
	fails.Store(false)
	w.drained()
	w.produce(w.releases(200, 1)...)
	w.drained()
}

// unheard runs a service whose standard output and error are the file.
func unheard(t *testing.T, file *os.File, prepare func(f *forwarder)) {
	w := newWorld(t, plan{})
	f := w.startOn(file)
	f.answers("/livez", http.StatusOK)
	if prepare != nil {
		prepare(f)
	}
	w.troubled()
	f.stays()
	f.stop()
	if n := w.platform.repeated(); n > 0 {
		t.Errorf("%d repeats, want none", n)
	}
	w.nothingLost()
}

func unreadPipe(t *testing.T) {
	_, write := smallPipe(t, 1024)
	unheard(t, write, nil)
}

func fullPipe(t *testing.T) {
	_, write := smallPipe(t, 0)
	unheard(t, write, nil)
}

func brokenPipe(t *testing.T) {
	read, write := smallPipe(t, 8192)
	unheard(t, write, func(f *forwarder) {
		f.ready()
		write.Close()
		read.Close()
	})
}

func fullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	unheard(t, full, nil)
}

// limitedFile is a log at the limit of its size (ulimit -f): the kernel sends SIGXFSZ.
func limitedFile(t *testing.T) {
	w := newWorld(t, plan{})
	file := filepath.Join(t.TempDir(), "log")
	f := w.startAs([]string{"/bin/sh", "-c", `ulimit -f 1; exec "$0" >>"$1" 2>&1`, binary, file}, nil)
	f.answers("/livez", http.StatusOK)
	w.troubled()
	f.stays()
	f.stop()
	w.nothingLost()
}

// linesDropped prints far more than the queue holds, and reads it only then.
func linesDropped(t *testing.T) {
	w := newWorld(t, plan{})
	read, write := smallPipe(t, 8192)
	f := w.startOn(write, "OTEL_TRACES_EXPORTER", "console", "OTEL_BSP_SCHEDULE_DELAY", "100")
	write.Close()
	w.produce(w.releases(1500, 1)...)
	w.drained()
	eventually(t, "lines are dropped", func() error {
		if f.linesDropped("console") <= 0 {
			return errNone
		}
		return nil
	})
	for _, kind := range []string{"state", "log"} { // the reserve is for the first, there are few of the second
		if n := f.linesDropped(kind); n < 0 {
			t.Errorf("%v lines of kind %s are dropped", n, kind)
		}
	}
	told := make(chan int64)
	go func() {
		sum := int64(0)
		lines := bufio.NewReaderSize(read, 1<<20)
		for {
			text, err := lines.ReadBytes('\n')
			var line struct {
				Event   string
				Dropped int64
			}
			if json.Unmarshal(text, &line) == nil && line.Event == "lines-dropped" {
				sum += line.Dropped
			}
			if err != nil {
				told <- sum
				return
			}
		}
	}()
	w.produce(w.releases(10, 1)...)
	w.drained()
	counted := f.linesDropped("console") + f.linesDropped("log")
	f.stop()
	if sum := <-told; float64(sum) < counted {
		t.Errorf("%d lines are said to be dropped, %v are counted", sum, counted)
	}
}

// linesDropped is what /metrics says of lines of a kind; -1 where it says nothing.
func (f *forwarder) linesDropped(kind string) float64 {
	_, text, err := f.get("/metrics")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(text) {
		if value, is := strings.CutPrefix(line, fmt.Sprintf("release_forwarder_log_lines_dropped_total{kind=%q} ", kind)); is {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err == nil {
				return n
			}
		}
	}
	return -1
}

func unreadEnds(t *testing.T) {
	_, write := smallPipe(t, 0)
	w := newWorld(t, plan{settings: map[string]string{"UPSTREAM_TIMEOUT": "1m"}})
	if code := w.startOn(write, "UPSTREAM_URL", "nowhere").exit(); code != 2 {
		t.Errorf("a wrong configuration: exit code %d, want 2", code)
	}
	taken := freeAddress(t)
	l, err := net.Listen("tcp", taken)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if code := w.startOn(write, "ADMIN_ADDR", taken).exit(); code != 1 {
		t.Errorf("an address that is taken: exit code %d, want 1", code)
	}
	w.platform.script(func(*platform.Request) *platform.Reply { return &platform.Reply{Hang: true} })
	w.produce(w.release(0))
	f := w.startOn(write)
	eventually(t, "a request is open", func() error {
		if w.platform.Stats().InFlight == 0 {
			return errNone
		}
		return nil
	})
	f.signal(syscall.SIGTERM)
	f.answers("/readyz", 503)
	f.signal(syscall.SIGTERM)
	if code := f.exit(); code != 1 {
		t.Errorf("a second signal: exit code %d, want 1", code)
	}
}

func hangUp(t *testing.T) {
	caught := make(chan os.Signal, 1) // a suite under nohup ignores it, and what it starts would too
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	w := newWorld(t, plan{})
	w.platform.script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 5 * time.Millisecond} })
	w.produce(w.releases(600, 1)...)
	f := w.start()
	w.total(200)
	f.inspect()
	f.signal(syscall.SIGHUP)
	f.signal(syscall.SIGHUP) // the shell and the kernel send one each
	if code := f.exit(); code != 0 {
		t.Errorf("exit code %d after SIGHUP, want 0", code)
	}
	f = w.startAs([]string{"/bin/sh", "-c", `trap "" HUP; exec "$0"`, binary}, nil)
	f.ready()
	f.signal(syscall.SIGHUP)
	w.drained()
	w.produce(w.releases(20, 1)...)
	w.drained()
	f.stop()
	if n := w.platform.repeated(); n > 0 {
		t.Errorf("%d repeats, want none", n)
	}
}

func otherSignals(t *testing.T) {
	w := newWorld(t, plan{})
	f := w.start().ready()
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGPIPE, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT} {
		f.signal(s)
	}
	w.produce(w.releases(50, 1)...)
	w.drained()
	f.stop()
}

func termAtStart(t *testing.T) {
	w := newWorld(t, plan{})
	// Kafka that takes connections and answers nothing.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := w.start("KAFKA_BROKERS", l.Addr().String())
	f.answers("/livez", http.StatusOK)
	f.stop()
	// Before anything else is done: a secret's file that gives nothing.
	pipe := fifo(t)
	f = w.start("UPSTREAM_APP_SECRET", "", "UPSTREAM_APP_SECRET_FILE", pipe)
	isRead(t, pipe)
	f.signal(syscall.SIGTERM)
	if code := f.exit(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// fifo is a file whose reading never ends, as on a file system that hangs.
func fifo(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "hangs")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// isRead waits until somebody reads it, and keeps it from ending: only then can it be
// opened for writing without waiting.
func isRead(t testing.TB, fifo string) {
	t.Helper()
	eventually(t, "the file is read", func() error {
		writer, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			t.Cleanup(func() { _ = writer.Close() })
		}
		return err
	})
}

func hangingFile(t *testing.T) {
	w := newWorld(t, plan{})
	dir := t.TempDir()
	good, link := filepath.Join(dir, "good"), filepath.Join(dir, "secret")
	if err := os.WriteFile(good, []byte(plantedSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	f := w.start("UPSTREAM_APP_SECRET", "", "UPSTREAM_APP_SECRET_FILE", link).ready()
	pipe := fifo(t)
	if err := os.Symlink(pipe, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	isRead(t, pipe)
	w.produce(w.releases(50, 1)...)
	w.drained()
	f.stop()
}
