// Package process runs the forwarder as a user would: built by the go command,
// a process of its own, told what to do by its environment alone.
//
// What is started is ended: [Process.Stop] asks first and insists later, and on
// Linux the kernel ends it should the sandbox itself die. It runs in a process
// group of its own, so that a Ctrl-C in the terminal reaches the sandbox alone,
// which then decides when the forwarder is to stop.
package process

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Forwarder is the import path of the program under test.
const Forwarder = "release-forwarder/cmd/release-forwarder"

// Build builds the forwarder to the path given, with the go command and the
// module of the directory the sandbox was started in.
func Build(ctx context.Context, to string) error {
	// Without the commit in it: the go command refuses to ask git about a clone
	// that belongs to another user, and no one keeps this binary.
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", to, Forwarder)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	isolate(cmd)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := locked(cmd.Run); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", Forwarder, err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}

// Process is a program that was started.
type Process struct {
	log  string
	pid  int
	done chan struct{}
	err  error // set before done is closed
}

// Start runs the program at path with exactly the environment given. What it
// writes goes to the file log, which is recreated.
func Start(path string, env []string, log string, args ...string) (*Process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, file, file
	isolate(cmd)
	p := &Process{log: log, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer file.Close()
		defer close(p.done)
		p.err = locked(func() error {
			err := cmd.Start()
			if err == nil {
				p.pid = cmd.Process.Pid
			}
			started <- err
			if err != nil {
				return err
			}
			return cmd.Wait()
		})
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// locked runs f on one thread that lives as long as f: the kernel ends a
// process together with the thread that started it (PR_SET_PDEATHSIG).
func locked(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return f()
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how the process ended: nil for exit code 0. It is to be asked after
// Done.
func (p *Process) Err() error { return p.err }

// Stop sends SIGTERM, waits for the end at most limit, and kills after it. It
// reports whether the process ended within the limit.
func (p *Process) Stop(limit time.Duration) bool {
	_ = syscall.Kill(p.pid, syscall.SIGTERM) // one that has ended needs none
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		p.Kill()
		return false
	}
}

// Kill ends the process and all it started, at once, and waits for it. A
// process that has ended is left alone: its number may be another's by now.
func (p *Process) Kill() {
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(-p.pid, syscall.SIGKILL) // it may end at this very moment
		<-p.done
	}
}

// Tail returns the last lines of what the process wrote.
func (p *Process) Tail(lines int) string {
	const most = 16 << 10
	file, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > most {
		_, _ = file.Seek(-most, io.SeekEnd) // from the start is as well
	}
	text, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
