package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"release-forwarder/cmd/testkit/process"
)

// processes are those that must not outlive the sandbox. Its zero value is
// empty.
type processes struct {
	mu   sync.Mutex
	list []*process.Process // guarded by mu
}

func (p *processes) add(one *process.Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, one)
}

// kill ends them all at once.
func (p *processes) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.list {
		one.Kill()
	}
}

// Why a sandbox is asked to stop.
var (
	errInterrupted = errors.New("interrupted")
	errReaderGone  = errors.New("no one reads the output now")
	errParentGone  = errors.New("the go command that runs the sandbox has ended")
)

// interruptible returns a context that ends with the first Ctrl-C (or SIGTERM
// or SIGHUP), when no one reads the output now, or when the go command
// that runs the sandbox ends. A second signal ends the sandbox at once, with
// all that it started.
func interruptible(gone <-chan struct{}, started *processes) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup wants it
		signal.Notify(signals, syscall.SIGHUP)
	}
	// Asked for so that a write to a closed pipe fails instead of ending the
	// sandbox before it has ended what it started.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		select {
		case <-signals:
			cancel(errInterrupted)
		case <-gone:
			cancel(errReaderGone)
		case <-orphaned():
			cancel(errParentGone)
		}
		<-signals
		started.kill()
		os.Exit(1)
	}()
	return ctx
}

// orphaned is closed when the go command of a "go run" has ended. It passes on
// a Ctrl-C, but dies of any other signal without a word to the program it runs,
// which would then go on indefinitely.
func orphaned() <-chan struct{} {
	if !underGoRun() {
		return nil
	}
	gone := make(chan struct{})
	parent := os.Getppid()
	go func() {
		ticker := time.NewTicker(500 * time.Millisecond)
		defer ticker.Stop()
		for os.Getppid() == parent {
			<-ticker.C
		}
		close(gone)
	}()
	return gone
}

// underGoRun reports whether a go command runs the sandbox. Where the system
// does not name the parent, the place of the program tells: go run leaves it in
// a directory or a cache of that name.
func underGoRun() bool {
	if name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(os.Getppid()), "comm")); err == nil {
		return strings.TrimSpace(string(name)) == "go"
	}
	self, err := os.Executable()
	return err == nil && strings.Contains(self, "go-build")
}
