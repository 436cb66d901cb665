package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"release-forwarder/cmd/testkit/prometheus"
)

// trouble is one row of the drill.
type trouble struct {
	name string
	few  bool // of those that CI runs
	// provoke brings it about.
	provoke func(ctx context.Context, w *world) error
	// alerts are those that must become true; others may. A round has none.
	alerts []string
	// condition is what a replica's first sentence is made of; "" where any will do.
	condition string
	// cure is what is done, in this order, until all is well.
	cure []step
	// tidy puts the world right for the next trouble, where that is not the person's work.
	tidy func(ctx context.Context, w *world) error
	// standIn names whose operator was stood in for, of those that the cure needs.
	standIn string
}

// step is what the person does, by a page, or what others do or the person waits for.
type step struct {
	page, heading string
	values        map[string]string // of the page's placeholders, beside those that all pages have
	others        func(ctx context.Context, w *world) error
}

func runbook(name, heading string) step {
	return step{page: "deployments/runbooks/" + name + ".md", heading: heading}
}

func night(name, heading string) step {
	return step{page: "docs/how-to/night/" + name + ".md", heading: heading}
}

func others(do func(ctx context.Context, w *world) error) step { return step{others: do} }

// sooner are the alerts that look at minutes, with what the drill makes of these; it adds the difference to what it measured.
var sooner = map[string]struct {
	shipped, here string
	times         int
	by            time.Duration
}{
	"ReleaseForwarderSecretRefused":    {"[5m]", "[15s]", 2, 285 * time.Second},
	"ReleaseForwarderCommitsFail":      {"[10m]", "[15s]", 2, 585 * time.Second},
	"ReleaseForwarderOpenTransaction":  {"> 300", "> 45", 1, 255 * time.Second},
	"ReleaseForwarderPartitionNotRead": {"> 300", "> 45", 1, 255 * time.Second},
}

// shortened are the alerts as the drill has them.
func shortened(alerts []prometheus.Alert) ([]prometheus.Alert, error) {
	alerts = slices.Clone(alerts)
	for i, a := range alerts {
		if s, is := sooner[a.Name]; is {
			if strings.Count(a.Expr, s.shipped) != s.times {
				return nil, fmt.Errorf("%s has not %s: %s", a.Name, s.shipped, a.Expr)
			}
			alerts[i].Expr = strings.ReplaceAll(a.Expr, s.shipped, s.here)
		}
	}
	return alerts, nil
}
