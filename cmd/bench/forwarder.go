package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// replica is a forwarder as a user starts it, with its admin server on a free
// port of the loopback interface.
type replica struct {
	*process
	admin  string
	begun  time.Time
	joined <-chan time.Time // when it says that it has joined the group
}

// startReplica starts one and waits until it says where its admin server is. No
// collector is configured unless env says so.
func (l *lab) startReplica(topic, group, api string, open int, env ...string) (*replica, error) {
	cmd := exec.Command(filepath.Join(l.dir, "release-forwarder"))
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "OTEL_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "KAFKA_BROKERS="+l.Brokers, "KAFKA_TOPIC="+topic, "KAFKA_GROUP_ID="+group,
		"UPSTREAM_URL=http://"+api+"/", "UPSTREAM_APP_SECRET="+secret, fmt.Sprintf("UPSTREAM_MAX_IN_FLIGHT=%d", open), "ADMIN_ADDR=127.0.0.1:0")
	cmd.Env = append(cmd.Env, env...)
	said, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	r := &replica{process: &process{cmd: cmd}, begun: time.Now()}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	started, joined := make(chan string, 1), make(chan time.Time, 1)
	r.joined = joined
	go listen(said, started, joined)
	var told bool
	if r.admin, told = <-started; !told {
		_ = cmd.Wait()
		return nil, errors.New("the forwarder did not start")
	}
	return r, nil
}

// listen reads a forwarder's log to its end: the two lines that a measurement
// needs, and errors for whoever watches. Warnings are what a measurement asks for:
// one broker, records that fail.
func listen(log io.Reader, started chan<- string, joined chan<- time.Time) {
	defer close(started)
	defer close(joined)
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var line struct {
			Time                time.Time
			Level, Event, Admin string
		}
		plain := json.Unmarshal(lines.Bytes(), &line) != nil
		switch line.Event {
		case "started":
			started <- line.Admin
		case "joined":
			select {
			case joined <- line.Time:
			default: // a later generation
			}
		}
		if plain || line.Level == "ERROR" {
			fmt.Fprintln(os.Stderr, lines.Text())
		}
	}
}

// awaitJoined waits until the replica has joined the group, and gives the time at
// which it said so. It may be asked once.
func (r *replica) awaitJoined() (time.Time, error) {
	select {
	case at, told := <-r.joined:
		if !told {
			return at, errors.New("the forwarder ended before it joined the group")
		}
		return at, nil
	case <-time.After(stalled):
		return time.Time{}, fmt.Errorf("the forwarder did not join the group within %s", stalled)
	}
}

// metrics are a forwarder's own, added up over all labels.
type metrics map[string]float64

func (r *replica) metrics() (metrics, error) {
	resp, err := http.Get("http://" + r.admin + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	sums := metrics{}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		name, _, _ := strings.Cut(line[:at], "{")
		if value, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			sums[name] += value
		}
	}
	return sums, lines.Err()
}

// What a measurement reads of them.
const (
	metricMallocs    = "go_memory_allocations_total"
	metricGoroutines = "go_goroutine_count"
	metricCommits    = "release_forwarder_commits_total"
	metricAccepted   = "release_forwarder_records_accepted_total"
	metricHeld       = "release_forwarder_held_records"
)
