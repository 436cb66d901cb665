package main

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// sandboxProcess is the whole program, as a process.
type sandboxProcess struct {
	t *testing.T
	*exec.Cmd
	out   *bufio.Reader
	pipe  io.Closer
	ended bool
}

// startSandbox runs main with the arguments and a stand-in for the forwarder.
func startSandbox(t *testing.T, forwarder string, args ...string) *sandboxProcess {
	t.Helper()
	args = append(args, "--forwarder", standin(t), "--set", part+"="+forwarder)
	s := &sandboxProcess{t: t, Cmd: exec.Command(standin(t))}
	s.Env = append(os.Environ(), part+"=the sandbox", arguments+"="+strings.Join(args, "\n"), "TMPDIR="+t.TempDir())
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out, s.pipe = bufio.NewReader(out), out
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !s.ended {
			_ = s.Process.Kill()
			_ = s.Wait()
		}
	})
	return s
}

// until reads on to the first line that holds the text, and returns it.
func (s *sandboxProcess) until(text string) string {
	s.t.Helper()
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			s.t.Fatalf("ended before it printed %q", text)
		}
		if strings.Contains(line, text) {
			return strings.TrimRight(line, "\n")
		}
	}
}

func (s *sandboxProcess) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// end waits for the end and returns the exit code.
func (s *sandboxProcess) end() int {
	s.t.Helper()
	err := s.Wait()
	s.ended = true
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return s.ProcessState.ExitCode()
}

func TestASignalSettlesTheAccount(t *testing.T) {
	// Under nohup this process ignores it, and those it starts would, as nohup wants it.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			s := startSandbox(t, "loses", "--faults", "")
			s.until("  accepted ")
			s.signal(sig)
			s.until("LOST: ")
			if code := s.end(); code != 1 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestASecondSignalEndsEverythingAtOnce(t *testing.T) {
	s := startSandbox(t, "is deaf", "--drain", "1h")
	_, log, _ := strings.Cut(s.until("  log "), "  log ")
	s.until("  held 7 ")
	s.signal(os.Interrupt)
	s.until("lanes stop")
	said, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	_, number, _ := strings.Cut(strings.TrimSpace(string(said)), "process ")
	forwarder, err := strconv.Atoi(number)
	if err != nil {
		t.Fatalf("the stand-in wrote %q", said)
	}
	s.signal(os.Interrupt)
	if code := s.end(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if err := syscall.Kill(forwarder, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the forwarder is still there: %v", err)
	}
}

func TestAReaderThatLeavesEndsTheRun(t *testing.T) {
	s := startSandbox(t, "loses", "--faults", "")
	s.until("  accepted ")
	if err := s.pipe.Close(); err != nil {
		t.Fatal(err)
	}
	if code := s.end(); code != 1 { // it settled the account, and that does not close
		t.Errorf("exit code %d", code)
	}
}

func TestTheStatusPagesAddressIsPrinted(t *testing.T) {
	s := startSandbox(t, "is deaf", "--drain", "1h")
	_, rest, _ := strings.Cut(s.until("  status page "), "  status page ")
	address, _, _ := strings.Cut(rest, " ")
	s.until("  held 7 ") // it serves
	answer, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || string(page) != "release_forwarder_held_records 7\n" {
		t.Errorf("at %s there is %q, %v", address, page, err)
	}
}
