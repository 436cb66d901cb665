package deadletters

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/dlq"
)

// ExportCommand writes open dead letters as JSON, one a line.
type ExportCommand struct {
	filterFlags
	All    bool `help:"Also dead letters that were replayed or closed."`
	Limit  int  `placeholder:"N" help:"Write N dead letters at most."`
	Reveal bool `help:"Write everything as it is. The file then holds personal data."`
}

// Help implements kong's HelpProvider.
func (ExportCommand) Help() string {
	return `Writes the open dead letters with their records as JSON, one object a line. It is for the
lane's vendor, who must fix what the lane sends. They come partition by partition, in the
order of writing.

Without --reveal, plate, operator and free text are their first character and length, and key
and header values their lengths.

Example:

  release-forwarder dlq export --stage mapping --lot 4f1c --since 7d > letters.jsonl`
}

// Run writes dead letters.
func (c *ExportCommand) Run(stop console.Stopper, out *console.Output) error {
	return c.Do(stop, console.NewScreen(stop, out), nil)
}

// Do runs the command on a screen. A nil dial is the network.
func (c *ExportCommand) Do(ctx context.Context, sc console.Screen, dial connect.DialFunc) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if c.Limit < 0 {
		return errLimit
	}
	return session.Open(ctx, sc, dial, c.AllGroups, "", nil, func(r *session.Session) error {
		seen := c.watch(filter)
		spans, err := r.Reader.Spans(ctx)
		if err != nil {
			return err
		}
		if err := c.within(r.Settings.DeadLetters.Topic, spans, filter); err != nil {
			return err
		}
		ledger, err := r.Ledger(ctx)
		if err != nil {
			return err
		}
		out := bufio.NewWriter(r.Out)
		lines, n := json.NewEncoder(out), 0
		for s, err := range r.Reader.Letters(ctx, spans, filter) {
			if err != nil {
				return err
			}
			state := ledger.State(s)
			if state != dlq.Open && !c.All {
				continue
			}
			if err := lines.Encode(showDeadLetter(r, s, state, c.Reveal, true)); err != nil {
				return err
			}
			if n++; n == c.Limit {
				return out.Flush()
			}
		}
		if text := seen.elsewhere(); text != "" {
			r.Say("%s", text)
		}
		return errors.Join(out.Flush(), seen.mistaken())
	})
}
