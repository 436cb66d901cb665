package app_test

import (
	"slices"
	"testing"

	"release-forwarder/cmd/release-forwarder/forward"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/consumer"
	"release-forwarder/dlq"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
)

// Each reason, verdict and bound has a label of its own in the metrics.
//
// A word that telemetry does not list would be counted as "other".
func TestEveryWordThatIsCountedIsListed(t *testing.T) {
	words := func(name string, listed []string, said ...string) {
		t.Helper()
		for _, w := range said {
			if !slices.Contains(listed, w) {
				t.Errorf("%s: %q is not listed", name, w)
			}
		}
	}
	for _, r := range mapping.Reasons() {
		words("mapping reasons", telemetry.MappingReasons, string(r))
	}
	for _, s := range mapping.Suspicions() {
		words("suspicions", telemetry.Suspicions, string(s))
	}
	for _, v := range upstream.Verdicts() {
		words("verdicts", telemetry.Verdicts, v.String())
		if v != upstream.Accepted && v != upstream.Permanent {
			words("held reasons", telemetry.HeldReasons, v.String())
		}
	}
	words("upstream reasons", telemetry.UpstreamReasons, dlq.Reasons()...)
	words("held reasons", telemetry.HeldReasons, forward.HeldDeadLetter)
	words("bounds", telemetry.Bounds, string(consumer.BoundRecords), string(consumer.BoundBytes), string(consumer.BoundGaps))
}
