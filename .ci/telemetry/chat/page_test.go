package chat

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/markdown"
	"release-forwarder/cmd/testkit/process"
)

const (
	page     = "docs/how-to/alerts-to-chat.md"
	patience = time.Minute
	// kubectl stands in for the port-forward: it stays if it is typed so, until it is killed.
	kubectl = "#!/bin/sh\n[ \"$*\" = '-n monitoring port-forward service/alertmanager-operated 9093' ] && exec tail -f /dev/null\n"
)

// person types what the page says. There is a real Alertmanager with the shipped configuration, which waits for seconds
// where that waits for minutes, and robots that keep what they are sent.
type person struct {
	dir, alertmanager string

	mu     sync.Mutex
	robots map[string]string // guarded by mu
}

// TestThePagesCommandsDoWhatItSays types each block of the page but the Secret's, which the drill types.
func TestThePagesCommandsDoWhatItSays(t *testing.T) {
	p := newPerson(t)
	follow(t, p, "Configure Alertmanager", func() error { return nil })
	follow(t, p, "Try it", p.told)
	follow(t, p, "Silence a pause", func() error { return p.state("suppressed") }, func() error { return p.state("active") })
}

func newPerson(t *testing.T) *person {
	p := &person{dir: t.TempDir(), robots: map[string]string{}}
	robots := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.robots[r.URL.Path] += string(text)
	}))
	t.Cleanup(robots.Close)
	for _, name := range []string{"dingtalk", "wecom", "feishu"} {
		must(t, os.WriteFile(filepath.Join(p.dir, name), []byte(robots.URL+"/"+name), 0o600))
	}
	must(t, os.WriteFile(filepath.Join(p.dir, "kubectl"), []byte(kubectl), 0o700))
	shipped, err := os.ReadFile(folder + "alertmanager.yml")
	must(t, err)
	templates, err := filepath.Abs(folder)
	must(t, err)
	mine := "global: {resolve_timeout: 5s}\n" + strings.NewReplacer("/etc/alertmanager/secrets/release-forwarder-chat", p.dir,
		"/etc/alertmanager/config", templates, "group_wait: 30s", "group_wait: 0s", "group_interval: 5m", "group_interval: 1s").Replace(string(shipped))
	file := filepath.Join(p.dir, "alertmanager.yml")
	must(t, os.WriteFile(file, []byte(mine), 0o600))
	program, err := exec.LookPath("alertmanager")
	must(t, err)
	address, err := process.FreeAddress()
	must(t, err)
	alertmanager, err := process.Start(program, os.Environ(), filepath.Join(p.dir, "log"), "--config.file", file, "--storage.path", filepath.Join(p.dir, "data"),
		"--web.listen-address", address, "--cluster.listen-address=")
	must(t, err)
	t.Cleanup(alertmanager.Kill)
	p.alertmanager = "http://" + address
	return p
}

// follow types the blocks under a heading, and waits after each for what it brings.
func follow(t *testing.T, p *person, heading string, brings ...func() error) {
	text, err := os.ReadFile("../../../" + page)
	must(t, err)
	blocks, _ := markdown.Parse(page, string(text)).Under(heading)
	blocks = slices.DeleteFunc(blocks, func(b markdown.Block) bool { return b.Kind != "sh" })
	if len(blocks) != len(brings) {
		t.Fatalf("%s has %d blocks of commands under %q", page, len(blocks), heading)
	}
	for i, b := range blocks {
		bash := exec.CommandContext(t.Context(), "bash", "-Eeuo", "pipefail", "-c", strings.Join(b.Lines, "\n"))
		bash.Dir, bash.Env = "../../..", append(os.Environ(), "PATH="+p.dir+":"+os.Getenv("PATH"), "MONITORING_NS=monitoring", "ALERTMANAGER="+p.alertmanager)
		if out, err := bash.CombinedOutput(); err != nil || strings.Contains(string(out), "WARN") {
			t.Fatalf("%s:%d: %v: %s", page, b.Line, err, out)
		}
		must(t, process.Until(t.Context(), patience, brings[i]))
	}
}

// told is nil where the contact and the SRE, and nobody else, have got that the alert fires and that it is over.
func (p *person) told() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for robot, should := range map[string]bool{"/dingtalk": true, "/wecom": true, "/feishu": false} {
		for _, how := range []string{"告警", "已恢复"} {
			if strings.Contains(p.robots[robot], "**"+how+"：release-forwarder**\\n\\n**ReleaseForwarderTest**") != should {
				return fmt.Errorf("%s, %s: %q", robot, how, p.robots[robot])
			}
		}
	}
	return nil
}

// state is nil where the alert of a pause is in that state when it fires, and another is not silenced.
func (p *person) state(want string) error {
	const fire = `[{"labels":{"alertname":"ReleaseForwarderNoPartitions"}},{"labels":{"alertname":"ReleaseForwarderStorm"}}]`
	answer, err := http.Post(p.alertmanager+"/api/v2/alerts", "application/json", strings.NewReader(fire))
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer, err = http.Get(p.alertmanager + "/api/v2/alerts"); err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	var alerts []struct {
		Labels struct{ Alertname string }
		Status struct{ State string }
	}
	states := map[string]string{}
	err = json.NewDecoder(answer.Body).Decode(&alerts)
	for _, a := range alerts {
		states[a.Labels.Alertname] = a.Status.State
	}
	if err == nil && (states["ReleaseForwarderNoPartitions"] != want || states["ReleaseForwarderStorm"] != "active") {
		err = fmt.Errorf("%v, want %s", states, want)
	}
	return err
}
