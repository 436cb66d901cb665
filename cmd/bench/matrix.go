package main

import (
	"fmt"
	"strings"
)

// matrixTable shows many cells, a row each: what a cell's own table says at more
// length.
func matrixTable(all []compared) string {
	var b strings.Builder
	b.WriteString("| API | partitions | events | in flight | bare loop, records/s | forwarder, records/s | of the bare loop | CPU × the bare loop's | peak RSS MiB |\n" +
		"|" + strings.Repeat(" --- |", 9) + "\n")
	for _, c := range all {
		of := map[string]outcome{}
		for _, o := range c.outcomes {
			of[o.name] = *o
		}
		bare, ours := of[nameBare], of[nameShipped]
		fmt.Fprintf(&b, "| %s | %d | %s | %d | %s | %s | %s | %s | %s |\n", ms(c.delay), c.partitions, bytesOf(c.size), c.open,
			bare.rate.format("%.0f"), ours.rate.format("%.0f"), share(ours, bare), ours.cpu.over(bare.cpu).format("%.2f"),
			ours.peak.times(1.0/(1<<20)).format("%.0f"))
	}
	return b.String()
}

// share is one's rate as a share of another's in the same round.
func share(of, whole outcome) string { return of.rate.over(whole.rate).times(100).format("%.0f %%") }
