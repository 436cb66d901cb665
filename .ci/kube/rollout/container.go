package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// binary is what every container runs, and how it is found among all processes.
const binary = "/ko-app/release-forwarder"

// memoryLimit is what the manifests give a container, in bytes.
const memoryLimit = 128 << 20

// processes are the replicas' numbers on this machine, which is the node.
func processes() (pids []string, err error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if program, _, _ := bytes.Cut(line, []byte{0}); string(program) == binary {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids, nil
}

// confined holds each replica to what the kernel says of it: whom it runs as, what
// it may do, where it may write, how much memory it gets.
func (w *world) confined() error {
	pids, err := processes()
	if err != nil {
		return err
	}
	if len(pids) != w.replicas {
		return fmt.Errorf("%d processes of %s, %d replicas", len(pids), binary, w.replicas)
	}
	for _, pid := range pids {
		status, err := statusOf(pid)
		if err != nil {
			return err
		}
		user := strconv.Itoa(w.now.user)
		for name, want := range map[string]string{
			"Uid": user + " " + user + " " + user + " " + user,
			// None to use, to get, or to pass on; and none by a program with the set-user bit.
			"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "CapBnd": "0000000000000000", "CapAmb": "0000000000000000",
			"NoNewPrivs": "1",
			"Seccomp":    "2", // a filter
		} {
			if got := strings.Join(strings.Fields(status[name]), " "); got != want {
				return fmt.Errorf("process %s: %s is %q, want %q", pid, name, got, want)
			}
		}
		if err := readOnly(pid); err != nil {
			return err
		}
		if limit, err := limitOf(pid); err != nil || limit != memoryLimit {
			return errors.Join(fmt.Errorf("process %s may have %d bytes of memory, want %d", pid, limit, memoryLimit), err)
		}
	}
	fmt.Printf("rollout: %d containers: user %d, no capabilities and none to gain, seccomp filter, read-only root, %d MiB of memory\n",
		len(pids), w.now.user, memoryLimit>>20)
	return nil
}

// statusOf reads a process's status by name.
func statusOf(pid string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	return fields, nil
}

// peak is the largest resident memory a process has had, in bytes.
func peak(pid string) (int64, error) {
	status, err := statusOf(pid)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(status["VmHWM"], " kB"), 10, 64)
	return n << 10, err
}

// readOnly fails where the root can be written to.
func readOnly(pid string) error {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "mountinfo"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		// Number, parent, device, root, mount point, options …: proc(5).
		if f := strings.Fields(line); len(f) > 5 && f[4] == "/" {
			if !strings.HasPrefix(f[5], "ro,") {
				return fmt.Errorf("process %s: its root is mounted %s", pid, f[5])
			}
			return nil
		}
	}
	return fmt.Errorf("process %s has no root", pid)
}

// limitOf is the memory limit of a process's control group, of version 1 or 2.
func limitOf(pid string) (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "cgroup"))
	if err != nil {
		return 0, err
	}
	file := ""
	for line := range strings.Lines(string(text)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		if f[1] == "memory" {
			file = filepath.Join("/sys/fs/cgroup/memory", f[2], "memory.limit_in_bytes")
			break
		}
		if f[1] == "" {
			file = filepath.Join("/sys/fs/cgroup", f[2], "memory.max")
		}
	}
	value, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(value)), 10, 64)
}
