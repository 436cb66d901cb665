package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/bench/page"
)

func performancePage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", pageFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestThePerformancePageHasAPartForEachMeasurement(t *testing.T) {
	parts, err := page.Parts(performancePage(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{partCompare + kindReal, partCompare + kindFake, partMatrix + kindReal, partLatency, partLatency + "-20ms", partStart, partOutage, partReplicas, partGrowth}
	for _, name := range want {
		if _, has := parts[name]; !has {
			t.Errorf("no part %s", name)
		}
		delete(parts, name)
	}
	for name := range parts {
		t.Errorf("nothing writes the part %s", name)
	}
}

// Contenders stand in the first column of the tables that begin with them.
func TestThePerformancePageNamesTheContenders(t *testing.T) {
	var named []string
	listed := map[string]string{}
	inTable := false
	for line := range strings.Lines(performancePage(t)) {
		cells := strings.Split(line, "|")
		switch {
		case len(cells) < 3:
			inTable = false
		case strings.TrimSpace(cells[1]) == "contender":
			inTable = true
		case inTable && !strings.HasPrefix(strings.TrimSpace(cells[1]), "---"):
			name := strings.TrimSpace(cells[1])
			named = append(named, name)
			if len(cells) == 4 { // the table that explains them
				listed[name] = strings.TrimSpace(cells[2])
			}
		}
	}
	var known []string
	for _, c := range contenders() {
		known = append(known, c.name)
		if listed[c.name] != c.what {
			t.Errorf("%s is explained by %q, want %q", c.name, listed[c.name], c.what)
		}
	}
	for _, name := range named {
		if !slices.Contains(known, name) {
			t.Errorf("there is no contender %q", name)
		}
	}
}

var shownPicture = regexp.MustCompile(`\]\((benchmarks/[^)]+\.svg)\)`)

func TestThePerformancePageShowsThePicturesThereAre(t *testing.T) {
	var shown []string
	for _, match := range shownPicture.FindAllStringSubmatch(performancePage(t), -1) {
		shown = append(shown, match[1])
	}
	for _, name := range shown {
		if _, err := os.Stat(filepath.Join("..", "..", "docs", "development", name)); err != nil {
			t.Errorf("a picture is missing: %s", name)
		}
	}
	files, err := filepath.Glob(filepath.Join("..", "..", pictureDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.Contains(shown, "benchmarks/"+filepath.Base(file)) {
			t.Errorf("nobody sees %s", file)
		}
	}
}

// The commands that the page names must exist, with their flags.
func TestTheCommandsOfThePerformancePageParse(t *testing.T) {
	commands := regexp.MustCompile(`BENCH="([^"]+)"`).FindAllStringSubmatch(performancePage(t), -1)
	if len(commands) < 7 {
		t.Fatalf("%d commands", len(commands))
	}
	for _, command := range commands {
		// As the shell sees them.
		args := regexp.MustCompile(`'[^']*'|\S+`).FindAllString(command[1], -1)
		for i := range args {
			args[i] = strings.Trim(args[i], "'")
		}
		if err := parses(args); err != nil {
			t.Errorf("%s: %v", command[1], err)
		}
	}
	for _, tiny := range []bool{true, false} {
		for _, args := range (pageCommand{Rounds: 5, Tiny: tiny}).steps() {
			if err := parses(args); err != nil {
				t.Errorf("%v: %v", args, err)
			}
			if write := slices.Contains(args, "--write"); write == tiny {
				t.Errorf("%v: writes: %t", args, write)
			}
		}
	}
}

// A page that is taken anew leaves no table of another day.
func TestAllThatThePageShowsIsTakenAnewWithIt(t *testing.T) {
	told := func(words []string) string { // what decides which part is written
		kept := words[:1:1]
		for _, word := range words[1:] {
			if word == "--real" || word == "--full" || strings.HasPrefix(word, "--delay=") {
				kept = append(kept, word)
			}
		}
		slices.Sort(kept[1:])
		return strings.Join(kept, " ")
	}
	taken := map[string]bool{}
	for _, args := range (pageCommand{Rounds: 5}).steps() {
		taken[told(args)] = true
	}
	shown := 0
	for _, command := range regexp.MustCompile(`BENCH="([^"]+--write[^"]*)"`).FindAllStringSubmatch(performancePage(t), -1) {
		shown++
		if !taken[told(strings.Fields(command[1]))] {
			t.Errorf("%s is no step of a whole page", command[1])
		}
	}
	if shown != len(taken) {
		t.Errorf("the page shows %d commands, and %d are taken", shown, len(taken))
	}
}

func TestTheMatrixHasARowForEachCell(t *testing.T) {
	one := func(name string, rate, cpu, peak float64) *outcome {
		return &outcome{contender: contender{name: name}, rate: spread{rate}, cpu: spread{cpu}, peak: spread{peak}}
	}
	table := matrixTable([]compared{
		{cell{20 * time.Millisecond, 6, small, 64}, []*outcome{one(nameShipped, 900, 60, 50<<20), one(nameBare, 1000, 40, 1<<20)}},
		{cell{0, 100, large, 512}, []*outcome{one(nameBare, 1000, 40, 1<<20)}},
	})
	for _, row := range []string{
		"| 20 ms | 6 | 300-byte | 64 | 1000 | 900 | 90 % | 1.50 | 50 |\n",
		"| 0 ms | 100 | 100-KiB | 512 | 1000 | – | – | – | – |\n",
	} {
		if !strings.Contains(table, row) {
			t.Errorf("no row %q in\n%s", row, table)
		}
	}
}

func TestPlansKeepToBothBounds(t *testing.T) {
	for _, c := range []struct {
		load, seconds, cpu, cores, share float64
		want                             int
	}{
		{1280, 0.05, 10, 1, 1, 1},   // 64 in flight ÷ 50 ms
		{1281, 0.05, 10, 1, 1, 2},   // one more
		{1280, 0.05, 10, 1, 0.5, 2}, // half of it kept free
		{20000, 0.001, 100, 1, 1, 2},
		{20000, 0.001, 100, 2, 1, 1},
		{0, 0.05, 100, 1, 1, 1},
	} {
		if got := plan(c.load, seconds(c.seconds), 64, c.cpu, c.cores, c.share); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
