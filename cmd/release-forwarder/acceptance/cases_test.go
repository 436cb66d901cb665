package acceptance

import "testing"

// scenario is one promise put to the test: its name in the table, and why it
// cannot run on a backend, if so.
type scenario struct {
	name string
	run  func(t *testing.T)
	// notOn says why the scenario cannot run on the backend; nil or "": it can.
	notOn func(b backend) string
	// disturbs the whole cluster: where scenarios share one, it runs after the
	// others.
	disturbs bool
}

// scenarios is the suite, in the table's order.
func scenarios() []scenario {
	var all []scenario
	for _, part := range [][]scenario{
		codecScenarios(), securityScenarios(), recordScenarios(), permanentScenarios(), verdictScenarios(), orderScenarios(),
		outageScenarios(), endScenarios(), kafkaScenarios(), movingScenarios(), deadLetterScenarios(), workedOffScenarios(), startScenarios(),
		outsideScenarios(), findScenarios(), mappedScenarios(), unreadScenarios(), lackScenarios(), recreatedScenarios(), truncatedScenarios(), nearScenarios(), addressScenarios(), versionScenarios(), groupScenarios(), rollingScenarios(), sessionScenarios(),
	} {
		all = append(all, part...)
	}
	return all
}

// TestAcceptance runs every scenario that the backend can run.
func TestAcceptance(t *testing.T) {
	noteInputs(t)
	all := scenarios()
	for _, s := range all {
		if s.notOn != nil {
			if why := s.notOn(kafka); why != "" {
				results.leaveOut(s.name, why)
			}
		}
	}
	afterwards := func(s scenario) bool { return s.disturbs && kafka.shared() }
	// The group ends when all of its parallel scenarios have: then the others.
	t.Run("together", func(t *testing.T) {
		for _, s := range all {
			if !afterwards(s) && !results.leftOut(s.name) {
				t.Run(s.name, func(t *testing.T) {
					t.Parallel()
					results.watch(t, s.name)
					s.run(t)
				})
			}
		}
	})
	for _, s := range all {
		if afterwards(s) && !results.leftOut(s.name) {
			t.Run(s.name, func(t *testing.T) {
				results.watch(t, s.name)
				s.run(t)
			})
		}
	}
}
