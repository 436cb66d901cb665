package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// cluster is three real brokers, started by .ci/kafka/kafka.sh. The observers
// reach them directly; the forwarders use the SASL_PLAINTEXT listener, which each
// broker advertises at its proxy.
type cluster struct {
	script  string
	run     string // KAFKA_RUN
	version string
	direct  []string // host:port of the listeners without log-in
	behind  []string // of those with, as the brokers hear them
	proxy   []string // where the forwarders find them
	base    int      // first port
}

// brokerSession is broker.session.timeout.ms, as kafka.sh sets it: a broker that
// is silent for longer loses its partitions.
const brokerSession = 6 * time.Second

// groupTimes are the brokers' settings by which members of the consumer protocol live like the others.
func groupTimes() string {
	var lines []string
	for _, setting := range []string{"session.timeout.ms", "heartbeat.interval.ms"} {
		value := sessionTimeout
		if setting == "heartbeat.interval.ms" {
			value = heartbeatInterval
		}
		for _, name := range []string{"group.consumer." + setting, "group.consumer.min." + setting} {
			lines = append(lines, fmt.Sprintf("%s=%d", name, value.Milliseconds()))
		}
	}
	return strings.Join(lines, "\n")
}

// The user of the forwarders, as kafka.sh makes it.
const saslUser, saslPassword = "scram", "scram-secret"

func startCluster(ctx context.Context, script, dir string, n *network) (*cluster, error) {
	base, err := freePorts()
	if err != nil {
		return nil, err
	}
	c := &cluster{script: script, run: filepath.Join(dir, "kafka"), base: base}
	out, err := c.doWithin(ctx, "up", strconv.Itoa(replicas))
	if err != nil {
		return c, err
	}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "KAFKA_VERSION":
			c.version = value
		case "PLAINTEXT":
			c.direct = strings.Split(value, ",")
		case "SASL_PLAINTEXT":
			c.behind = strings.Split(value, ",")
		}
	}
	if len(c.direct) != replicas || len(c.behind) != replicas {
		return c, fmt.Errorf("kafka.sh up printed no listeners: %q", out)
	}
	return c, c.advertise(n)
}

// advertise puts a proxy in front of each broker and restarts the brokers, so that they
// send their clients there.
func (c *cluster) advertise(n *network) error {
	for i := range replicas {
		l, err := n.listen()
		if err != nil {
			return err
		}
		c.proxy = append(c.proxy, l.Addr().String())
		go n.serve(l, byClientID, i+1, c.behind[i])
	}
	var all sync.WaitGroup
	errs := make([]error, replicas)
	for i := range replicas {
		all.Go(func() { errs[i] = c.moveListener(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// freePorts finds a block of ports for the brokers where kafka.sh does not look
// for one by itself: another cluster of it must not take a killed broker's.
func freePorts() (base int, err error) {
	const low, blocks, size = 12000, 60, 100
	for _, i := range rand.Perm(blocks) {
		if base = low + i*size; free(base, 10*replicas) {
			return base, nil
		}
	}
	return 0, fmt.Errorf("no free ports from %d on", low)
}

func free(base, n int) bool {
	for port := base; port < base+n; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

var advertised = regexp.MustCompile(`(?m)^advertised\.listeners=.*$`)

func (c *cluster) moveListener(i int) error {
	broker := strconv.Itoa(i + 1)
	if _, err := c.do("kill", broker); err != nil {
		return err
	}
	name := filepath.Join(c.run, broker, "server.properties")
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	moved := advertised.ReplaceAllFunc(text, func(line []byte) []byte {
		return bytes.Replace(line, []byte("SASL_PLAINTEXT://"+c.behind[i]), []byte("SASL_PLAINTEXT://"+c.proxy[i]), 1)
	})
	if bytes.Equal(moved, text) {
		return fmt.Errorf("%s does not advertise %s", name, c.behind[i])
	}
	if err := os.WriteFile(name, moved, 0o644); err != nil {
		return err
	}
	_, err = c.do("start", broker)
	return err
}

// do runs one command of the script on this run's cluster, whatever becomes of
// the run meanwhile.
func (c *cluster) do(args ...string) (string, error) {
	return c.doWithin(context.Background(), args...)
}

// doWithin is do, ended with ctx.
func (c *cluster) doWithin(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.script, args...)
	// A group of its own: a terminal's Ctrl-C is for us, and we say what it means
	// for the script.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Env = append(os.Environ(), "KAFKA_RUN="+c.run, "KAFKA_OWNER="+strconv.Itoa(os.Getpid()), "KAFKA_BASE_PORT="+strconv.Itoa(c.base), "KAFKA_EXTRA="+groupTimes())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("kafka.sh %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out), nil
}

func (c *cluster) close() { _, _ = c.do("down") } // nothing more can be done about it
