package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"release-forwarder/cmd/testkit/process"
)

// drainTimeout is the forwarder's CONSUMER_DRAIN_TIMEOUT in the sandbox;
// stopLimit is the longest time from SIGTERM to its end (docs/how-to/deploy-kubernetes.md),
// and a little more for a slow machine.
const (
	drainTimeout = 5 * time.Second
	stopLimit    = drainTimeout + 10*time.Second + 5*time.Second
)

// pace are settings that let a person see within half a minute what takes
// minutes with the defaults: time-outs, backoffs, an exhausted budget.
var pace = map[string]string{
	"UPSTREAM_TIMEOUT":       "2s",
	"RETRY_BACKOFF_MIN":      "500ms",
	"RETRY_BACKOFF_MAX":      "3s",
	"RETRY_BUDGET":           "5",
	"CONSUMER_DRAIN_TIMEOUT": drainTimeout.String(),
}

// forwarder is the forwarder's process and where to look at it.
type forwarder struct {
	*process.Process
	// Admin is the address of its status page, without a slash at the end.
	Admin string
	// Log is the file that holds what it writes.
	Log string
}

// startForwarder starts the binary with the settings given by name; its admin
// server goes to a free port, as the sandbox has to find it.
func startForwarder(binary, dir string, settings map[string]string) (*forwarder, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	all := maps.Clone(settings)
	all["ADMIN_ADDR"] = address
	var env []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		env = append(env, name+"="+all[name])
	}
	f := &forwarder{Admin: "http://" + address, Log: filepath.Join(dir, "forwarder.log")}
	if f.Process, err = process.Start(binary, process.Environment(os.Environ(), env...), f.Log); err != nil {
		return nil, fmt.Errorf("forwarder: %w", err)
	}
	return f, nil
}

// died says how the forwarder ended although it was not asked to.
func (f *forwarder) died() error {
	how := "with exit code 0"
	if err := f.Err(); err != nil {
		how = err.Error()
	}
	return fmt.Errorf("the forwarder ended although it was not asked to (%s). Its last lines (%s):\n%s", how, f.Log, f.Tail(15))
}

// freeAddress finds a port that is free at this moment.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
