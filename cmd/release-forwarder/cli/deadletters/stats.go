package deadletters

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/dlq"
	"release-forwarder/dlq/ledger"
)

// StatsCommand counts all dead letters; with Check it fails if retention is near.
type StatsCommand struct {
	filterFlags
	retentionFlags
	Check bool `help:"Exit 1 if open dead letters are within the share of the retention, or if that cannot be known."`
	JSON  bool `name:"json" help:"Print one JSON object."`
}

// Help implements kong's HelpProvider.
func (StatsCommand) Help() string {
	return `Counts all dead letters: open, replayed and closed. It counts the open ones by reason and by
day of writing, and shows the oldest. Times and days are in EVENT_TIMEZONE, with --json in UTC.

With --check it suits a CronJob: it exits 1 if retention deletes open dead letters soon, so
that the failed job raises an alert. The service itself may not read dead letters.

The user needs Read on DLQ_TOPIC and its ledger, and DescribeConfigs on DLQ_TOPIC unless
--retention is given.

Examples:

  release-forwarder dlq stats
  release-forwarder dlq stats --check --retention-share 0.7`
}

// errRetention says that retention takes dead letters soon; that was printed.
var errRetention = fmt.Errorf("open dead letters are near the end of their retention: %w", console.ErrSomeFailed)

// Run counts dead letters.
func (c *StatsCommand) Run(stop console.Stopper, out *console.Output) error {
	return c.Do(stop, console.NewScreen(stop, out), nil)
}

// Do runs the command on a screen. A nil dial is the network.
func (c *StatsCommand) Do(ctx context.Context, sc console.Screen, dial connect.DialFunc) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	return session.Open(ctx, sc, dial, c.AllGroups, "", nil, func(r *session.Session) error { return c.count(ctx, r, filter, c.watch(filter)) })
}

func (c *StatsCommand) count(ctx context.Context, r *session.Session, filter *dlq.Filter, seen *passed) error {
	spans, err := r.Reader.Spans(ctx)
	if err != nil {
		return err
	}
	if err := c.within(r.Settings.DeadLetters.Topic, spans, filter); err != nil {
		return err
	}
	retention, retentionErr := c.retention(ctx, r)
	if c.Check && retentionErr != nil {
		return retentionErr
	}
	ledger, err := r.Ledger(ctx)
	if err != nil {
		return err
	}
	tally, now := dlq.NewTally(), time.Now()
	if !c.JSON {
		tally.Zone = r.Settings.Event.Location
	}
	for s, err := range r.Reader.Letters(ctx, spans, filter) {
		if err != nil {
			return err
		}
		tally.Add(s, ledger.State(s), retention.Due(s.WrittenAt(), c.RetentionShare, now))
	}
	if err := seen.mistaken(); err != nil {
		return err
	}
	if text := seen.elsewhere(); text != "" {
		r.Say("%s", text)
	}
	if c.JSON {
		err = json.NewEncoder(r.Out).Encode(struct {
			Topic string `json:"topic"`
			*dlq.Tally
			RetentionSeconds int64 `json:"retention_seconds,omitempty"`
			LedgerPassedOver int   `json:"ledger_entries_passed_over,omitempty"`
		}{r.Settings.DeadLetters.Topic, tally, int64(retention.For / time.Second), ledger.PassedOver})
	} else {
		err = c.print(r, tally, ledger, now)
	}
	warnOfRetention(r, retention, retentionErr, tally.Due, c.RetentionShare)
	if err == nil && c.Check && (tally.Due > 0 || retention.Compacted) {
		return errRetention
	}
	return err
}

func (c *StatsCommand) print(r *session.Session, t *dlq.Tally, ledger *ledger.Ledger, now time.Time) error {
	group := "group " + r.Settings.Kafka.GroupID
	if c.AllGroups {
		group = "all groups"
	}
	fmt.Fprintf(r.Out, "%s of %s in %s\n", console.Count(t.Letters, "dead letter"), group, r.Settings.DeadLetters.Topic)
	oldest := ""
	if !t.Oldest.IsZero() {
		oldest = fmt.Sprintf("   the oldest %s, written %s (%s ago)", t.OldestID, r.Time(t.Oldest), console.Age(now.Sub(t.Oldest)))
	}
	fmt.Fprintf(r.Out, "  open      %9s%s\n", console.Number(t.ByState[dlq.Open]), oldest)
	fmt.Fprintf(r.Out, "  replayed  %9s\n  closed    %9s\n", console.Number(t.ByState[dlq.Replayed]), console.Number(t.ByState[dlq.Closed]))
	if t.Replayed > 0 {
		fmt.Fprintf(r.Out, "  %s of the open ones were replayed before and failed again\n", console.Number(t.Replayed))
	}
	if t.Unfit > 0 {
		fmt.Fprintf(r.Out, "  %s of the open ones cannot be replayed: their headers cannot be read, or this program did not write them\n", console.Number(t.Unfit))
	}
	if ledger.PassedOver > 0 {
		fmt.Fprintf(r.Out, "  %s entries of the ledger are a later version's or unreadable, and were passed over\n", console.Number(ledger.PassedOver))
	}
	if len(t.ByDay) == 0 {
		return nil
	}
	return printDays(r, t)
}

// printDays writes the open dead letters as a table: a line for each day, a
// column for each reason.
func printDays(r *session.Session, t *dlq.Tally) error {
	reasons := console.SortedByCount(t.ByReason)
	const most = 8 // columns; the rest of the reasons share one
	shown, rest := reasons[:min(len(reasons), most)], reasons[min(len(reasons), most):]
	table := tabwriter.NewWriter(r.Out, 0, 0, 2, ' ', 0)
	head := []string{"open, by day in " + t.Zone.String()}
	for _, reason := range shown {
		head = append(head, redact.Clean(reason))
	}
	if len(rest) > 0 {
		head = append(head, "others")
	}
	fmt.Fprintln(table)
	fmt.Fprintln(table, strings.Join(head, "\t"))
	for _, day := range slices.Sorted(maps.Keys(t.ByDay)) {
		cells := []string{day}
		for _, reason := range shown {
			cells = append(cells, count(t.ByDay[day][reason]))
		}
		if len(rest) > 0 {
			others := 0
			for _, reason := range rest {
				others += t.ByDay[day][reason]
			}
			cells = append(cells, count(others))
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// count writes 0 as a dash, so that other numbers stand out.
func count(n int) string {
	if n == 0 {
		return "-"
	}
	return console.Number(n)
}
