package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/dlq/receipt"
)

// Command answers from receipts.
type Command struct {
	Lot    []string `sep:"none" help:"The lot (park_uuid) of the events; where they are counted, several or none."`
	Flow   []string `sep:"none" placeholder:"NUMBER|-" help:"What became of the event with this flow_no; may be given several times. \"-\" reads numbers from standard input, one a line."`
	Since  string   `placeholder:"TIME" help:"Receipts written at or after it: RFC 3339, a date (UTC), or how long ago, as 2h or 7d. With --verify, events dated so."`
	Until  string   `placeholder:"TIME" help:"Receipts written, or events dated, before it."`
	Verify bool     `help:"Look whether each event of a range has a receipt or a dead letter."`
	From   []string `sep:"none" placeholder:"PLACE" help:"With --verify, events from topic/partition/offset on; may be given several times."`
	To     []string `sep:"none" placeholder:"PLACE" help:"With --verify, events before topic/partition/offset; may be given several times."`
	Limit  int      `default:"1000" placeholder:"N" help:"With --verify, name N missing and N open events at most."`
	JSON   bool     `name:"json" help:"Print JSON objects, one a line, the sum last."`
}

// Help implements kong's HelpProvider.
func (Command) Help() string {
	return `Answers from RECEIPTS_TOPIC what became of events that Kafka may no longer hold.

With --lot and --flow it shows each event that had the number:

  accepted       the platform took it: code and seqno are its answer
  dead-letter    it has a dead letter, for the reason that is shown
  ignored        MAPPING_FILE says so

It reads the partitions that the keys of RECEIPTS_KEY_FILE name, and all others for numbers that
have no receipt there. Of several receipts of one event the first is shown, and how many say the
same. One that says otherwise is told.

With --since, and without --flow, it counts events by lot and by day of their receipt, in
EVENT_TIMEZONE. An event counts once, at its first receipt. One that was sent again more than an
hour later, behind --until, counts in both ranges. This needs no key.

With --verify it reads a range of KAFKA_TOPIC and KAFKA_REPLAY_TOPIC. It names each event that is
finished and has neither a receipt nor a dead letter. Open events are not finished yet.

It joins no group and changes nothing. Memory does not grow with the topics.
Times are shown in EVENT_TIMEZONE, with --json in UTC. The user needs Read on RECEIPTS_TOPIC. With
--verify it also needs what "find" needs.

Exits 1 if a number has no receipt, an event is missing, or something could not be read.

Examples:

  release-forwarder audit --lot lot-7 --flow - < flow-numbers.txt
  release-forwarder audit --since 2026-11-01T00:00:00+08:00 --until 2026-12-01T00:00:00+08:00 --json
  release-forwarder audit --verify --since 24h
  release-forwarder audit --verify --from abnormal-release/0/1200 --to abnormal-release/0/1300`
}

// Run answers from receipts.
func (c *Command) Run(stop console.Stopper, out *console.Output) error {
	return c.Do(stop, console.NewScreen(stop, out), nil)
}

// Do runs the command on a screen. A nil dial is the network.
func (c *Command) Do(ctx context.Context, sc console.Screen, dial connect.DialFunc) error {
	span, err := c.timeRange(time.Now())
	if err != nil {
		return err
	}
	if err := c.judge(); err != nil {
		return err
	}
	flows, err := c.numbers(sc)
	if err != nil {
		return err
	}
	return session.Open(ctx, sc, dial, false, "", []settings.Group{settings.GroupReceipts}, func(r *session.Session) error {
		a := &audit{c: c, r: r, span: span, receipts: r.Receipts(), out: bufio.NewWriter(sc.Out)}
		if a.receipts == nil {
			return &settings.Invalid{Settings: []settings.Wrong{{Name: "RECEIPTS_TOPIC", Text: "is not set: there are no receipts; set it to their topic"}}}
		}
		work := a.count
		switch {
		case c.Verify:
			work = a.verify
		case flows != nil:
			work = func(ctx context.Context) error { return a.byNumber(ctx, flows) }
		}
		err := work(ctx)
		if flushErr := a.out.Flush(); err == nil {
			err = flushErr
		}
		if err == nil && a.failed {
			err = console.ErrSomeFailed
		}
		return err
	})
}

// timeRange is from since on to before until. A zero time bounds nothing.
type timeRange struct{ since, until time.Time }

// has tells whether a time in milliseconds since 1970 lies in it.
func (r timeRange) has(ms int64) bool {
	t := time.UnixMilli(ms)
	return !t.Before(r.since) && (r.until.IsZero() || t.Before(r.until))
}

