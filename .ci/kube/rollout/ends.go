package main

import (
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// ends are the exit codes of containers, as the kubelet reports them.
type ends struct {
	mu sync.Mutex
	by map[string]int // exit code by container's ID
}

// all counts them by code.
func (e *ends) all() map[int]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	codes := map[int]int{}
	for _, code := range e.by {
		codes[code]++
	}
	return codes
}

// forget takes out those that ended so, and counts them.
func (e *ends) forget(code int) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, c := range e.by {
		if c == code {
			delete(e.by, id)
			n++
		}
	}
	return n
}

// watch notes how every container of the forwarder ends, also one that is started
// again, until the world closes.
func (w *world) watch(ctx context.Context) error {
	ctx, w.unwatch = context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, w.kubectl, "kubectl", "-n", namespace, "get", "pods", "-l", label, "-w", "-o", "json")
	// The script and the kubectl that it started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	w.side.Go(func() {
		w.ends.read(out)
		_ = cmd.Wait()
	})
	return nil
}

// read handles one pod after the other, as they change.
func (e *ends) read(pods io.Reader) {
	type state struct {
		Terminated *struct {
			ContainerID string
			ExitCode    int
		}
	}
	for d := json.NewDecoder(pods); ; {
		var pod struct {
			Status struct {
				ContainerStatuses []struct{ State, LastState state }
			}
		}
		if d.Decode(&pod) != nil {
			return // kubectl was ended
		}
		for _, c := range pod.Status.ContainerStatuses {
			for _, s := range []state{c.State, c.LastState} {
				if s.Terminated != nil {
					e.note(s.Terminated.ContainerID, s.Terminated.ExitCode)
				}
			}
		}
	}
}

func (e *ends) note(container string, code int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.by == nil {
		e.by = map[string]int{}
	}
	e.by[container] = code
}
