package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"release-forwarder/cmd/bench/page"
	"release-forwarder/cmd/bench/plot"
)

// The page and its pictures.
const (
	pageFile   = "docs/development/benchmarks.md"
	pictureDir = "docs/development/benchmarks"
)

// The page's measured parts.
const (
	partCompare  = "compare-" // and the kind of Kafka
	partMatrix   = "matrix-"  // likewise
	partLatency  = "latency"
	partStart    = "start"
	partOutage   = "outage"
	partReplicas = "replicas"
	partGrowth   = "growth"
)

// publish writes figures into a part of the page.
func (l *lab) publish(part string, rounds int, text string) error {
	return page.Write(pageFile, part, l.circumstances(rounds)+text)
}

// picture writes a chart, and gives the Markdown that shows it.
func picture(name, what, svg string) (string, error) {
	if err := os.MkdirAll(pictureDir, 0o755); err != nil {
		return "", err
	}
	file := filepath.Join(pictureDir, name+".svg")
	return fmt.Sprintf("![%s](benchmarks/%s.svg)\n", what, name), os.WriteFile(file, []byte(svg), 0o644)
}

func bar(s spread) plot.Bar { return plot.Bar{Value: s.median(), Least: s.least(), Most: s.most()} }

func (l *lab) writeComparison(all []compared, rounds int) error {
	var b strings.Builder
	var rates, costs []plot.Group
	var names []string
	for i, c := range all {
		rate, cost := plot.Group{Label: label(c.cell)}, plot.Group{Label: label(c.cell)}
		for _, o := range c.outcomes {
			rate.Bars, cost.Bars = append(rate.Bars, bar(o.rate)), append(cost.Bars, bar(o.cpu))
			if i == 0 {
				names = append(names, o.name)
			}
		}
		rates, costs = append(rates, rate), append(costs, cost)
		fmt.Fprintf(&b, "**%s**\n\n%s\n", c.cell, table(c.outcomes))
	}
	for _, chart := range []struct {
		name, title, unit string
		groups            []plot.Group
	}{
		{"rate", "Records a second, " + l.kafka, "records/s", rates},
		{"cpu", "CPU for each record, " + l.kafka, "µs/record", costs},
	} {
		shown, err := picture(chart.name+"-"+l.kind(), chart.title, plot.Bars(chart.title, chart.unit, names, chart.groups))
		if err != nil {
			return err
		}
		b.WriteString(shown + "\n")
	}
	return l.publish(partCompare+l.kind(), rounds, b.String())
}

// label is a cell in two lines under its bars.
func label(c cell) string {
	return fmt.Sprintf("%s, %s\n%s, %d in flight", ms(c.delay), count(c.partitions, "partition"), bytesOf(c.size), c.open)
}

func (l *lab) writeLatency(loads []*load, delay time.Duration, text string, rounds int) error {
	part, title := partLatency, "From due to arrival at the API"
	if delay > 0 {
		part += "-" + delay.String()
		title += " that answers in " + delay.String()
	}
	ways := []struct {
		name string
		of   func(*load) spread
	}{
		{"bare p50", func(l *load) spread { return l.bare.p50 }}, {"bare p99", func(l *load) spread { return l.bare.p99 }},
		{"hasty p50", func(l *load) spread { return l.hasty.p50 }}, {"hasty p99", func(l *load) spread { return l.hasty.p99 }},
		{"forwarder p50", func(l *load) spread { return l.ours.p50 }}, {"forwarder p99", func(l *load) spread { return l.ours.p99 }},
	}
	lines := make([]plot.Line, len(ways))
	for i, way := range ways {
		lines[i].Name = way.name
		for _, load := range loads {
			lines[i].X, lines[i].Y = append(lines[i].X, load.rate), append(lines[i].Y, way.of(load).median())
		}
	}
	shown, err := picture(part, title, plot.Lines(title, "ms", "events/s", true, lines))
	if err != nil {
		return err
	}
	return l.publish(part, rounds, text+"\n"+shown)
}

func (l *lab) writeOutage(o outages, text string, rounds int) error {
	line := plot.Line{Name: "accepted"}
	for i, n := range o.tenths {
		line.X, line.Y = append(line.X, float64(i)/10), append(line.Y, 10*float64(n))
	}
	title := fmt.Sprintf("An outage from second %.1f to %.1f, the last round", o.began.Seconds(), o.end.Seconds())
	shown, err := picture("outage", title, plot.Lines(title, "records/s", "seconds", false, []plot.Line{line}))
	if err != nil {
		return err
	}
	return l.publish(partOutage, rounds, text+"\n"+shown)
}

func (l *lab) writeReplicas(teams []*team, text string, rounds int) error {
	var groups []plot.Group
	for _, t := range teams {
		groups = append(groups, plot.Group{Label: count(t.size, "replica"), Bars: []plot.Bar{bar(t.rate), bar(t.planned)}})
	}
	const title = "Records a second by replicas"
	shown, err := picture("replicas", title, plot.Bars(title, "records/s", []string{"measured", "in flight ÷ latency"}, groups))
	if err != nil {
		return err
	}
	return l.publish(partReplicas, rounds, text+"\n"+shown)
}

// took is for progress on the terminal.
func took(begun time.Time) time.Duration { return time.Since(begun).Round(time.Second) }
