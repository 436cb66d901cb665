package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

type compareCommand struct {
	backend
	N          int             `default:"80000" help:"Records of a run at 0 ms, a quarter of them to warm up; fewer where the API's delay or their size makes a run long enough."`
	Rounds     int             `default:"5" help:"Rounds; in each, all contenders run one after the other."`
	Full       bool            `help:"The whole matrix of delays, partitions, sizes and requests in flight."`
	Delay      []time.Duration `help:"Delays of the API, e.g. 0s,5ms; with any of these lists the cells are their product."`
	Partitions []int           `help:"Partitions of the topic, e.g. 1,6,100."`
	Size       []int           `help:"Bytes of an event, e.g. 300,102400."`
	Open       []int           `help:"Requests in flight, e.g. 64,512."`
	Only       []string        `sep:"none" placeholder:"NAME" help:"A contender, by name; may be given again. All if not given."`
	Write      bool            `help:"Write the table and the plot into docs/development/benchmarks.md."`
}

func (c compareCommand) cells() []cell {
	if !c.Full && len(c.Delay)+len(c.Partitions)+len(c.Size)+len(c.Open) == 0 {
		return usual()
	}
	delays, partitions, sizes, open := []time.Duration{0}, []int{6}, []int{small}, []int{64}
	if c.Full {
		delays = []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond}
		partitions, sizes, open = []int{1, 6, 100}, []int{small, large}, []int{64, 512}
	}
	return matrix(given(c.Delay, delays), given(c.Partitions, partitions), given(c.Size, sizes), given(c.Open, open))
}

func given[T any](list, otherwise []T) []T {
	if len(list) > 0 {
		return list
	}
	return otherwise
}

// outcome is a contender's figures in a cell, round by round.
type outcome struct {
	contender
	rate, cpu, peak, commits, allocs, spans, most spread
}

func (o *outcome) add(f figures) {
	o.rate, o.cpu, o.peak = append(o.rate, f.rate), append(o.cpu, f.cpu), append(o.peak, f.peak)
	o.commits, o.allocs = append(o.commits, f.commits), append(o.allocs, f.allocs)
	o.spans, o.most = append(o.spans, f.spans), append(o.most, f.most)
}

// compared is a cell and what came of it.
type compared struct {
	cell
	outcomes []*outcome
}

// Run measures each cell round by round, so that what the machine does besides
// meets all contenders alike, and prints the table.
func (c compareCommand) Run() error {
	chosen := slices.DeleteFunc(contenders(), func(one contender) bool { return len(c.Only) > 0 && !slices.Contains(c.Only, one.name) })
	if len(chosen) == 0 || c.Rounds < 1 || c.N < 1 {
		return fmt.Errorf("nothing to compare: contenders %d, rounds %d, records %d", len(chosen), c.Rounds, c.N)
	}
	return shared{backend: c.backend}.with(func(l *lab) error {
		var all []compared
		for _, cell := range c.cells() {
			begun := time.Now()
			outcomes, err := l.compare(cell, chosen, c.N, c.Rounds)
			if err != nil {
				return fmt.Errorf("%s: %w", cell, err)
			}
			all = append(all, compared{cell, outcomes})
			fmt.Printf("%s (%s)\n%s\n%s", cell, took(begun), table(outcomes), costOfReceipts(outcomes))
		}
		if !c.Write {
			return nil
		}
		if c.Full {
			return l.publish(partMatrix+l.kind(), c.Rounds, matrixTable(all))
		}
		return l.writeComparison(all, c.Rounds)
	})
}

func (l *lab) compare(cell cell, chosen []contender, most, rounds int) ([]*outcome, error) {
	l.Partitions, l.Size, l.Open = int32(cell.partitions), cell.size, cell.open
	many, one := cell.records(most)
	topic, err := l.fill(many)
	if err != nil {
		return nil, err
	}
	defer l.drop(topic)
	outcomes := make([]*outcome, len(chosen))
	for i := range chosen {
		outcomes[i] = &outcome{contender: chosen[i]}
	}
	for round := range rounds {
		for i := range chosen {
			o := outcomes[(round+i)%len(chosen)] // none is always the first
			l.groups++
			j := job{topic: topic, group: fmt.Sprintf("%s-%d", topic, l.groups), n: many, open: cell.open}
			if o.one {
				j.n = one
			}
			f, err := l.run(o.contender, j, cell.delay)
			if err != nil {
				return nil, err
			}
			o.add(f)
		}
	}
	return outcomes, nil
}

// costOfReceipts says what receipts cost, round by round; "" unless the forwarder ran with them and without.
func costOfReceipts(outcomes []*outcome) string {
	by := map[string]*outcome{}
	for _, o := range outcomes {
		by[o.name] = o
	}
	without, with := by[nameShipped], by[nameReceipts]
	if without == nil || with == nil {
		return ""
	}
	return fmt.Sprintf("with receipts, of the same without: records/s %s %%, CPU %s %%, peak RSS %s %%\n",
		with.rate.over(without.rate).times(100).format("%.0f"), with.cpu.over(without.cpu).times(100).format("%.0f"), with.peak.over(without.peak).times(100).format("%.0f"))
}

// table shows the outcomes of a cell in Markdown; the shares are of the bare loop
// in the same round.
func table(outcomes []*outcome) string {
	var b strings.Builder
	b.WriteString("| contender | records/s | of the bare loop | CPU µs/record | × the bare loop's | peak RSS MiB | commits/s | allocations/record | spans/record | open at once |\n" +
		"| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	var bare outcome
	for _, o := range outcomes {
		if o.name == nameBare {
			bare = *o
		}
	}
	for _, o := range outcomes {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", o.name, o.rate.format("%.0f"), share(*o, bare),
			o.cpu.format("%.1f"), o.cpu.over(bare.cpu).format("%.2f"), o.peak.times(1.0/(1<<20)).format("%.0f"),
			o.commits.format("%.1f"), o.allocs.format("%.0f"), o.spans.format("%.2f"), o.most.format("%.0f"))
	}
	return b.String()
}
