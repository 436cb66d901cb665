package find

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/consumer/fetch"
	"release-forwarder/dlq"
)

type Command struct {
	Plate  string   `placeholder:"-" help:"Read plates from standard input, one a line: only \"-\" is taken, so that no plate gets into a shell's history or an audit log."`
	Flow   []string `sep:"none" help:"Events with this flow_no; may be given several times."`
	Serial []string `sep:"none" help:"Events with this parking_serial; may be given several times."`
	Lot    []string `sep:"none" help:"Events of this lot (park_uuid); may be given several times."`
	Since  string   `default:"24h" placeholder:"TIME" help:"Records dated at or after it: RFC 3339, a date (UTC), or how long ago, as 2h or 7d (default: 24h)."`
	Until  string   `placeholder:"TIME" help:"Records dated before it."`
	Limit  int      `default:"1000" help:"Show N matches at most."`
	JSON   bool     `name:"json" help:"Print JSON objects, one a line: topics first, then matches, then the sum."`
	Reveal bool     `help:"Show plates, operators and free text as they are."`
}

// Help implements kong's HelpProvider.
func (Command) Help() string {
	return `Reads KAFKA_TOPIC, KAFKA_REPLAY_TOPIC and DLQ_TOPIC within a time range. It prints where each
matching event lies, and what became of it:

  done           finished, and without a dead letter: it was accepted
  dead-lettered  its dead letter is in DLQ_TOPIC; the line gives the reason, the ID for
                 "dlq show", and whether it is open, replayed or closed
  waiting        held, behind a held one, in flight, or not read yet
  unknown        the partition's commit cannot be read

An event must match every kind of flag that is given. Plates match whatever their case,
spaces, dots and full-width letters. An event that cannot be parsed matches if it holds the
text. The first lines say how far back each topic reaches: older events cannot be found.

The platform ignores a repeated flow_no of a lot, and answers as if it took the event. So of
matching events with one flow_no and other content find tells both, and the fields that differ.
--flow shows all of a number. Dead-lettered events do not count: as far as is
known the platform took none.

With RECEIPTS_TOPIC and RECEIPTS_KEY_FILE it shows of done events when the last attempt began,
the platform's code and its seqno: see "audit".

It joins no group and changes nothing, and works whether the service runs or not. What it shows
of a running group is up to CONSUMER_COMMIT_INTERVAL old. Memory does not grow with the topics.

Times are shown in EVENT_TIMEZONE, with --json in UTC.
Without --reveal, plates, operators and free text are shown as first character and length.
The user needs Read on the topics and on <DLQ_TOPIC>.ledger, and Describe on the group.

Exits 1 if something could not be read or is unknown.

Examples:

  release-forwarder find --since 2h --plate - < plate.txt
  release-forwarder find --since 2026-11-20 --until 2026-11-21 --lot lot-7 --json`
}

// Run finds events.
func (c *Command) Run(stop console.Stopper, out *console.Output) error {
	return c.Do(stop, console.NewScreen(stop, out), nil)
}

// Do runs the command on a screen. A nil dial is the network.
func (c *Command) Do(ctx context.Context, sc console.Screen, dial connect.DialFunc) error {
	span, err := c.timeRange(time.Now())
	if err != nil {
		return err
	}
	if c.Limit < 1 {
		return errors.New("--limit: give 1 or more")
	}
	wanted, err := c.criteria(sc)
	if err != nil {
		return err
	}
	return session.Open(ctx, sc, dial, false, "", []settings.Group{settings.GroupReceipts}, func(r *session.Session) error {
		wanted.at(r.Mapper.Endpoint())
		out := bufio.NewWriter(sc.Out)
		f := &finder{c: c, r: r, span: span, wanted: wanted, print: newPrinter(out, c, r), deadLetters: map[dlq.ID]*foundDeadLetter{}, numbers: map[session.Number]numbered{}}
		err := f.find(ctx)
		if flushErr := out.Flush(); err == nil {
			err = flushErr
		}
		return err
	})
}

// timeRange is the range of timestamps that fit. A zero until is no end.
type timeRange struct{ since, until time.Time }

// has is true also for a timestamp that is of no use: missing, in seconds (which look like
// January 1970) or in microseconds. The record may belong to the range.
func (r timeRange) has(ms int64) bool {
	t := time.UnixMilli(ms)
	_, believable := fetch.TimeOf(ms)
	return !believable && (t.Year() < 1980 || t.Year() > 2099) || !t.Before(r.since) && (r.until.IsZero() || t.Before(r.until))
}

func (c *Command) timeRange(now time.Time) (r timeRange, err error) {
	if r.since, err = console.Moment("--since", c.Since, now); err != nil {
		return r, err
	}
	if r.until, err = console.Moment("--until", c.Until, now); err != nil {
		return r, err
	}
	if !r.until.IsZero() && !r.since.Before(r.until) {
		return r, errors.New("--since must lie before --until")
	}
	return r, nil
}

// criteria reads what is searched for. A plate on the command line is refused, and the
// error does not repeat it.
func (c *Command) criteria(sc console.Screen) (*criteria, error) {
	w := &criteria{fields: map[string][]string{}}
	for name, texts := range map[string][]string{"flow_no": c.Flow, "parking_serial": c.Serial, "park_uuid": c.Lot} {
		for _, text := range texts {
			if _, err := settings.Text(text); err != nil { // an event may hold it too
				sc.Say("the %s to find %v; an event without it does not fit", name, err)
			}
			if text = strings.TrimSpace(text); text != "" {
				w.fields[name] = append(w.fields[name], text)
			}
		}
	}
	switch c.Plate {
	case "":
	case "-":
		if sc.Asked {
			sc.Say("plates, one a line; end with Ctrl-D:")
		}
		plates, err := readPlates(sc.In)
		if err != nil {
			return nil, err
		}
		w.plates = plates
	default:
		return nil, errors.New("--plate: give - and write the plate to standard input; on the command line it gets into the shell's history")
	}
	if len(w.fields) == 0 && len(w.plates) == 0 {
		return nil, errors.New("say what to find: --plate -, --flow, --serial or --lot")
	}
	return w, nil
}

// mostPlates bounds what is read from standard input.
const mostPlates = 1000

func readPlates(in io.Reader) (plates []string, err error) {
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		text, err := settings.Text(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("--plate: line %d of standard input %w", n, err)
		}
		if plate := samePlate(text); plate != "" {
			plates = append(plates, plate)
		}
		if len(plates) > mostPlates {
			return nil, fmt.Errorf("--plate: more than %d plates", mostPlates)
		}
	}
	switch {
	case errors.Is(lines.Err(), bufio.ErrTooLong):
		return nil, errors.New("--plate: a line of standard input is too long for a plate")
	case lines.Err() != nil:
		return nil, fmt.Errorf("--plate: standard input: %w", lines.Err())
	case len(plates) == 0:
		return nil, errors.New("--plate: no plate came on standard input")
	}
	return plates, nil
}
