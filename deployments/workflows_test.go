package deployments

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type workflow struct {
	Jobs map[string]struct {
		Strategy struct {
			Matrix struct{ Target []string }
		}
		Steps []struct{ Run string }
	}
}

// makes are the targets that a workflow's steps call, a matrix taken for all it
// holds.
func (w *workflow) makes(t *testing.T) (targets []string) {
	t.Helper()
	for name, job := range w.Jobs {
		for _, step := range job.Steps {
			_, called, is := strings.Cut(step.Run, "make ")
			if !is {
				continue
			}
			if called == "${{ matrix.target }}" {
				targets = append(targets, job.Strategy.Matrix.Target...)
				continue
			}
			if strings.Contains(called, "matrix") {
				t.Errorf("%s: %s is not understood here", name, step.Run)
			}
			for word := range strings.FieldsSeq(called) {
				if !strings.ContainsAny(word, "=${}.") {
					targets = append(targets, word)
				}
			}
		}
	}
	for i, target := range targets {
		targets[i], _, _ = strings.Cut(target, " ")
	}
	return targets
}

// TestWorkflowsCallWhatADeveloperCalls: every target is there, and the workflow of
// a change runs what .ci/run runs.
func TestWorkflowsCallWhatADeveloperCalls(t *testing.T) {
	there := regexp.MustCompile(`(?m)^([a-z-]+):.* ## `).FindAllStringSubmatch(string(fileOf(t, "../Makefile")), -1)
	called := map[string][]string{}
	for _, name := range []string{"ci", "release", "nightly"} {
		var w workflow
		if err := yaml.Unmarshal(fileOf(t, "../.github/workflows/"+name+".yaml"), &w); err != nil {
			t.Fatal(err)
		}
		called[name] = w.makes(t)
		for _, target := range called[name] {
			if !slices.ContainsFunc(there, func(m []string) bool { return m[1] == target }) {
				t.Errorf("%s.yaml calls make %s, which the Makefile does not have", name, target)
			}
		}
	}
	if !slices.Contains(called["nightly"], "fuzz") {
		t.Errorf("nightly.yaml calls %v", called["nightly"])
	}
	if !slices.Contains(called["release"], "release") {
		t.Errorf("release.yaml calls %v", called["release"])
	}
	steps := regexp.MustCompile(`\|make ([a-z0-9-]+)`).FindAllStringSubmatch(string(fileOf(t, "../.ci/run")), -1)
	if len(steps) < 10 {
		t.Fatalf("%d steps of .ci/run are understood", len(steps))
	}
	for _, step := range steps {
		if step[1] != "run" && !slices.Contains(called["ci"], step[1]) { // the sandbox is for people
			t.Errorf(".ci/run runs make %s, ci.yaml does not", step[1])
		}
	}
}
