package acceptance

import (
	"maps"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/platform"
)

// lackScenarios: this host has not enough of something, and the platform is well.
func lackScenarios() []scenario {
	return []scenario{{name: "no file descriptor is left: nothing is dead-lettered for it, and the log says what to do", run: fewDescriptors}}
}

// fewDescriptors has more requests in flight than connections can be opened. A single failure
// that counted against a record would make a dead letter.
func fewDescriptors(t *testing.T) {
	w := newWorld(t, plan{partitions: 2, settings: map[string]string{"RETRY_BUDGET": "1", "UPSTREAM_RETRY_MAX": "0", "UPSTREAM_MAX_IN_FLIGHT": "32"}})
	w.watchCommits()
	w.platform.script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 50 * time.Millisecond} })
	settings := maps.Clone(w.settings)
	settings["ADMIN_ADDR"] = freeAddress(t)
	f := launchAs(t, settings, []string{"/bin/sh", "-c", `ulimit -n 28 && exec "$0"`, binary}, nil)
	w.produce(w.releases(2000, 2)...)
	w.drained()
	w.noDeadLetters()
	if !f.alive() {
		t.Error("the process has ended")
	}
	if !strings.Contains(f.out.String(), "no file descriptor is left: raise the limit (ulimit -n, LimitNOFILE)") {
		t.Error("the log does not name what is lacking")
	}
}
