package deadletters

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
	"release-forwarder/dlq/ledger"
)

// ListCommand counts open dead letters and lists them.
type ListCommand struct {
	filterFlags
	retentionFlags
	All    bool `help:"Also dead letters that were replayed or closed."`
	Limit  int  `placeholder:"N" help:"Show N dead letters at most."`
	JSON   bool `name:"json" help:"Print one JSON object a line for each dead letter, without the counts."`
	Reveal bool `help:"Show texts of the platform, lot, code and seqno as they are."`
}

// Help implements kong's HelpProvider.
func (ListCommand) Help() string {
	return `Prints how many dead letters are open, by reason. Then it prints a line for each, partition by
partition in the order of writing:

  ID        topic/partition/offset of the dead letter; "show", "replay" and "close" take it,
            and partition/offset too
  WRITTEN   when, in EVENT_TIMEZONE; with --json in UTC
  AT        what is to blame: a field of the event, or the platform's code
  SOURCE    topic/partition/offset of the event
  REDRIVES  how often it was replayed, as its record says; "claims" where this is not
            believed, since the record did not lie where replays go

On a large topic the counts are those of the first half second of reading, and say so; "dlq
stats" counts all. A reason or stage that this version does not know, and that no dead letter
has, is an error. If no dead letter of KAFKA_GROUP_ID matches, it says how many other groups
have.

It warns on standard error of open dead letters that retention deletes soon. The user needs
Read on DLQ_TOPIC and its ledger (<DLQ_TOPIC>.ledger), and for the warning DescribeConfigs on
DLQ_TOPIC.

Examples:

  release-forwarder dlq list --reason missing-field --since 24h
  release-forwarder dlq list --all --json | jq -r .id`
}

// Run lists dead letters.
func (c *ListCommand) Run(stop console.Stopper, out *console.Output) error {
	return c.Do(stop, console.NewScreen(stop, out), nil)
}

// Do runs the command on a screen. A nil dial is the network.
func (c *ListCommand) Do(ctx context.Context, sc console.Screen, dial connect.DialFunc) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if c.Limit < 0 {
		return errLimit
	}
	return session.Open(ctx, sc, dial, c.AllGroups, "", nil, func(r *session.Session) error { return c.list(ctx, r, filter, c.watch(filter)) })
}

// errLimit refuses a limit below 0.
var errLimit = errors.New("--limit: give 0, for all, or more")

// countFor is how long list counts before it shows dead letters.
const countFor = 500 * time.Millisecond

