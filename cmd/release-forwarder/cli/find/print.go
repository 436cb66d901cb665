package find

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/cmd/release-forwarder/visible"
)

// printer writes matches as they come.
type printer struct {
	out      *bufio.Writer
	err      io.Writer
	json     bool
	limit    int
	widths   []int
	local    func(stamp string) string // a time as people see it
	read     int64                     // records looked at
	matches  int
	outcomes map[string]int
	earlier  []earlierMatch // of those printed
	short    []string       // topics that do not reach back to the beginning of the search
	limited  bool
	failed   error // of the first write that failed
}

// newPrinter makes a printer for places in a session's topics.
func newPrinter(out *bufio.Writer, c *Command, r *session.Session) *printer {
	events, deadLetters := 0, len(r.Settings.DeadLetters.Topic)
	for _, topic := range r.Settings.Kafka.Topics {
		events = max(events, len(topic))
	}
	return &printer{out: out, err: r.Err, json: c.JSON, limit: c.Limit, outcomes: map[string]int{}, local: r.Local,
		widths: []int{events + len("/99/9999999"), len("2006-01-02T15:04:05.000+08:00"), 13, 16, deadLetters + len("/99/9999"), 8, 12, 20, 20, 10}}
}

func (p *printer) line(v any, text string) {
	if p.failed != nil {
		return
	}
	if p.json {
		e := json.NewEncoder(p.out)
		e.SetEscapeHTML(false)
		p.failed = e.Encode(v)
	} else {
		_, p.failed = fmt.Fprintln(p.out, text)
	}
}

// reach says how far back a topic reaches.
func (p *printer) reach(r topicReach) {
	r.Kind = "topic"
	var said string
	switch {
	case r.Missing:
		said = "does not exist, or this user may not describe it"
	case r.Whole:
		said = "whole: nothing of it was deleted yet"
	case r.ReachesBack == "":
		said = "how far it reaches back is unknown: all of a partition was deleted, or its first record has no timestamp"
	default:
		said = "reaches back to " + p.local(r.ReachesBack)
	}
	if r.Short {
		p.short = append(p.short, r.Topic)
		said += ", not to the beginning of the search"
	}
	p.line(r, fmt.Sprintf("%-12s %s: %s", strings.Replace(r.Holds, "letters", "dead letters", 1), r.Topic, said))
}

// match writes one event; whoever waits sees it at once.
func (p *printer) match(m foundMatch) {
	m.Kind = "match"
	p.matches++
	p.outcomes[m.Outcome]++
	if p.matches == 1 && !p.json {
		p.line(nil, "\n"+redact.Columns(p.widths, "AT", "DATED", "OUTCOME", "REASON", "DEAD LETTER", "STATE", "LOT", "FLOW_NO", "PARKING_SERIAL", "PLATE"))
	}
	event := []string{cmp.Or(m.Lot, "-"), cmp.Or(m.Flow, "-"), cmp.Or(m.Serial, "-"), cmp.Or(m.Plate, "-")}
	if m.Bytes != nil {
		event = []string{fmt.Sprintf("(not one JSON object, %s bytes)", console.Number(*m.Bytes))}
	}
	text := redact.Columns(p.widths, append([]string{m.At, cmp.Or(p.local(m.Dated), "-"), m.Outcome, cmp.Or(m.Reason, "-"), cmp.Or(m.DeadLetter, "-"), cmp.Or(string(m.DeadLetterState), "-")}, event...)...)
	if m.ReplayOf != "" {
		text += "\n  replay of " + redact.Clean(m.ReplayOf) + " (as its writer states)"
	}
	if m.ClaimedOrigin != "" {
		text += "\n  origin (claimed; it does not lie where replays go): " + redact.Clean(m.ClaimedOrigin)
	}
	if m.OtherContent != nil {
		text += "\n  " + visible.Line(m.OtherContent.String())
	}
	if m.Note != "" {
		text += "\n  " + visible.Line(m.Note)
	}
	p.line(m, text)
	if p.matches <= console.FlushFirst && p.failed == nil {
		p.failed = p.out.Flush()
	}
}

// numbers says of events that were printed which later ones have their numbers.
func (p *printer) numbers() {
	for i, e := range p.earlier {
		text := visible.Line(e.At + ": " + e.OtherContent.String())
		if i == 0 {
			text = "\n" + text
		}
		p.line(e, text)
	}
	if len(p.earlier) > 0 && !p.json {
		p.line(nil, "the platform takes the first of them that it gets, ignores the others, and answers all as accepted")
	}
}

// foundSum is the last line.
type foundSum struct {
	Kind     string         `json:"kind"` // end
	Matches  int            `json:"matches"`
	Outcomes map[string]int `json:"fates"`
	Read     int64          `json:"read"`
	// Limited says that more may fit than were shown.
	Limited bool `json:"limited,omitempty"`
	// Short are the topics that do not reach back to the beginning of the search.
	Short []string `json:"short,omitempty"`
}

func (p *printer) end() error {
	p.numbers()
	matched := console.Number(p.matches) + " matches"
	if p.matches == 1 {
		matched = "1 match"
	}
	text := fmt.Sprintf("\n%s: %s done, %s dead-lettered, %s waiting", matched, console.Number(p.outcomes[outcomeDone]), console.Number(p.outcomes[outcomeDeadLetter]), console.Number(p.outcomes[outcomeWaiting]))
	if n := p.outcomes[outcomeUnknown]; n > 0 {
		text += fmt.Sprintf(", %s unknown", console.Number(n))
	}
	text += fmt.Sprintf("; %s read", console.Count(p.read, "record"))
	if p.limited {
		text += fmt.Sprintf("\nonly the first %s are shown: --limit shows more", console.Number(p.limit))
	}
	p.line(foundSum{Kind: "end", Matches: p.matches, Outcomes: p.outcomes, Read: p.read, Limited: p.limited, Short: p.short}, text)
	for _, topic := range p.short {
		fmt.Fprintf(p.err, "warning: %s does not reach back to the beginning of the search: what is older is gone\n", topic)
	}
	return p.failed
}
