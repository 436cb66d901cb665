package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// backend is the Kafka that a measurement uses.
type backend struct {
	Brokers string `help:"Kafka to use, host:port; a kfake of its own if not given."`
	Real    bool   `help:"Start a real Apache Kafka of one broker for the run (Java 17, and Maven the first time)."`
}

// The words by which the page and its pictures tell Kafkas apart.
const (
	kindReal = "kafka"
	kindFake = "kfake"
)

func (l *lab) kind() string {
	if strings.HasPrefix(l.kafka, kindFake) {
		return kindFake
	}
	return kindReal
}

// startKafka starts the Kafka that the flags ask for, and notes its address and
// what it is.
func (l *lab) startKafka() (end func(), err error) {
	if l.Real {
		return l.startReal()
	}
	k, err := l.start(os.Args[0], []string{"kafka"})
	if err != nil {
		return nil, err
	}
	l.Brokers, l.kafka = k.address, kindFake+" "+moduleVersion("github.com/twmb/franz-go/pkg/kfake")
	return k.end, nil
}

func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return ""
}

// startReal starts a broker with the script that the tests use. It ends with this
// process, however that ends.
func (l *lab) startReal() (end func(), err error) {
	do := func(args ...string) (string, error) {
		cmd := exec.Command(filepath.Join(".ci", "kafka", "kafka.sh"), args...)
		cmd.Env = append(os.Environ(), "KAFKA_RUN="+filepath.Join(l.dir, "kafka"), "KAFKA_OWNER="+strconv.Itoa(os.Getpid()))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		return string(out), err
	}
	out, err := do("up", "1")
	if err != nil {
		return nil, fmt.Errorf("kafka.sh: %w", err)
	}
	for line := range strings.Lines(out) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), "="); name {
		case "KAFKA_VERSION":
			l.kafka = "Apache Kafka " + value
		case "PLAINTEXT":
			l.Brokers = value
		}
	}
	return func() { _, _ = do("down") }, nil
}
