package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// circumstances says where and when figures were taken.
func (l *lab) circumstances(rounds int) string {
	kafka := l.kafka
	if kafka == "" {
		kafka = "the Kafka at --brokers"
	}
	commit, _ := exec.Command("git", "describe", "--always", "--dirty").Output()
	return fmt.Sprintf("Measured on %s at %s: %s, %s, %s, %s; %s, medians with least and most.\n\n", time.Now().Format(time.DateOnly),
		strings.TrimSpace(string(commit)), processor(), count(runtime.NumCPU(), "core"), runtime.Version(), kafka, count(rounds, "round"))
}

// processor is the CPU's model as the kernel names it.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
