package kafkalogs

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/repo"
)

// readerSight is what kafka-go's Reader did with a log.
type readerSight struct {
	offsets   []int64 // that it gave, 1,000 at the most
	took      time.Duration
	fetches   int
	errors    int64 // that its statistics count
	err       error
	impatient bool // asked although the broker wanted silence
}

// text says it in words that two runs agree on.
func (s readerSight) text(c realLog) string {
	var seen, wrong, again []int64
	want := slices.Concat(c.want, c.refused)
	for _, o := range s.offsets {
		switch {
		case slices.Contains(seen, o):
			if !slices.Contains(again, o) {
				again = append(again, o)
			}
			continue
		case !slices.Contains(want, o):
			wrong = append(wrong, o)
		}
		seen = append(seen, o)
	}
	var missing []int64
	for _, o := range want {
		if !slices.Contains(seen, o) {
			missing = append(missing, o)
		}
	}
	slices.Sort(again)
	var said []string
	if len(missing) == 0 && len(wrong) == 0 && len(again) == 0 && len(want) > 0 {
		said = append(said, "gives each event once")
	}
	if len(want) > 0 && len(missing) == len(want) {
		said = append(said, "gives none of the events")
	} else if len(missing) > 0 {
		said = append(said, "never gives "+apptest.FormatOffsets(missing))
	}
	if len(wrong) > 0 {
		said = append(said, "gives "+apptest.FormatOffsets(wrong)+", which it should not")
	}
	if len(again) > 0 {
		said = append(said, "gives "+apptest.FormatOffsets(again)+" again and again")
	}
	if s.fetches > int(s.took.Seconds())*20 {
		said = append(said, "asks the broker without a pause")
	}
	if s.impatient {
		said = append(said, "asks on although the broker wants silence")
	}
	if s.errors == 0 && len(missing) > 0 {
		said = append(said, "its statistics count no error")
	}
	if c.said != "" && s.errors == 0 && len(missing) == 0 {
		said = append(said, "says nothing of what is missing")
	}
	if s.err != nil && !errors.Is(s.err, context.DeadlineExceeded) {
		said = append(said, "ends with "+s.err.Error())
	}
	return strings.Join(said, "; ")
}

// alone is set in the process that kafka-go may take down.
const alone = "LOGS_TEST_ALONE"

// dying is the Reader's sight in a process of its own.
func (c realLog) dying(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestTheLogsPageIsWhatWasMeasured$")
	cmd.Env = append(os.Environ(), alone+"="+c.name)
	out, err := cmd.CombinedOutput()
	found := regexp.MustCompile(`(?m)^panic: (markRead: [a-z ]+)`).FindSubmatch(out)
	if err == nil || found == nil {
		t.Fatalf("the Reader was thought to end its process: %v\n%.2000s", err, out)
	}
	return fmt.Sprintf("panics (`%s`): the process ends", found[1])
}

var updateLogs = flag.Bool("logs.update", false, "write the measured part of docs/development/kafka-logs.md")

const (
	logsPage  = "docs/development/kafka-logs.md"
	logsBegin = "<!-- begin: measured by TestTheLogsPageIsWhatWasMeasured -->\n"
	logsEnd   = "<!-- end: measured -->\n"
)

// The table of docs/development/kafka-logs.md is what kafka-go's Reader did in this run, beside what the service does.
//
// TestRealLogs holds the service to its column.
func TestTheLogsPageIsWhatWasMeasured(t *testing.T) {
	if name := os.Getenv(alone); name != "" {
		i := slices.IndexFunc(realLogs, func(c realLog) bool { return c.name == name })
		realLogs[i].readerSees(t)
		return
	}
	var table strings.Builder
	table.WriteString("| log | kafka-go's Reader | this service | `TestRealLogs/` |\n| --- | --- | --- | --- |\n")
	for _, c := range realLogs {
		var seen string
		if c.dies {
			seen = c.dying(t)
		} else {
			seen = c.readerSees(t).text(c)
		}
		fmt.Fprintf(&table, "| %s | %s | %s | `%s` |\n", c.name, seen, c.ours, strings.ReplaceAll(c.name, " ", "_"))
	}
	repo.Generated(t, logsPage, logsBegin, logsEnd, table.String(), *updateLogs)
}

// Every test that docs/development/kafka-logs.md names exists.
func TestEveryTestThatTheLogsPageNamesIsThere(t *testing.T) {
	tests := repo.Tests(t)
	for _, file := range repo.Files(t, "_test.go") {
		for _, m := range regexp.MustCompile(`\{name: "([^"]+)"`).FindAllStringSubmatch(repo.Read(t, file), -1) {
			tests[m[1]] = true
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)[/`]|acceptance `([^`]+)`").FindAllStringSubmatch(repo.Read(t, logsPage), -1)
	if len(named) < 20 {
		t.Errorf("the page names %d tests", len(named))
	}
	for _, m := range named {
		if name := m[1] + m[2]; !tests[name] {
			t.Errorf("%s is nowhere", name)
		}
	}
}
