package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cpu is the time that the process's threads have run so far, to the nanosecond:
// the tick of the usual account is as long as 100 records. Go ends no thread, so
// none is missing.
func (p *process) cpu() time.Duration {
	var sum time.Duration
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	for _, file := range files {
		var ran int64
		text, _ := os.ReadFile(file)
		_, _ = fmt.Sscan(string(text), &ran)
		sum += time.Duration(ran)
	}
	return sum
}

// resident is the memory of the process that is in RAM now, in bytes.
func (p *process) resident() int64 { return p.memory("VmRSS") }

// memory is a line of /proc/PID/status, in bytes; 0 where the process has ended.
func (p *process) memory(line string) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for text := range strings.Lines(string(status)) {
		var kib int64
		if _, err := fmt.Sscanf(text, line+": %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}
