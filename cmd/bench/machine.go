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
	return fmt.Sprintf("Measured on %s at %s: %s, %s, %s, %s; %s, medians with least and most.\n\n", time.Now().Format(time.DateOnly),
		revision(), processor(), count(runtime.NumCPU(), "core"), runtime.Version(), kafka, count(rounds, "round"))
}

// revision is the commit that was measured. The page itself does not count: the
// figures before these are in it.
func revision() string {
	commit, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "an unknown commit"
	}
	text := strings.TrimSpace(string(commit))
	if exec.Command("git", "diff", "--quiet", "HEAD", "--", ".", ":!"+pageFile, ":!"+pictureDir).Run() != nil {
		text += " with changes"
	}
	return text
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
