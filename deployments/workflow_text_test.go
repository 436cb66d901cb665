package deployments

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// expression is what a workflow's runner puts into a text before anybody else sees it.
var expression = regexp.MustCompile(`\$\{\{(.*?)\}\}`)

// fixed are the expressions that a script may hold: a matrix is words of the file
// itself. All else (a tag, a branch, a title, an input) is text of somebody's that
// the shell would run; it goes through env.
var fixed = regexp.MustCompile(`^\s*matrix\.[a-z_-]+\s*$`)

// pinned is an action by the digest of its commit, with its version for people. A
// tag can be moved by who owns the action.
var pinned = regexp.MustCompile(`^[A-Za-z0-9._/-]+@[0-9a-f]{40}$`)

var versioned = regexp.MustCompile(`^# v[0-9]+\.[0-9]+\.[0-9]+$`)

// faults are what is wrong with a workflow: where, and what.
func faults(text []byte) (found []string) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return []string{err.Error()}
	}
	said := func(what string) { found = append(found, what) }
	var permissions *yaml.Node
	var look func(n *yaml.Node, path []string)
	look = func(n *yaml.Node, path []string) {
		for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
			key, value := n.Content[i].Value, n.Content[i+1]
			at := append(slices.Clone(path), key)
			switch {
			case key == "permissions":
				if len(path) == 0 {
					permissions = value
				}
				if value.Kind != yaml.MappingNode || value.Value == "write-all" {
					said("permissions are not named one by one: " + strings.Join(at, "."))
				}
				for j := 1; j < len(value.Content); j += 2 {
					if value.Content[j].Value == "write" {
						said("may write " + value.Content[j-1].Value)
					}
				}
			case key == "uses" && value.Kind == yaml.ScalarNode:
				if !pinned.MatchString(value.Value) {
					said("not pinned by a digest: " + value.Value)
				} else if !versioned.MatchString(value.LineComment) {
					said("no version beside the digest: " + value.Value)
				}
			case (key == "run" || key == "script" || key == "shell") && value.Kind == yaml.ScalarNode:
				for _, e := range expression.FindAllStringSubmatch(value.Value, -1) {
					if !fixed.MatchString(e[1]) {
						said("text from outside in a script: " + e[0])
					}
				}
			case key == "matrix" && expression.MatchString(flat(value)):
				said("a matrix that is not words of the file: " + flat(value))
			case key == "on" && others.MatchString(flat(value)):
				said("runs with rights on what others wrote: " + others.FindString(flat(value)))
			case key == "persist-credentials" && value.Value != "false":
				said("leaves its token in the checkout")
			}
			look(value, at)
		}
		if n.Kind != yaml.MappingNode && n.Kind != yaml.AliasNode {
			for _, c := range n.Content {
				look(c, path)
			}
		}
	}
	look(&document, nil)
	if permissions == nil {
		said("no permissions at the top: the token has the repository's default")
	}
	for _, checkout := range regexp.MustCompile(`(?m)uses: actions/checkout@.*\n(.*)$`).FindAllSubmatch(text, -1) {
		if !bytes.Contains(checkout[1], []byte("persist-credentials: false")) {
			said("leaves its token in the checkout")
		}
	}
	return found
}

var others = regexp.MustCompile(`pull_request_target|workflow_run|issue_comment`)

// flat is all text below a node.
func flat(n *yaml.Node) string {
	text := n.Value
	for _, c := range n.Content {
		text += " " + flat(c)
	}
	return text
}

// TestNoWorkflowRunsTextFromOutside: what can be chosen by who pushes a tag or opens a
// pull request is never a part of a script, and only code that somebody has looked at
// runs beside it.
func TestNoWorkflowRunsTextFromOutside(t *testing.T) {
	files, err := filepath.Glob("../.github/workflows/*.y*ml")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		for _, fault := range faults(fileOf(t, file)) {
			t.Errorf("%s: %s", filepath.Base(file), fault)
		}
	}
}

