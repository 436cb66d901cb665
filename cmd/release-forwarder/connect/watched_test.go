package connect

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/cmd/release-forwarder/settings"
)

// upper parses text files to upper case.
func upper(contents [][]byte) (string, error) {
	text := string(bytes.Join(contents, []byte("+")))
	if text == "" || strings.ToUpper(text) != text {
		return "", errors.New("not in upper case")
	}
	return text, nil
}

func TestWatchedTakesUpASwappedFolderWithinFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mount(t, map[string][]byte{"cert": []byte("A"), "key": []byte("B")})
		var told atomic.Value
		w, err := Watch(WatchConfig[string]{
			Files:   []string{m.path("cert"), m.path("key")},
			Parse:   upper,
			Changed: func(v string) { told.Store(v) },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()

		time.Sleep(30*PollInterval + time.Nanosecond) // just after a look: the longest wait
		if w.Get() != "A+B" || told.Load() != nil {
			t.Errorf("unchanged files give %q, told %v", w.Get(), told.Load())
		}
		m.swap(map[string][]byte{"cert": []byte("C"), "key": []byte("D")})
		time.Sleep(5 * time.Second)
		if w.Get() != "C+D" || told.Load() != "C+D" {
			t.Errorf("after the swap %q, told %v", w.Get(), told.Load())
		}
		stop()
		<-done
	})
}