func (c *ListCommand) list(ctx context.Context, r *session.Session, filter *dlq.Filter, seen *passed) error {
	spans, err := r.Reader.Spans(ctx)
	if err != nil {
		return err
	}
	if err := c.within(r.Settings.DeadLetters.Topic, spans, filter); err != nil {
		return err
	}
	retention, retentionErr := c.retention(ctx, r)
	ledger, err := r.Ledger(ctx)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(r.Out)
	defer out.Flush()
	if !c.JSON {
		if err := c.count(ctx, r, out, spans, ledger, filter, seen); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	w := &deadLetterWriter{c: c, r: r, out: out, widths: []int{widest(r.Settings.DeadLetters.Topic, spans), len(time.RFC3339), 9, 16, 14, 12, 24, 8}}
	due, all := 0, true
	now := time.Now()
	for s, err := range r.Reader.Letters(ctx, spans, filter) {
		if err != nil {
			return err
		}
		state := ledger.State(s)
		if state != dlq.Open && !c.All {
			continue
		}
		if state == dlq.Open && retention.Due(s.WrittenAt(), c.RetentionShare, now) {
			due++
		}
		if err := w.write(s, state); err != nil {
			return err
		}
		if w.n == c.Limit {
			all = false
			break
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if all {
		if err := seen.mistaken(); err != nil {
			return err
		}
	}
	if text := seen.elsewhere(); c.JSON && text != "" {
		r.Say("%s", text)
	}
	warnOfRetention(r, retention, retentionErr, due, c.RetentionShare)
	return nil
}

// count prints how many dead letters are open, by reason.
func (c *ListCommand) count(ctx context.Context, r *session.Session, out *bufio.Writer, spans []topic.Span, ledger *ledger.Ledger, filter *dlq.Filter, seen *passed) error {
	tally, begun, whole := dlq.NewTally(), time.Now(), true
	for s, err := range r.Reader.Letters(ctx, spans, filter) {
		if err != nil {
			return err
		}
		tally.Add(s, ledger.State(s), false)
		if tally.Letters%256 == 0 && time.Since(begun) > countFor {
			whole = false
			break
		}
	}
	if whole {
		if err := seen.mistaken(); err != nil {
			return err
		}
	}
	of, group := "", "of group "+r.Settings.Kafka.GroupID
	if c.AllGroups {
		group = "of all groups"
	}
	if !whole {
		offsets := int64(0)
		for _, span := range spans {
			offsets += span.End - span.First
		}
		of = fmt.Sprintf("among the first %s of up to %s (dlq stats counts all)", console.Number(tally.Letters), console.Count(offsets, "dead letter"))
	}
	fmt.Fprintf(out, "%s open in %s %s %s\n", console.Number(tally.ByState[dlq.Open]), r.Settings.DeadLetters.Topic, group, of)
	for _, reason := range console.SortedByCount(tally.ByReason) {
		fmt.Fprintf(out, "  %-18s %10s\n", redact.Clean(reason), console.Number(tally.ByReason[reason]))
	}
	if done := tally.ByState[dlq.Replayed] + tally.ByState[dlq.Closed]; done > 0 && !c.All {
		fmt.Fprintf(out, "%s replayed, %s closed (shown with --all)\n", console.Number(tally.ByState[dlq.Replayed]), console.Number(tally.ByState[dlq.Closed]))
	}
	if text := seen.elsewhere(); whole && text != "" {
		fmt.Fprintln(out, text)
	}
	fmt.Fprintln(out)
	return nil
}

// widest is how wide the IDs of a topic are.
func widest(topic string, spans []topic.Span) int {
	width := 0
	for _, span := range spans {
		width = max(width, len(dlq.ID{Topic: topic, Partition: span.Partition, Offset: max(0, span.End-1)}.String()))
	}
	return width
}

// deadLetterWriter writes dead letters as they come.
type deadLetterWriter struct {
	c      *ListCommand
	r      *session.Session
	out    *bufio.Writer
	widths []int
	n      int
}

func (w *deadLetterWriter) write(s *dlq.Stored, state dlq.State) error {
	w.n++
	shown := showDeadLetter(w.r, s, state, w.c.Reveal, false)
	if w.c.JSON {
		if err := json.NewEncoder(w.out).Encode(shown); err != nil {
			return err
		}
	} else {
		if w.n == 1 {
			fmt.Fprintln(w.out, redact.Columns(w.widths, "ID", "WRITTEN", "STAGE", "REASON", "AT", "LOT", "SOURCE", "REDRIVES", "STATE"))
		}
		at := cmp.Or(shown.Field, shown.Code)
		if s.Foreign {
			at = "(not this program's)"
		} else if len(s.Problems) > 0 {
			at = "(unreadable headers)"
		}
		redrives := strconv.Itoa(s.Redrives)
		if s.ClaimedRedrives > 0 || s.ClaimedOrigin != "" {
			redrives += " (claims " + strconv.Itoa(s.ClaimedRedrives) + ")"
		}
		written := cmp.Or(redact.Written(s), "-")
		if t := s.WrittenAt(); !t.IsZero() {
			written = w.r.Time(t)
		}
		if _, err := fmt.Fprintln(w.out, redact.Columns(w.widths, shown.ID, written, cmp.Or(shown.Stage, "-"), cmp.Or(shown.Reason, "-"), cmp.Or(at, "-"),
			cmp.Or(shown.Lot, "-"), cmp.Or(shown.Source, "-"), redrives, string(state))); err != nil {
			return err
		}
	}
	if w.n == console.FlushFirst {
		return w.out.Flush()
	}
	return nil
}

// warnOfRetention says on standard error what retention deletes soon, or why that
// is unknown.
func warnOfRetention(r *session.Session, retention topic.Retention, err error, due int, share float64) {
	switch {
	case err != nil:
		r.Say("warning: whether retention deletes dead letters soon is unknown: %v", err)
	case retention.Bytes > 0:
		r.Say("warning: topic %s keeps %s bytes of each partition at the most (retention.bytes): dead letters may go sooner than by their age, and without a warning", r.Settings.DeadLetters.Topic, console.Number(retention.Bytes))
	}
	if retention.Compacted {
		r.Say("warning: topic %s is compacted: of dead letters with one key only the last is kept; set its cleanup.policy to delete", r.Settings.DeadLetters.Topic)
	}
	if due > 0 {
		are := "are"
		if due == 1 {
			are = "is"
		}
		r.Say("warning: %s %s older than %.0f%% of the %s that %s keeps them: replay or close them, or raise its retention.ms",
			console.Count(due, "open dead letter"), are, share*100, console.Age(retention.For), r.Settings.DeadLetters.Topic)
	}
}