func TestFaultsOfAWorkflowAreFound(t *testing.T) {
	const digest = "08c6903cd8c0fde910a37f88322edcfb5dd907a8"
	for name, c := range map[string]struct{ text, fault string }{
		"nothing":                      {"permissions: {contents: read}\njobs: {a: {steps: [{run: 'make ${{ matrix.target }}'}]}}", ""},
		"a tag in a script":            {"permissions: {}\njobs: {a: {steps: [{run: 'make release VERSION=${{ github.ref_name }}'}]}}", "github.ref_name"},
		"a tag in quotes":              {"permissions: {}\njobs: {a: {steps: [{run: 'echo \"${{github.ref_name}}\"'}]}}", "github.ref_name"},
		"a title":                      {"permissions: {}\njobs: {a: {steps: [{run: 'echo ${{ github.event.pull_request.title }}'}]}}", "title"},
		"an input":                     {"permissions: {}\njobs: {a: {steps: [{run: 'echo ${{ inputs.x }}'}]}}", "inputs.x"},
		"a matrix and a tag":           {"permissions: {}\njobs: {a: {steps: [{run: 'echo ${{ matrix.a || github.ref }}'}]}}", "github.ref"},
		"a script of github-script":    {"permissions: {}\njobs: {a: {steps: [{with: {script: 'x(`${{ github.head_ref }}`)'}}]}}", "head_ref"},
		"a matrix from outside":        {"permissions: {}\njobs: {a: {strategy: {matrix: {t: '${{ fromJSON(inputs.t) }}'}}}}", "inputs.t"},
		"an action by its tag":         {"permissions: {}\njobs: {a: {steps: [{uses: actions/cache@v4}]}}", "actions/cache@v4"},
		"an action by half a digest":   {"permissions: {}\njobs: {a: {steps: [{uses: 'actions/cache@" + digest[:12] + "'}]}}", "not pinned"},
		"an image as an action":        {"permissions: {}\njobs: {a: {steps: [{uses: 'docker://alpine:3'}]}}", "not pinned"},
		"a workflow by its branch":     {"permissions: {}\njobs: {a: {uses: a/b/.github/workflows/c.yaml@main}}", "not pinned"},
		"a digest without a version":   {"permissions: {}\njobs:\n  a:\n    steps:\n      - uses: actions/cache@" + digest, "no version"},
		"no permissions":               {"jobs: {}", "no permissions"},
		"all permissions":              {"permissions: write-all\njobs: {}", "one by one"},
		"a job that may write":         {"permissions: {}\njobs: {a: {permissions: {contents: write}}}", "may write contents"},
		"others' code with our rights": {"permissions: {}\non: [pull_request_target]", "pull_request_target"},
		"the same as a mapping":        {"permissions: {}\non: {pull_request_target: {branches: [main]}}", "pull_request_target"},
		"a checkout with its token":    {"permissions: {}\njobs:\n  a:\n    steps:\n      - uses: actions/checkout@" + digest + " # v5.0.0\n        with: {fetch-depth: 0}", "token"},
	} {
		found := faults([]byte(c.text))
		if c.fault == "" && len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
		if c.fault != "" && !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, c.fault) }) {
			t.Errorf("%s: found %v", name, found)
		}
	}
}

// handedOn are the variables that a recipe of the Makefile may put into its script:
// names of the project's own, and flags of who runs make.
var handedOn = []string{"GO", "BIN", "unraced", "MAKEFILE_LIST", "SANDBOX", "BENCH", "CHAOS"}

// TestNoRecipeRunsTheTextOfAVariable: a recipe gets a version or a seed from its
// shell's environment, in quotes.
func TestNoRecipeRunsTheTextOfAVariable(t *testing.T) {
	used := regexp.MustCompile(`\$[({]([A-Za-z_]+)[)}]`)
	for i, line := range strings.Split(string(fileOf(t, "../Makefile")), "\n") {
		if !strings.HasPrefix(line, "\t") {
			continue
		}
		for _, v := range used.FindAllStringSubmatch(strings.ReplaceAll(line, "$$", "§"), -1) {
			if !slices.Contains(handedOn, v[1]) {
				t.Errorf("Makefile:%d: $(%s) becomes a part of the script; export it and write \"$$%s\"", i+1, v[1], v[1])
			}
		}
		for _, v := range regexp.MustCompile(`(^|[^"])\$\$([A-Z]+)\b`).FindAllStringSubmatch(line, -1) {
			t.Errorf("Makefile:%d: $$%s is not in quotes", i+1, v[2])
		}
	}
}