func (c *Command) timeRange(now time.Time) (r timeRange, err error) {
	if r.since, err = console.Moment("--since", c.Since, now); err != nil {
		return r, err
	}
	if r.until, err = console.Moment("--until", c.Until, now); err != nil {
		return r, err
	}
	if !r.since.IsZero() && !r.until.IsZero() && !r.since.Before(r.until) {
		return r, errors.New("--since must lie before --until")
	}
	return r, nil
}

// judge refuses flags that do not belong together.
func (c *Command) judge() error {
	placed := len(c.From)+len(c.To) > 0
	switch {
	case c.Limit < 1:
		return errors.New("--limit: give 1 or more")
	case c.Verify && len(c.Flow)+len(c.Lot) > 0:
		return errors.New("--verify looks at all events of a range; leave --flow and --lot out")
	case placed && !c.Verify:
		return errors.New("--from and --to belong to --verify")
	case placed && c.Since+c.Until != "":
		return errors.New("give a range of time (--since, --until) or places (--from, --to), not both")
	case c.Verify && !placed && c.Since == "":
		return errors.New("--verify: say which events: --since, or --from")
	case len(c.Flow) > 0 && len(c.Lot) != 1:
		return errors.New("--flow: give the lot of the events with --lot, once")
	case !c.Verify && len(c.Flow) == 0 && c.Since == "":
		return errors.New("say what to answer: --lot and --flow, --since, or --verify")
	}
	return nil
}

// mostFlows bounds the flow numbers of one command.
const mostFlows = 10_000

// numbers are the flow numbers asked for, each once; nil where there are none.
func (c *Command) numbers(sc console.Screen) (flows []string, err error) {
	seen := map[string]bool{}
	add := func(given, where string) error {
		text, err := settings.Text(given)
		switch {
		case err != nil:
			return fmt.Errorf("--flow: %s %w", where, err)
		case text == "" || seen[text]:
			return nil
		case len(flows) == mostFlows:
			return fmt.Errorf("--flow: more than %s numbers", console.Number(mostFlows))
		}
		seen[text] = true
		flows = append(flows, text)
		return nil
	}
	for _, given := range c.Flow {
		if given != "-" {
			if err := add(given, "the number"); err != nil {
				return nil, err
			}
			continue
		}
		if sc.Asked {
			sc.Say("flow numbers, one a line; end with Ctrl-D:")
		}
		if err := eachLine(sc.In, add); err != nil {
			return nil, err
		}
	}
	if len(c.Flow) > 0 && flows == nil {
		return nil, errors.New("--flow: no number was given")
	}
	return flows, nil
}

func eachLine(in io.Reader, add func(line, where string) error) error {
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		if err := add(lines.Text(), fmt.Sprintf("line %d of standard input", n)); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(lines.Err(), bufio.ErrTooLong):
		return errors.New("--flow: a line of standard input is too long for a number")
	case lines.Err() != nil:
		return fmt.Errorf("--flow: standard input: %w", lines.Err())
	}
	return nil
}

// audit is one answer.
type audit struct {
	c        *Command
	r        *session.Session
	span     timeRange
	receipts *receipt.Reader
	out      *bufio.Writer
	read     int64 // records of the receipts' topic
	unread   int   // of them, those that are no receipts of this version
	failed   bool
}

// trouble reports what could not be done; the answer goes on without it.
func (a *audit) trouble(what string) {
	a.failed = true
	a.r.Say("warning: %s", what)
}

// mostNamed bounds how many of many troubles of one kind are named.
const mostNamed = 10

// notRead reports a record that is no receipt of this version.
func (a *audit) notRead(err error) {
	if a.unread++; a.unread <= mostNamed {
		a.trouble(err.Error())
	}
}

// unreadSum says how many such records were not named.
func (a *audit) unreadSum() {
	if more := a.unread - mostNamed; more > 0 {
		a.trouble(console.Count(more, "further record") + " of " + a.r.Settings.Receipts.Topic + " cannot be read as receipts")
	}
}

// line writes an object with --json, else a line of text; an empty text is no line.
func (a *audit) line(v any, text string) {
	switch {
	case a.c.JSON && v != nil:
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		_ = e.Encode(v) // a.out keeps the error until Flush
	case !a.c.JSON && text != "":
		fmt.Fprintln(a.out, text)
	}
}

// stampOf writes a time of Kafka; "" for none.
func stampOf(ms int64) string {
	if ms < 0 {
		return ""
	}
	return redact.Stamp(time.UnixMilli(ms))
}
