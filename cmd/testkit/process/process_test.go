package process_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/process"
)

// The test binary stands in for the forwarder: with ROLE set it plays a part.
func TestMain(m *testing.M) {
	switch os.Getenv("ROLE") {
	case "":
		os.Exit(m.Run())
	case "dies":
		_, _ = os.Stderr.WriteString("one\ntwo\nthree\n")
		os.Exit(3)
	case "polite":
		stop := notify(syscall.SIGTERM)
		_, _ = os.Stdout.WriteString("ready\n")
		<-stop
		os.Exit(0)
	case "deaf":
		notify(syscall.SIGTERM)
		_, _ = os.Stdout.WriteString("ready\n")
		select {}
	}
}

func start(t *testing.T, role string) *process.Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := process.Start(self, append(os.Environ(), "ROLE="+role), filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// ready waits until the process says that it is.
func ready(t *testing.T, p *process.Process) {
	t.Helper()
	for !strings.Contains(p.Tail(5), "ready") {
		select {
		case <-p.Done():
			t.Fatalf("ended before it was ready: %v\n%s", p.Err(), p.Tail(20))
		case <-time.After(time.Millisecond):
		}
	}
}

func TestAProcessThatDiesLeavesItsLastLines(t *testing.T) {
	p := start(t, "dies")
	<-p.Done()
	if p.Err() == nil {
		t.Error("exit code 3 is no error")
	}
	if got := p.Tail(2); got != "two\nthree" {
		t.Errorf("tail %q", got)
	}
}

func TestStopAsksFirst(t *testing.T) {
	p := start(t, "polite")
	ready(t, p)
	if !p.Stop(time.Minute) || p.Err() != nil {
		t.Errorf("did not stop as asked: %v", p.Err())
	}
}

func TestStopInsists(t *testing.T) {
	p := start(t, "deaf")
	ready(t, p)
	if p.Stop(time.Millisecond) {
		t.Error("says that it stopped as asked")
	}
	<-p.Done()
	if p.Err() == nil {
		t.Error("killed, yet no error")
	}
}

func TestKillOfOneThatEndedIsNothing(t *testing.T) {
	p := start(t, "dies")
	<-p.Done()
	p.Kill()
}

func TestStartOfNoProgram(t *testing.T) {
	if _, err := process.Start("/no/such/program", nil, filepath.Join(t.TempDir(), "log")); err == nil {
		t.Error("started")
	}
}

func TestEnvironmentKeepsOutWhatIsMeantForAnotherKafka(t *testing.T) {
	got := process.Environment(
		[]string{"PATH=/bin", "KAFKA_BROKERS=production:9092", "UPSTREAM_APP_SECRET_FILE=/real", "OTEL_SERVICE_NAME=x"},
		"KAFKA_BROKERS=127.0.0.1:1", "LOG_LEVEL=debug")
	want := []string{"PATH=/bin", "OTEL_SERVICE_NAME=x", "KAFKA_BROKERS=127.0.0.1:1", "LOG_LEVEL=debug"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}
