package apptest

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/connect"
)

// Command is a command of the command line, its flags set.
type Command interface {
	Do(ctx context.Context, sc console.Screen, dial connect.DialFunc) error
}

// Command runs a command on the world and gives what it prints to standard output and to standard error. Lines of input
// are answers of a person; without any the command asks nothing. The test fails where the output holds Secret.
func (w *World) Command(c Command, input ...string) (out, errOut string, err error) {
	w.T.Helper()
	return w.CommandOn(context.Background(), w.Net.Dial, c, input...)
}

// CommandOn is Command with a context and a dial function of its own.
func (w *World) CommandOn(ctx context.Context, dial connect.DialFunc, c Command, input ...string) (out, errOut string, err error) {
	w.T.Helper()
	w.T.Setenv("KAFKA_BROKERS", strings.Join(w.Cluster.ListenAddrs(), ","))
	var stdout, stderr bytes.Buffer
	sc := console.Screen{In: strings.NewReader(strings.Join(input, "\n")), Out: &stdout, Err: &stderr, Asked: len(input) > 0}
	err = c.Do(ctx, sc, dial)
	if strings.Contains(stdout.String()+stderr.String(), Secret) {
		w.T.Errorf("the secret is printed:\n%s%s", stdout.String(), stderr.String())
	}
	return stdout.String(), stderr.String(), err
}

// FoundOutcomes reads what find --json printed: by "topic/partition/offset" the outcome of each event, such as "done",
// or "dead-lettered missing-field open" with the reason and the state of its dead letter.
func (w *World) FoundOutcomes(printed string) map[string]string {
	w.T.Helper()
	outcomes := map[string]string{}
	for line := range strings.Lines(printed) {
		var m struct {
			Kind, At, Reason string
			Outcome          string `json:"fate"`
			State            string `json:"letter_state"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			w.T.Fatalf("%v: %s", err, line)
		}
		if m.Kind == "match" {
			outcomes[m.At] = strings.TrimSpace(m.Outcome + " " + m.Reason + " " + m.State)
		}
	}
	return outcomes
}
