package check

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/repo"
)

// several are events of a lane, one a line, for nested.yaml.
const several = `{"type":"release","sent":1630586220000,"body":{"recordId":2211,"opType":2,"parkCode":"0755-01","car":{"no":"粤B12345","vin":"L1"},"cars":[{"color":"粉牌"}],"reasonCode":"2"}}
{"type":"release","sent":1630586220000,"body":{"recordId":2212,"opType":2,"parkCode":"0755-01","car":{"no":"粤B12346","vin":"L2"},"lane":{"no":1},"slot-10001":{}}}

{"type":"entry","body":{"gate":3}}
{"type":"release","body":{"recordId":2213,"opType":2,"parkCode":"0755-99","car":{"no":"粤B12347"},"slot-10002":{}}}
hello
{"type":"release","body":{"recordId":2214,"opType":2,"parkCode":"0755-01","car":{"vin":"L3"}}}
`

// At the end of several events stands what became of them, in golden files.
func TestCheckSumsUpSeveralEvents(t *testing.T) {
	t.Setenv("MAPPING_FILE", repo.Path(t, "mapping/testdata/files/nested.yaml"))
	var all strings.Builder
	for _, c := range []Command{{Lang: english}, {Lang: chinese}, {Lang: english, JSON: true}} {
		printed, failed := checkedBy(t, c, several)
		at := max(strings.LastIndex(printed, "\n\n"), strings.LastIndex(printed, "\n{"))
		fmt.Fprintf(&all, "=== %d failed\n%s\n", failed, strings.TrimSpace(printed[at:]))
	}
	golden(t, "summary.golden", all.String())
}

// One event has no summary, and a summary has nothing of the events' values.
func TestASummaryIsOfSeveralAndHasNoValues(t *testing.T) {
	t.Setenv("MAPPING_FILE", repo.Path(t, "mapping/testdata/files/nested.yaml"))
	first, _, _ := strings.Cut(several, "\n")
	if printed, _ := checkedBy(t, Command{Lang: english, JSON: true}, first); strings.Contains(printed, "summary") {
		t.Errorf("of one event:\n%s", printed)
	}
	printed, _ := checkedBy(t, Command{Lang: english}, several)
	_, sum, found := strings.Cut(printed, "summary of")
	for _, value := range []string{"粤B", "2211", "0755", "10001", "L1"} {
		if !found || strings.Contains(sum, value) {
			t.Errorf("%q is in the summary:\n%s", value, sum)
		}
	}
}

// However many names events have, what is remembered and shown of them is bounded, and the most frequent come first.
func TestASummaryOfManyNamesIsBounded(t *testing.T) {
	var lines strings.Builder
	for i := range 40 {
		fmt.Fprintf(&lines, `{"often":1,`)
		for j := range 100 {
			fmt.Fprintf(&lines, `"n%s%s":1,`, strings.Repeat("x", i%30), strings.Repeat("y", j))
		}
		lines.WriteString("\"end\":1}\n")
	}
	printed, _ := checkedBy(t, Command{Lang: english}, lines.String())
	if _, sum, _ := strings.Cut(printed, "not read"); !strings.Contains(sum, "* 40, end 40, often 40") || strings.Count(sum, ",") != shownPaths || !strings.Contains(sum, " more\n") {
		t.Errorf("%s", sum)
	}
}

// lineOf is a reader of one line of many bytes.
type lineOf struct{ left int }

func (l *lineOf) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), l.left)
	for i := range p[:n] {
		p[i] = 'x'
	}
	l.left -= n
	return n, nil
}

// A line without end, and an object or UTF-16 without end, are answered, and what is read of them is bounded.
func TestWhatIsTooLargeIsAnswered(t *testing.T) {
	for name, begin := range map[string]string{"a line": "", "an object": "{\n", "UTF-16": "\xff\xfe", "blank lines": strings.Repeat(strings.Repeat(" ", 1023)+"\n", maxValue>>10+2)} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			k := newTestChecker(t, &Command{Lang: english}, &out)
			k.in = io.MultiReader(strings.NewReader(begin), &lineOf{20 * maxValue}, strings.NewReader("\n{}\n"))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if err := k.files(nil); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			_ = k.out.Flush()
			if got := after.TotalAlloc - before.TotalAlloc; got > 16*maxValue {
				t.Errorf("%d bytes are allocated for %d that are read", got, 20*maxValue)
			}
			if !strings.Contains(out.String(), "larger than 16 MiB") || name != "UTF-16" && !strings.Contains(out.String(), "dead letter: missing-field: park_uuid") {
				t.Errorf("%.2000s", out.String())
			}
		})
	}
}

// newTestChecker makes the checker of a command that prints to out.
func newTestChecker(t testing.TB, c *Command, out io.Writer) *checker {
	t.Helper()
	return checkerOf(t, c, bufio.NewWriter(out))
}

// FuzzLines gives files of rubbish: no panic, and each line that is not blank is answered once, unless all is one value.
func FuzzLines(f *testing.F) {
	f.Setenv("MAPPING_FILE", repo.Path(f, "mapping/testdata/files/nested.yaml"))
	for _, in := range checkInputs {
		if len(in.input) < 1<<12 {
			f.Add([]byte(in.input + "\n" + in.input))
		}
	}
	f.Add([]byte(several))
	f.Add([]byte("{\n\xff\n}\n[\x00\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		var out bytes.Buffer
		k := newTestChecker(t, &Command{Lang: english, JSON: true, mappingFlags: mappingFlags{Verbose: true}}, &out)
		k.in = bytes.NewReader(input)
		if err := k.files(nil); err != nil {
			t.Fatal(err)
		}
		k.end()
		_ = k.out.Flush()
		lines := len(slices.DeleteFunc(bytes.Split(input, []byte("\n")), func(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }))
		answers := strings.Count(out.String(), `{"place":`)
		if answers != k.seen || answers != lines && answers != 1 || k.sum.Events > k.seen {
			t.Fatalf("%d lines, %d answers, %d seen, %d events", lines, answers, k.seen, k.sum.Events)
		}
	})
}
