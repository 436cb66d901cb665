package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/sandbox/screen"
	"release-forwarder/cmd/testkit/process"
)

// run runs the sandbox with the arguments and returns what it printed.
func run(ctx context.Context, t *testing.T, args ...string) (printed string, err error) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	path := filepath.Join(t.TempDir(), "printed")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	command, err := newParser().Parse(args)
	if err != nil {
		t.Fatal(err)
	}
	command.BindTo(ctx, (*context.Context)(nil))
	err = command.Run(screen.New(file), &processes{})
	text, readErr := os.ReadFile(path)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return string(text), err
}

// standin is the path of a forwarder that plays a part of TestMain.
func standin(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

func lastLine(text string) string {
	text = strings.TrimRight(text, "\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}

func TestTheForwarderLosesNothing(t *testing.T) {
	forwarder := filepath.Join(t.TempDir(), "release-forwarder")
	if err := process.Build(t.Context(), forwarder); err != nil {
		t.Fatal(err)
	}
	printed, err := run(t.Context(), t, "--forwarder", forwarder, "--for", "3s", "--rate", "200", "--spoilt", "0.1",
		"--faults", "reject@300ms, lost*2@500ms, poison@700ms, errors@1s+300ms, garbage@1500ms, outage@2s+500ms")
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	if last := lastLine(printed); !strings.HasPrefix(last, "Nothing was lost: ") {
		t.Errorf("the last line is %q", last)
	}
	for _, want := range []string{"  accepted ", "reject: event", "lost: event", "poison: event", "errors over", "outage over", "refused 1", "a receipt   of event ", `"verdict":"accepted"`, "missing: 0"} {
		if !strings.Contains(printed, want) {
			t.Errorf("%q was not printed:\n%s", want, printed)
		}
	}
}

// Who switches receipts off sees none, and the account closes without them.
func TestReceiptsCanBeSwitchedOff(t *testing.T) {
	forwarder := filepath.Join(t.TempDir(), "release-forwarder")
	if err := process.Build(t.Context(), forwarder); err != nil {
		t.Fatal(err)
	}
	printed, err := run(t.Context(), t, "--forwarder", forwarder, "--for", "1s", "--faults", "", "--set", "RECEIPTS_TOPIC=", "--set", "RECEIPTS_KEY_FILE=")
	if last := lastLine(printed); err != nil || !strings.HasPrefix(last, "Nothing was lost: ") || strings.Contains(printed, "missing: 0") {
		t.Errorf("%v\n%s", err, printed)
	}
}

func TestAForwarderThatLosesIsFoundOut(t *testing.T) {
	printed, err := run(t.Context(), t, "--forwarder", standin(t), "--set", part+"=loses", "--for", "1s", "--faults", "")
	if !errors.Is(err, errUnsettled) {
		t.Errorf("the run ends with %v", err)
	}
	if last := lastLine(printed); !strings.HasPrefix(last, "LOST: ") {
		t.Errorf("the last line is %q", last)
	}
}

func TestAForwarderThatDiesIsShownWithItsLastWords(t *testing.T) {
	_, err := run(t.Context(), t, "--forwarder", standin(t), "--set", part+"=dies")
	if err == nil || !strings.Contains(err.Error(), "cannot go on") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("the run ends with %v", err)
	}
}

func TestAForwarderThatDoesNotDrainLeavesEventsWaiting(t *testing.T) {
	stop, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	printed, err := run(stop, t, "--forwarder", standin(t), "--set", part+"=fails at the end", "--drain", "10ms")
	if err == nil || !strings.Contains(err.Error(), "cannot stop in peace") {
		t.Errorf("the run ends with %v", err)
	}
	if last := lastLine(printed); !strings.Contains(last, "still waiting in Kafka") {
		t.Errorf("the last line is %q", last)
	}
}

func TestAForwarderThatIsNotThere(t *testing.T) {
	if _, err := run(t.Context(), t, "--forwarder", "/no/such/program"); err == nil {
		t.Error("the run ends well")
	}
}