// TestATagIsNoScript gives the way from a tag to a release what somebody may push.
// A recipe gets the default of what who runs make leaves out.
func TestRecipesGetTheDefaults(t *testing.T) {
	text := string(fileOf(t, "../Makefile"))
	defaults := regexp.MustCompile(`(?m)^([A-Z]+) \?= (\S+)$`).FindAllStringSubmatch(text, -1)
	shown := "include Makefile\nshow-defaults:\n"
	var want strings.Builder
	for _, m := range defaults {
		if strings.Contains(text, "$$"+m[1]) {
			shown += "\t@echo " + m[1] + " $$" + m[1] + "\n"
			want.WriteString(m[1] + " " + m[2] + "\n")
		}
	}
	file := filepath.Join(t.TempDir(), "Makefile")
	if err := os.WriteFile(file, []byte(shown), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("make", "-s", "-C", "..", "-f", file, "show-defaults")
	command.Env = []string{"PATH=" + os.Getenv("PATH")}
	if got, err := command.CombinedOutput(); err != nil || string(got) != want.String() || len(want.String()) == 0 {
		t.Errorf("%v: recipes get\n%s, want\n%s", err, got, want.String())
	}
}

func TestATagIsNoScript(t *testing.T) {
	bait := filepath.Join(t.TempDir(), "bait")
	commands := [][]string{{"../.ci/release/version.sh"}, {"../.ci/release/release.sh"}}
	if make, err := exec.LookPath("make"); err == nil { // go test needs none
		commands = append(commands, []string{make, "-s", "-C", "..", "release"})
	}
	for _, tag := range []string{
		"v1.0.0;touch " + bait, "v1.0.0$(touch " + bait + ")", "v1.0.0$(shell touch " + bait + ")", "v1.0.0`touch " + bait + "`", "v1.0.0\ntouch " + bait,
		`v1.0.0";touch ` + bait + `;"`, "v1.0.0'|touch " + bait + "'", "v1.0.0&&touch${IFS}" + bait, "v1.0.0-$(touch${IFS}" + bait + ")", "$(touch " + bait + ")",
		"v1.0.0/../../x", "../v1.0.0", "v1.0", "v1.0.0.0", "1.0.0", "v1.0.0-", "v1.0.0-.", "v1.0.0-a..b", "v01.0.0", "v1.0.0 ", " v1.0.0", "v1.0.0\n", "-v1.0.0", "--help", "",
		"v1.0.0-" + strings.Repeat("a", 64), "v１.0.0", "v1.0.0-é",
	} {
		for _, command := range commands {
			run := exec.CommandContext(t.Context(), command[0], command[1:]...)
			if len(command) == 1 {
				run.Args = append(run.Args, tag)
			}
			run.Env = append(os.Environ(), "MAKEFLAGS=", "VERSION="+tag)
			if out, err := run.CombinedOutput(); err == nil || !bytes.Contains(out, []byte("VERSION must be like v1.2.3")) {
				t.Errorf("%s with the tag %q: %v\n%s", command[0], tag, err, out)
			}
			if _, err := os.Stat(bait); err == nil {
				t.Fatalf("%s has run the tag %q", command[0], tag)
			}
		}
	}
	for _, tag := range []string{"v1.2.3", "v0.0.1", "v10.20.30", "v1.2.3-rc.1", "v1.2.3-beta"} {
		if out, err := exec.CommandContext(t.Context(), "../.ci/release/version.sh", tag).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", tag, out)
		}
	}
}

// TestImagesAreNamedByDigest: of compose's images all but the one that is built here;
// production's gets the release's digest when the release is made (.ci/release).
func TestImagesAreNamedByDigest(t *testing.T) {
	byTag := []string{
		"release-forwarder",                    // loaded from a file: there is no registry whose digest it could have
		"otel/opentelemetry-collector:0.138.0", // its digest is not known to the project
	}
	images := regexp.MustCompile(`(?m)^\s+image: (\S+)`).FindAllSubmatch(fileOf(t, "compose/compose.yaml"), -1)
	if len(images) < 6 {
		t.Fatalf("%d images are found", len(images))
	}
	for _, image := range images {
		name := string(image[1])
		own, _, _ := strings.Cut(name, ":${VERSION")
		if !regexp.MustCompile(`^[a-z0-9./-]+:[a-zA-Z0-9.-]+@sha256:[0-9a-f]{64}$`).MatchString(name) && !slices.Contains(byTag, own) {
			t.Errorf("%s is named by a tag, which can be moved", name)
		}
	}
	if digests := bytes.Count(fileOf(t, "overlays/production/kustomization.yaml"), []byte("newTag: v")); digests != 1 {
		t.Errorf("production's image has %d tags to become the release's digest", digests)
	}
}
