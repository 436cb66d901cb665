package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/platform"
)

// findScenarios: a person asks after one car.
func findScenarios() []scenario {
	return []scenario{{name: "find tells what became of a plate's events, and changes nothing", run: findAPlate}}
}

func findAPlate(t *testing.T) {
	w := newWorld(t, plan{partitions: 2})
	plate := "苏" + planted + "7"
	accepted := w.release(0, "plate", plate, "flow_no", "f-1", "parking_serial", "s-1")
	held := w.release(1, "plate", plate, "flow_no", "f-2", "parking_serial", "s-2")
	other := w.release(0)
	deadLetter := w.raw(1, fmt.Appendf(nil, `{"park_uuid":"lot-a","parking_serial":"s-9","plate":%q}`, plate))
	w.platform.script(func(r *platform.Request) *platform.Reply {
		if r.Flow() == held.flow {
			return &platform.Reply{Body: body("500")}
		}
		return nil
	})
	f := w.start().ready()
	w.produce(accepted, held, other, deadLetter)
	w.acceptedAll(accepted, other)
	eventually(t, "the commit tells what is done", func() error {
		commits, err := w.commits()
		// Partition 0's tells nothing beyond itself: partition 1's is longer when it does.
		if err == nil && (commits[0].At != 2 || len(commits[1].Metadata) <= len(commits[0].Metadata)) {
			err = fmt.Errorf("%+v", commits)
		}
		return err
	})
	before, err := w.commits()
	if err != nil {
		t.Fatal(err)
	}
	out := w.ask(plate+"\n", "find", "--since", "2h", "--plate", "-")
	for e, want := range map[*event]string{accepted: "done", held: "waiting", deadLetter: "dead-lettered missing-field " + w.dlq + "/0/0 open"} {
		at := fmt.Sprintf("%s/%d/%d ", w.topic, e.record.Partition, e.record.Offset)
		if _, line, found := strings.Cut(out, at); !found || !strings.Contains(strings.Join(strings.Fields(line[:strings.IndexByte(line, '\n')]), " "), want) {
			t.Errorf("the event at %s is not told as %s:\n%s", at, want, out)
		}
	}
	if !strings.Contains(out, "3 matches: 1 done, 1 dead-lettered, 1 waiting") || !strings.Contains(out, w.topic+": whole") {
		t.Errorf("%s", out)
	}
	checkDiscreet(t, "find", out)
	if after, err := w.commits(); err != nil || !maps.Equal(before, after) {
		t.Errorf("commits %+v, and after find %+v: %v", before, after, err)
	}
	if revealed := w.ask(plate+"\n", "find", "--plate", "-", "--reveal"); strings.Count(revealed, plate) != 3 {
		t.Errorf("revealed:\n%s", revealed)
	}
	f.stays()
	w.platform.script(nil)
	w.drained()
}

// ask runs a command of the binary with an input, expects that it succeeds, and
// gives what it prints.
func (w *world) ask(input string, args ...string) string {
	w.t.Helper()
	command := exec.CommandContext(w.ctx(), binary, args...)
	command.Env = []string{}
	for _, name := range slices.Sorted(maps.Keys(w.settings)) {
		command.Env = append(command.Env, name+"="+w.settings[name])
	}
	command.Dir = w.t.TempDir()
	command.Stdin = strings.NewReader(input)
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	if err := command.Run(); err != nil {
		w.t.Fatalf("%v: %v\n%s%s", args, err, tail(out.String(), 2000), tail(said.String(), 2000))
	}
	checkDiscreet(w.t, args[0]+"'s remarks", said.String())
	return out.String()
}

// allButOneDone waits until the group's commits tell that all but one record of the topic is
// done: the one that is held, and for whose neighbours a kill repeats nothing then.
func (w *world) allButOneDone() {
	w.t.Helper()
	eventually(w.t, "the commit tells what is done beyond the held record", func() error {
		var shown struct{ Total struct{ Lag, Open int64 } }
		out := w.ask("", "offsets", "--json")
		if err := json.Unmarshal([]byte(out), &shown); err != nil {
			return err
		}
		if shown.Total.Open != 1 || shown.Total.Lag == 0 {
			return fmt.Errorf("%d are open of %d", shown.Total.Open, shown.Total.Lag)
		}
		return nil
	})
}
