package acceptance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/process"
)

// forwarder is one running process of the binary under test.
type forwarder struct {
	t     testing.TB
	cmd   *exec.Cmd
	admin string // host:port of the probes
	out   output // standard output and error
	ended chan struct{}
}

// output keeps what a process prints. It is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// launch runs the binary with these environment variables and no others.
func launch(t testing.TB, settings map[string]string, args ...string) *forwarder {
	t.Helper()
	return launchAs(t, settings, append([]string{binary}, args...), nil)
}

// launchAs runs a command that becomes the binary, with its standard output and error to
// the file where there is one.
func launchAs(t testing.TB, settings map[string]string, command []string, out *os.File) *forwarder {
	t.Helper()
	f := &forwarder{t: t, admin: settings["ADMIN_ADDR"], ended: make(chan struct{})}
	f.cmd = exec.Command(command[0], command[1:]...)
	f.cmd.Env = []string{} // not nil, which would be this process's own
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		f.cmd.Env = append(f.cmd.Env, name+"="+settings[name])
	}
	f.cmd.Dir = t.TempDir()
	f.cmd.Stdout, f.cmd.Stderr = &f.out, &f.out
	if out != nil {
		f.cmd.Stdout, f.cmd.Stderr = out, out
	}
	f.cmd.SysProcAttr = dieWithTest()
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = f.cmd.Wait() // the exit code is read from the process's state
		close(f.ended)
	}()
	t.Cleanup(func() {
		f.kill()
		checkDiscreet(t, "output", f.out.String())
		if strings.Contains(f.out.String(), "WARNING: DATA RACE") {
			t.Error("the race detector found a race in the forwarder")
		}
		if t.Failed() {
			t.Logf("what the forwarder printed last:\n%s", tail(f.out.String(), 6000))
		}
	})
	return f
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	address, err := process.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// alive reports whether the process runs.
func (f *forwarder) alive() bool {
	select {
	case <-f.ended:
		return false
	default:
		return true
	}
}

// exit waits for the process's end and returns its code; -1 after a signal.
func (f *forwarder) exit() int {
	f.t.Helper()
	within(f.t, 45*time.Second, "the process ends", func() error {
		if f.alive() {
			return fmt.Errorf("it runs")
		}
		return nil
	})
	return f.cmd.ProcessState.ExitCode()
}

// stop asks the process to end, as Kubernetes does, and expects that it ends
// as asked.
func (f *forwarder) stop() {
	f.t.Helper()
	f.inspect()
	f.signal(syscall.SIGTERM)
	if code := f.exit(); code != 0 {
		f.t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// kill ends the process at once.
func (f *forwarder) kill() {
	f.t.Helper()
	if !f.alive() {
		return
	}
	f.inspect()
	f.signal(syscall.SIGKILL)
	<-f.ended
}

func (f *forwarder) signal(s os.Signal) {
	f.t.Helper()
	if err := f.cmd.Process.Signal(s); err != nil && f.alive() {
		f.t.Errorf("signal %v: %v", s, err)
	}
}

// pages are what ADMIN_ADDR serves.
var pages = []string{"/livez", "/readyz", "/metrics", "/", "/status.json"}

// inspect looks for personal data in the pages.
func (f *forwarder) inspect() {
	f.t.Helper()
	for _, page := range pages {
		if _, body, err := f.get(page); err == nil { // a process that is ending may not answer
			checkDiscreet(f.t, page, body)
		}
	}
}

var adminClient = &http.Client{Timeout: 5 * time.Second}

// get reads a page of ADMIN_ADDR.
func (f *forwarder) get(page string) (status int, body string, err error) {
	return f.getBy(f.admin, page)
}

// getBy reads it as a client does that knows the server by another name.
func (f *forwarder) getBy(host, page string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+f.admin+page, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	req.Host = host
	resp, err := adminClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// answers waits until a page has a status.
func (f *forwarder) answers(page string, status int) {
	f.t.Helper()
	eventually(f.t, fmt.Sprintf("%s answers %d", page, status), func() error {
		got, body, err := f.get(page)
		if err != nil {
			return err
		}
		if got != status {
			return fmt.Errorf("it answers %d: %s", got, body)
		}
		return nil
	})
}

// ready waits until the process has joined its group.
func (f *forwarder) ready() *forwarder {
	f.t.Helper()
	f.answers("/readyz", http.StatusOK)
	return f
}

// stays checks that the process runs and says that it is alive.
func (f *forwarder) stays() {
	f.t.Helper()
	if status, body, err := f.get("/livez"); !f.alive() || err != nil || status != http.StatusOK {
		f.t.Errorf("not alive: %d %q %v", status, body, err)
	}
}
