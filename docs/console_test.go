package docs

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/markdown"
	"release-forwarder/cmd/testkit/repo"
)

// elsewhere are the commands that this test cannot run, since they need Kafka, the platform or a tool, by their first
// words; with the test that holds what they print. Nobody holds the output of a tool of others: "".
var elsewhere = map[string]string{
	"release-forwarder offsets":    "TestOffsetsTellsWhatIsDoneWhetherTheGroupRunsOrNot",
	"release-forwarder find":       "TestFindTellsWhatBecameOfAnEvent",
	"release-forwarder doctor":     "TestThePageShowsWhatIsPrinted",
	"release-forwarder dlq list":   "TestAListCountsFirst",
	"release-forwarder dlq show":   "TestDeadLettersAreShownRedactedUnlessRevealed",
	"release-forwarder dlq replay": "TestChangedEventsAreAskedFor",
	"release-forwarder dlq close":  "TestDeadLettersAreShownRedactedUnlessRevealed",
	"release-forwarder dlq stats":  "TestRetentionIsWarnedOf",
	"make run":                     "TestAnAccountThatCloses",
	"go run ./cmd/sandbox":         "TestAnAccountThatCloses",
	"kcat":                         "",
	"kafka-console-consumer.sh":    "",
	"kafka-console-producer.sh":    "",
	"kubectl":                      "",
}

// heldElsewhere says whether a command cannot be run here, by its entry above.
func heldElsewhere(command string) (entry string, is bool) {
	for _, words := range markdown.Split(strings.ReplaceAll(command, "\\\n", " ")) {
		for len(words) > 0 && strings.Contains(strings.SplitN(words[0], "/", 2)[0], "=") {
			words = words[1:]
		}
		if len(words) > 0 {
			words[0] = path.Base(words[0])
		}
		line := strings.Join(words, " ") + " "
		for entry := range elsewhere {
			if strings.HasPrefix(line, entry+" ") {
				return entry, true
			}
		}
	}
	return "", false
}

// TestEveryConsoleBlockIsWhatIsPrinted runs what stands behind "$ " in the console blocks of all pages, a shell for
// each block, in an environment that has nothing but what the block exports. A JSON or text block with a file's name
// behind its kind is that file. In output "…" stands for lines left out.
func TestEveryConsoleBlockIsWhatIsPrinted(t *testing.T) {
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", bin, "./cmd/release-forwarder")
	build.Dir = repo.Path(t, "")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	blocks, commands, left := 0, 0, 0
	for _, page := range markdown.Pages(t) {
		dir := t.TempDir()
		for _, b := range page.Blocks {
			if b.Title != "" && b.Title == filepath.Base(b.Title) && filepath.Ext(b.Title) != "" {
				if err := os.WriteFile(filepath.Join(dir, b.Title), []byte(strings.Join(b.Lines, "\n")+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, b := range page.Blocks {
			if b.Kind != "console" {
				continue
			}
			blocks++
			var run []markdown.Entry
			for _, e := range b.Entries() {
				if _, is := heldElsewhere(e.Command); is {
					left++
					continue
				}
				run = append(run, e)
			}
			commands += len(run)
			if len(b.Entries()) == 0 {
				t.Errorf("%s:%d: a console block without a command: is it text?", page.Name, b.Line)
			}
			for i, printed := range outputs(t, bin, dir, run) {
				if shown := run[i].Output; !fits(strings.Split(shown, "\n"), strings.Split(printed, "\n")) {
					t.Errorf("%s:%d: %s\nshown:\n%s\nprinted:\n%s", page.Name, run[i].Line, run[i].Command, shown, printed)
				}
			}
		}
	}
	if blocks < 8 || commands < 5 {
		t.Errorf("only %d blocks with %d commands: this looks at nothing", blocks, commands)
	}
	t.Logf("%d console blocks: %d commands were run, %d are held by other tests", blocks, commands, left)
}

// outputs runs commands one after the other in one shell, and gives what each printed on both its outputs.
func outputs(t *testing.T, bin, dir string, commands []markdown.Entry) []string {
	t.Helper()
	if len(commands) == 0 {
		return nil
	}
	const mark = "\x01"
	var script strings.Builder
	for _, c := range commands { // a command sees the exit code of the one before
		script.WriteString("code=$?; printf '\\001'; (exit $code)\n" + c.Command + "\n")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script.String())
	shell.Dir, shell.Env = dir, []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + dir}
	var out bytes.Buffer
	shell.Stdout, shell.Stderr = &out, &out
	_ = shell.Run() // commands may fail: their output says how
	printed := strings.Split(out.String(), mark)[1:]
	if len(printed) != len(commands) {
		t.Errorf("the shell ended early:\n%s\n%s", script.String(), out.String())
		return nil
	}
	return printed
}

// What differs from build to build, and from run to run. Times are not compared in a line that was printed with a time of
// now: others come from the input.
var (
	builds = regexp.MustCompile(`^(release-forwarder|commit) (v[0-9]\S*|[0-9a-f]{7,40}(-dirty)?|devel|\(devel\)|unknown)$|^go1\.\S+ \w+/\w+$`)
	times  = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| ?[+-]\d\d:\d\d)`)
)

func same(shown, printed string) bool {
	shown, printed = strings.TrimRight(shown, " "), strings.TrimRight(printed, " ")
	if shown == printed {
		return true
	}
	if builds.MatchString(shown) && builds.MatchString(printed) {
		return strings.Fields(shown)[0] == strings.Fields(printed)[0] || strings.HasPrefix(shown, "go1.") && strings.HasPrefix(printed, "go1.")
	}
	ofNow := slices.ContainsFunc(times.FindAllString(printed, -1), func(at string) bool {
		when, err := time.Parse(time.RFC3339, strings.Replace(strings.ReplaceAll(at, " +", "+"), " ", "T", 1))
		return err == nil && time.Since(when).Abs() < time.Hour
	})
	return ofNow && times.ReplaceAllString(shown, "TIME") == times.ReplaceAllString(printed, "TIME")
}

// fits says whether the lines shown are those printed, where "…" stands for any number of lines.
func fits(shown, printed []string) bool {
	for i, line := range shown {
		if line == "…" {
			for k := i; k <= len(printed); k++ {
				if fits(shown[i+1:], printed[k:]) {
					return true
				}
			}
			return false
		}
		if i >= len(printed) || !same(line, printed[i]) {
			return false
		}
	}
	return len(shown) == len(printed)
}

// TestOutputHeldElsewhere: the tests that hold what TestEveryConsoleBlockIsWhatIsPrinted cannot run are there; what
// no test holds is shown without output.
func TestOutputHeldElsewhere(t *testing.T) {
	there := repo.Tests(t)
	for _, page := range markdown.Pages(t) {
		for _, b := range page.Blocks {
			if b.Kind != "console" {
				continue
			}
			for _, e := range b.Entries() {
				entry, is := heldElsewhere(e.Command)
				if is && elsewhere[entry] == "" && strings.TrimSpace(e.Output) != "" {
					t.Errorf("%s:%d: no test holds what %s prints: show it as sh, and what it prints as text", page.Name, e.Line, entry)
				}
			}
		}
	}
	for entry, test := range elsewhere {
		if test != "" && !there[test] {
			t.Errorf("%s is held by %s, which is not there", entry, test)
		}
	}
}
