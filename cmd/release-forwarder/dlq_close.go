package main

import (
	"context"
	"fmt"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/dlq/ledger"
)

type dlqCloseCommand struct {
	IDs       []string `arg:"" name:"id" help:"The dead letters: topic/partition/offset, or partition/offset."`
	Why       string   `required:"" placeholder:"TEXT" help:"How they were dealt with; kept in the ledger with your name and the time. No personal data."`
	AllGroups bool     `help:"Dead letters of other consumer groups than KAFKA_GROUP_ID too."`
}

// Help implements kong's HelpProvider.
func (dlqCloseCommand) Help() string {
	return `Enters into the ledger that dead letters were dealt with otherwise: they are not listed as open
any more, and no replay sends them unless it is asked to (--again). Nothing is deleted.
The user needs Read on DLQ_TOPIC, and Read and Write on its ledger (<DLQ_TOPIC>.ledger),
which is made if it is missing and the user may.

Example:

  release-forwarder dlq close 0/17 0/18 --why "test events of the vendor, ticket 4711"`
}

// Run closes dead letters.
func (c *dlqCloseCommand) Run(stop stopper, out *output) error {
	ctx, end := unbroken(stop, out)
	defer end()
	return c.Do(ctx, standardScreen(stop, out), nil)
}

// Do runs the command on a screen. A nil dial is the network.
func (c *dlqCloseCommand) Do(ctx context.Context, sc screen, dial connect.DialFunc) error {
	return openReader(ctx, sc, dial, c.AllGroups, "", nil, func(r *dlqRun) error {
		ids, err := r.ids(ctx, c.IDs)
		if err != nil {
			return err
		}
		closed, err := ledger.Close(ctx, r.decided, r.reader, ids, c.Why)
		if err != nil {
			return err
		}
		fmt.Fprintf(r.out, "%s closed", number(closed))
		if rest := len(ids) - closed; rest > 0 {
			fmt.Fprintf(r.out, ", %s were not open", number(rest))
		}
		fmt.Fprintln(r.out)
		return nil
	})
}
