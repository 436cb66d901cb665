package deadletters

import (
	"context"
	"fmt"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/dlq/ledger"
)

// CloseCommand enters into the ledger that dead letters were dealt with by other means.
type CloseCommand struct {
	IDs       []string `arg:"" name:"id" help:"The dead letters: topic/partition/offset, or partition/offset."`
	Why       string   `required:"" placeholder:"TEXT" help:"How they were dealt with; kept in the ledger with your name and the time. No personal data."`
	AllGroups bool     `help:"Also dead letters of other consumer groups than KAFKA_GROUP_ID."`
}

// Help implements kong's HelpProvider.
func (CloseCommand) Help() string {
	return `Records in the ledger that dead letters were dealt with otherwise. They are no longer listed
as open, and a replay sends them only with --again. Nothing is deleted.

The user needs Read on DLQ_TOPIC, and Read and Write on its ledger (<DLQ_TOPIC>.ledger). A
missing ledger is created if the user may.

Example:

  release-forwarder dlq close 0/17 0/18 --why "test events of the vendor, ticket 4711"`
}

// Run closes dead letters.
func (c *CloseCommand) Run(stop console.Stopper, out *console.Output) error {
	ctx, end := console.Unbroken(stop, out)
	defer end()
	return c.Do(ctx, console.NewScreen(stop, out), nil)
}

// Do runs the command on a screen. A nil dial is the network.
func (c *CloseCommand) Do(ctx context.Context, sc console.Screen, dial connect.DialFunc) error {
	return session.Open(ctx, sc, dial, c.AllGroups, "", nil, func(r *session.Session) error {
		ids, err := r.IDs(ctx, c.IDs)
		if err != nil {
			return err
		}
		closed, err := ledger.Close(ctx, r.LedgerConfig, r.Reader, ids, c.Why)
		if err != nil {
			return err
		}
		fmt.Fprintf(r.Out, "%s closed", console.Number(closed))
		if rest := len(ids) - closed; rest > 0 {
			fmt.Fprintf(r.Out, ", %s were not open", console.Number(rest))
		}
		fmt.Fprintln(r.Out)
		return nil
	})
}
