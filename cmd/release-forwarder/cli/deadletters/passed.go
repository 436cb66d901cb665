package deadletters

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/cmd/release-forwarder/telemetry"
	"release-forwarder/dlq"
)

// passed is what a filter has let through, so that a filter that can match nothing
// is an error, not an empty result.
type passed struct {
	wanted *filterFlags
	own    int
	words  map[string]bool // reasons and stages of dead letters
	others map[string]int  // dead letters of other groups, by group
}

// watch starts to note what a filter lets through.
func (f *filterFlags) watch(filter *dlq.Filter) *passed {
	p := &passed{wanted: f, words: map[string]bool{}, others: map[string]int{}}
	filter.Passed = p.note
	return p
}

// mostGroups bounds the groups that are counted one by one.
const mostGroups = 100

// note is a filter's Passed.
func (p *passed) note(s *dlq.Stored, own bool) {
	if own {
		p.own++
		if len(p.wanted.Reason) > 0 || len(p.wanted.Stage) > 0 { // else any text of another program's dead letter
			p.words[s.Reason], p.words[string(s.Stage)] = true, true
		}
		return
	}
	group := redact.Clean(s.Group)
	if _, known := p.others[group]; !known && len(p.others) >= mostGroups {
		group = "(others)"
	}
	p.others[group]++
}

// mistaken returns an error if a reason or stage was asked for that this version does not
// know and no dead letter has; a later version may write others. Call it after all dead
// letters were seen.
func (p *passed) mistaken() error {
	reasons := slices.Concat(telemetry.MappingReasons, telemetry.UpstreamReasons)
	for _, flag := range []struct {
		name          string
		wanted, known []string
	}{
		{"--reason", p.wanted.Reason, reasons}, {"--stage", p.wanted.Stage, []string{string(dlq.StageMapping), string(dlq.StageUpstream)}},
	} {
		for _, word := range flag.wanted {
			if !slices.Contains(flag.known, word) && !p.words[word] {
				return fmt.Errorf("%s: no dead letter here has %s, nor does this version know it; it knows %s", flag.name, strconv.Quote(redact.Clean(word)), strings.Join(flag.known, ", "))
			}
		}
	}
	return nil
}

// elsewhere says which other groups' dead letters fit if none of this group's does; "" if
// none do.
func (p *passed) elsewhere() string {
	if p.own > 0 || len(p.others) == 0 {
		return ""
	}
	total, named := 0, []string{}
	for _, group := range console.SortedByCount(p.others) {
		total += p.others[group]
		if len(named) < 5 {
			named = append(named, group+" "+console.Number(p.others[group]))
		}
	}
	if len(p.others) > len(named) {
		named = append(named, fmt.Sprintf("and %d groups more", len(p.others)-len(named)))
	}
	what := console.Number(total) + " dead letters of other groups fit"
	if total == 1 {
		what = "1 dead letter of another group fits"
	}
	return what + ": " + strings.Join(named, ", ") + "; --all-groups takes those too"
}