func TestWatchedKeepsTheLastGoodValue(t *testing.T) {
	var logged bytes.Buffer
	var failures []string
	path := write(t, []byte("GOOD"))
	w, err := Watch(WatchConfig[string]{
		Files: []string{path}, Settings: []string{"A_FILE"},
		Parse:  upper,
		Failed: func(setting string) { failures = append(failures, setting) },
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name             string
		change           func()
		want             string
		failures, logged int // in all so far
	}{
		{"nothing changed", func() {}, "GOOD", 0, 0},
		{"blank", func() { overwrite(t, path, nil) }, "GOOD", 1, 1},
		{"still blank: counted, not logged again", func() {}, "GOOD", 2, 1},
		{"missing", func() { _ = os.Remove(path) }, "GOOD", 3, 2},
		{"as before", func() { overwrite(t, path, []byte("GOOD")) }, "GOOD", 3, 3},
		{"not to be parsed", func() { overwrite(t, path, []byte("secret words")) }, "GOOD", 4, 4},
		{"new and good", func() { overwrite(t, path, []byte("BETTER")) }, "BETTER", 4, 5},
		{"unchanged since", func() {}, "BETTER", 4, 5},
	} {
		step.change()
		if got := w.Fresh(); got != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
		if len(failures) != step.failures || strings.Count(logged.String(), "\n") != step.logged {
			t.Errorf("%s: %d failures, want %d; log:\n%s", step.name, len(failures), step.failures, logged.String())
		}
	}
	if strings.Contains(logged.String(), "secret words") || strings.Contains(logged.String(), "BETTER") {
		t.Errorf("the log holds contents:\n%s", logged.String())
	}
}

// If one of two files cannot be read its setting is reported; if they do not match both are.
func TestAPairThatCannotBeTakenUpIsToldOfByItsSettings(t *testing.T) {
	const cert, key = "CERT_FILE", "KEY_FILE"
	m := mount(t, map[string][]byte{"cert": []byte("A"), "key": []byte("B")})
	var failed, taken []string
	w, err := Watch(WatchConfig[string]{
		Files: []string{m.path("cert"), m.path("key")}, Settings: []string{cert, key}, Parse: upper,
		Failed: func(setting string) { failed = append(failed, setting) },
		Taken:  func(setting string) { taken = append(taken, setting) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name          string
		files         map[string][]byte
		failed, taken []string
	}{
		{"no key", map[string][]byte{"cert": []byte("C")}, []string{key}, nil},
		{"no certificate", map[string][]byte{"key": []byte("D")}, []string{cert}, nil},
		{"not a pair", map[string][]byte{"cert": []byte("C"), "key": []byte("d")}, []string{cert, key}, nil},
		{"a new pair", map[string][]byte{"cert": []byte("C"), "key": []byte("D")}, nil, []string{cert, key}},
	} {
		failed, taken = nil, nil
		m.swap(step.files)
		w.Look()
		if !slices.Equal(failed, step.failed) || !slices.Equal(taken, step.taken) {
			t.Errorf("%s: failed %v, want %v; taken %v, want %v", step.name, failed, step.failed, taken, step.taken)
		}
	}
}

func TestWatchedMustBeginWithAGoodValue(t *testing.T) {
	for name, path := range map[string]string{"missing": "/does/not/exist", "not to be parsed": write(t, []byte("bad"))} {
		if _, err := Watch(WatchConfig[string]{Files: []string{path}, Parse: upper}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestFilesThatTradeContentsAreAChange(t *testing.T) {
	a, b := write(t, []byte("AB")), write(t, []byte("C"))
	w, err := Watch(WatchConfig[string]{Files: []string{a, b}, Parse: upper})
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, a, []byte("A"))
	overwrite(t, b, []byte("BC"))
	if got := w.Fresh(); got != "A+BC" {
		t.Errorf("got %q", got)
	}
}

func TestABrokenFileIsNoticedBeforeAConnectionNeedsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, "ca")
		password := write(t, []byte("s3cret"))
		failed := make(chan string, 100)
		k := connected(t, Config{
			Kafka: kafkaSettings(together(trusting(t, ca), holding(t, ca), func(k *settings.Kafka) {
				k.SASL = settings.SASL{Mechanism: settings.Plain, Username: "u", PasswordFile: password}
			}), "broker:9092"),
			ReloadFailed: func(setting string) { failed <- setting },
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { k.Run(ctx); close(done) }()

		broken := append([]string{k.tls.ca.cfg.Files[0], password}, k.tls.pair.cfg.Files...)
		for _, file := range broken {
			overwrite(t, file, []byte("\n"))
		}
		time.Sleep(PollInterval + time.Second)
		var told []string
		for range broken {
			told = append(told, <-failed)
		}
		slices.Sort(told)
		if want := []string{"KAFKA_SASL_PASSWORD_FILE", "KAFKA_TLS_CA_FILE", "KAFKA_TLS_CERT_FILE", "KAFKA_TLS_KEY_FILE"}; !slices.Equal(told, want) {
			t.Errorf("told of %v, want %v", told, want)
		}
		stop()
		<-done
	})
}

// A certificate and its key in one file are one file of two settings.
func TestAFileOfTwoSettingsIsToldOfOnceForEach(t *testing.T) {
	const cert, key = "CERT_FILE", "KEY_FILE"
	path := write(t, []byte("A"))
	var failed, taken []string
	w, err := Watch(WatchConfig[string]{
		Files: []string{path, path}, Settings: []string{cert, key}, Parse: upper,
		Failed: func(setting string) { failed = append(failed, setting) },
		Taken:  func(setting string) { taken = append(taken, setting) },
	})
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, []byte("B"))
	w.Look()
	overwrite(t, path, []byte("b"))
	w.Look()
	both := []string{cert, key}
	if !slices.Equal(taken, both) || !slices.Equal(failed, both) {
		t.Errorf("taken %v, failed %v", taken, failed)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	failed = nil
	if w.Look(); !slices.Equal(failed, both) {
		t.Errorf("removed: failed %v", failed)
	}
}

// A file system that hangs delays no one: the value in force stays, the stop is immediate, and the fault is
// reported.
func TestAFileThatCannotBeReadToItsEndHoldsUpNobody(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "secret")
	if err := os.WriteFile(name, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := Watch(WatchConfig[string]{Files: []string{name}, Parse: func(b [][]byte) (string, error) { return string(b[0]), nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan bool)
	go func() { first <- w.within(ctx) }()
	var writer *os.File // it can be opened without waiting once it is read
	for writer == nil {
		writer, _ = os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	}
	cancel()
	if <-first {
		t.Error("a look has ended that cannot")
	}
	// Another look does not begin, and is not waited for either.
	if w.within(ctx) {
		t.Error("two looks at once")
	}
	if got := w.Get(); got != "before" {
		t.Errorf("%q is in force", got)
	}
	if _, err := writer.Write([]byte("after")); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	w.turn <- struct{}{} // once the look has ended
	if got := w.Get(); got != "after" {
		t.Errorf("%q is in force", got)
	}
}
