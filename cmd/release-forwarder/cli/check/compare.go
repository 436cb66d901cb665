package check

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/check/examine"
	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/settings/lookup"
	"release-forwarder/cmd/release-forwarder/visible"
	"release-forwarder/mapping"
)

// builtInContract is what --against takes for no mapping file.
const builtInContract = "built-in"

// againstMapper is the mapper of --against.
func againstMapper(name string, zone *time.Location) (*mapping.Mapper, error) {
	c := mapping.Config{Location: zone}
	if name != builtInContract {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if c.File, err = mapping.Parse(text); err == nil {
			c.Lookups, err = lookupsBeside(name, c.File)
		}
		if wrong, is := errors.AsType[*mapping.FileError](err); is {
			told := new(settings.Invalid)
			for _, m := range wrong.Mistakes {
				told.Settings = append(told.Settings, settings.Wrong{Name: "--against", Text: m.String()})
			}
			return nil, told
		}
		if err != nil {
			return nil, err
		}
	}
	return mapping.New(c)
}

// lookupsBeside reads the lookup files of a mapping file.
func lookupsBeside(name string, f *mapping.File) (map[string]mapping.Lookup, error) {
	all := map[string]mapping.Lookup{}
	for _, file := range f.Lookups {
		path := filepath.Join(filepath.Dir(name), file)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if all[file], err = lookup.Parse(text); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return all, nil
}

// comparison counts what changes from an old mapping file to the one that holds.
type comparison struct {
	Old            string         `json:"against"`
	Events         int            `json:"events"`
	Same           int            `json:"same"`
	Changed        int            `json:"changed"` // sent by both, with another text in a field
	Fields         map[string]int `json:"changed_fields"`
	NewlySent      map[string]int `json:"newly_sent"`      // by what it was before: a reason, or a profile that ignored it
	NewlyRefused   map[string]int `json:"newly_refused"`   // by reason
	NewlyIgnored   map[string]int `json:"newly_ignored"`   // by profile
	RefusedAnother map[string]int `json:"refused_another"` // refused by both: "old → new" reason
	Examples       []example      `json:"examples"`

	old    *mapping.Mapper
	mapper *mapping.Mapper // that holds
	reveal bool
	shown  map[string]int // examples of each change
}

// mostExamples is how many events are shown of each change.
const mostExamples = 3

// example is one event that changes.
type example struct {
	at     place
	Place  string `json:"place"`
	Change string `json:"change"` // the field, or "" for the whole event
	Old    string `json:"old"`
	New    string `json:"new"`
}

func newComparison(name string, old, m *mapping.Mapper, reveal bool) *comparison {
	return &comparison{Old: name, old: old, mapper: m, reveal: reveal, shown: map[string]int{}, Examples: []example{},
		Fields: map[string]int{}, NewlySent: map[string]int{}, NewlyRefused: map[string]int{}, NewlyIgnored: map[string]int{}, RefusedAnother: map[string]int{}}
}

// notListed is told as a reason, though such an event is held: its lot is in no lookup file.
const notListed = "unlisted"

// outcome is what becomes of a record by one file.
type outcome struct {
	sent    map[string]string // nil: it is not sent
	reason  string            // why it is refused, with the field; "" if it is not
	profile string            // that ignores it
}

func outcomeOf(r *mapping.Release, err error) (o outcome) {
	if refused, is := errors.AsType[*mapping.Error](err); is {
		o.reason = string(refused.Reason)
	}
	if ignored, is := errors.AsType[*mapping.Ignored](err); is {
		o.profile = ignored.Profile
	}
	if _, is := errors.AsType[*mapping.Unlisted](err); is {
		o.reason = notListed
	}
	if r != nil {
		o.sent = maps.Collect(r.All())
	}
	return o
}

// add compares what becomes of a record, and reports whether only the old file sends it.
func (c *comparison) add(p place, rec *mapping.Record, x *examine.Examination) (lost bool) {
	before := outcomeOf(c.old.Map(rec))
	after := outcome{profile: x.Profile}
	switch {
	case x.Release != nil:
		after = outcomeOf(x.Release, nil)
	case len(x.Faults) > 0:
		after = outcomeOf(nil, x.Faults[0].Error)
	case x.Unlisted != nil:
		after = outcomeOf(nil, x.Unlisted)
	}
	c.Events++
	switch {
	case before.sent != nil && after.sent != nil:
		c.fields(p, before.sent, after.sent)
	case after.sent != nil:
		c.count(c.NewlySent, before.reason+before.profile, p, before, after)
	case before.reason != "" && after.reason != "":
		if before.reason == after.reason {
			c.Same++
			break
		}
		c.count(c.RefusedAnother, before.reason+" → "+after.reason, p, before, after)
	case after.reason != "":
		c.count(c.NewlyRefused, after.reason, p, before, after)
	case before.profile != "":
		c.Same++
	default:
		c.count(c.NewlyIgnored, after.profile, p, before, after)
	}
	return before.sent != nil && after.sent == nil
}

// fields compares the texts of an event that both send.
func (c *comparison) fields(p place, before, after map[string]string) {
	same := true
	names := c.mapper.Endpoint().Names()
	for _, name := range c.old.Endpoint().Names() {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if before[name] == after[name] {
			continue
		}
		same = false
		c.Fields[name]++
		c.show(name, example{p, p.String(), name, c.redacted(name, before[name]), c.redacted(name, after[name])})
	}
	if same {
		c.Same++
	} else {
		c.Changed++
	}
}

// redacted is a field's text as it may be shown.
func (c *comparison) redacted(field, text string) string {
	if c.reveal {
		return text
	}
	return redacted(field, text, c.old, c.mapper)
}

// count counts an event of which more than a field changes.
func (c *comparison) count(in map[string]int, of string, p place, before, after outcome) {
	in[of]++
	c.show(fmt.Sprint(after.sent != nil, after.profile, of), example{p, p.String(), "", before.String(), after.String()})
}

func (c *comparison) show(change string, e example) {
	if c.shown[change]++; c.shown[change] <= mostExamples {
		c.Examples = append(c.Examples, e)
	}
}

// String is the outcome as examples name it, the same in both languages.
func (o outcome) String() string {
	switch {
	case o.sent != nil:
		return string(willBeSent)
	case o.reason != "":
		return string(deadLetter) + " " + o.reason
	}
	return string(willBeIgnored) + " " + o.profile
}

// text prints it for people.
func (c *comparison) text(out *bufio.Writer, lang language) {
	fmt.Fprintf(out, wordCompared.in(lang)+"\n", visible.Value(c.Old), console.Number(c.Events))
	row(out, wordSame.in(lang), console.Number(c.Same))
	for _, part := range []struct {
		label  phrase
		events int
		counts map[string]int
	}{
		{wordChanged, c.Changed, c.Fields}, {wordNewlySent, total(c.NewlySent), c.NewlySent}, {wordNewlyRefused, total(c.NewlyRefused), c.NewlyRefused},
		{wordNewlyIgnored, total(c.NewlyIgnored), c.NewlyIgnored}, {wordAnother, total(c.RefusedAnother), c.RefusedAnother},
	} {
		if part.events > 0 {
			row(out, part.label.in(lang), console.Number(part.events)+wordColon.in(lang)+counted(part.counts))
		}
	}
	if slices.ContainsFunc(c.mapper.Endpoint().Order, func(name string) bool { return c.Fields[name] > 0 }) {
		row(out, wordOrder.in(lang), strings.Join(c.mapper.Endpoint().Order, ", ")+wordColon.in(lang)+wordOvertake.in(lang))
	}
	for _, e := range c.Examples {
		change := fmt.Sprintf("%s → %s", orNothing(e.Old, lang), orNothing(e.New, lang))
		if e.Change != "" {
			change = e.Change + wordColon.in(lang) + change
		}
		row(out, wordExample.in(lang), visible.Value(e.at.in(lang))+"  "+change)
	}
}

func orNothing(text string, lang language) string {
	if text == "" {
		return wordNothing.in(lang)
	}
	return visible.Value(text)
}
