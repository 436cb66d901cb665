package apptest

import (
	"bytes"
	"context"
	"strings"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/connect"
)

// Command is one of the command line.
type Command interface {
	Do(ctx context.Context, sc console.Screen, dial connect.DialFunc) error
}

// Command runs a command and gives what it prints: to standard output, and beside. With lines to
// read, a person is there to be asked.
func (w *World) Command(c Command, in ...string) (out, beside string, err error) {
	w.T.Helper()
	return w.CommandOn(context.Background(), w.Net.Dial, c, in...)
}

// CommandOn runs one on another network.
func (w *World) CommandOn(ctx context.Context, dial connect.DialFunc, c Command, in ...string) (out, beside string, err error) {
	w.T.Helper()
	w.T.Setenv("KAFKA_BROKERS", strings.Join(w.Cluster.ListenAddrs(), ","))
	var stdout, stderr bytes.Buffer
	sc := console.Screen{In: strings.NewReader(strings.Join(in, "\n")), Out: &stdout, Err: &stderr, Asked: len(in) > 0}
	err = c.Do(ctx, sc, dial)
	if strings.Contains(stdout.String()+stderr.String(), Secret) {
		w.T.Errorf("the secret is printed:\n%s%s", stdout.String(), stderr.String())
	}
	return stdout.String(), stderr.String(), err
}
