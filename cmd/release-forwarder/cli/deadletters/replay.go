package deadletters

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/cmd/release-forwarder/visible"
	"release-forwarder/dlq"
	"release-forwarder/dlq/ledger"
	"release-forwarder/dlq/replay"
)

// ReplayCommand sends the events of dead letters again.
type ReplayCommand struct {
	filterFlags
	ID          []string      `name:"id" placeholder:"ID" help:"Replay this dead letter; may be given several times. The other flags may leave some out."`
	Limit       int           `placeholder:"N" help:"Replay N dead letters at most."`
	Rate        float64       `placeholder:"N" help:"Send N events a second at most, to protect the platform."`
	To          string        `placeholder:"TOPIC" help:"Send to this topic instead of KAFKA_REPLAY_TOPIC or KAFKA_TOPIC."`
	Again       bool          `help:"Also dead letters that were replayed or closed."`
	MaxRedrives int           `placeholder:"N" default:"-1" help:"Leave out dead letters whose events were replayed N times already."`
	Set         []string      `sep:"none" placeholder:"FIELD=VALUE" help:"Send the events with this field changed, the original kept in a header; may be given several times."`
	Yes         bool          `help:"Do not ask whether changed events may be sent."`
	Reveal      bool          `help:"Show changes as they are, not redacted."`
	DryRun      bool          `help:"Print how many and which dead letters would be replayed; send nothing."`
	Wait        bool          `help:"Follow each event until it was accepted or dead-lettered again."`
	Timeout     time.Duration `placeholder:"DURATION" help:"With --wait: follow for so long at most; without, until all have ended."`
}

// Help implements kong's HelpProvider.
func (ReplayCommand) Help() string {
	return `Sends the events of open dead letters again: to KAFKA_REPLAY_TOPIC, or to KAFKA_TOPIC where
that is not set; if that names several topics, each to the one where it began. Each goes into
the partition it came from, modulo the topic's partitions, so give the replay topic as many as
the events have.

They are sent in the order of the events, wherever their dead letters lie: by the topic,
partition and offset where each came first. --limit takes the first of that order.

What was sent is recorded in the ledger (<DLQ_TOPIC>.ledger), so that nothing is sent twice.
Start a stopped or killed replay again and it goes on where it was. After a kill at most the
last 100 dead letters are sent twice; the platform ignores repeats. A second person's replay
waits until the first one ends.

An event that fails again becomes a dead letter again, with redrives one higher. With --wait
the command follows each event to its outcome, and exits 1 unless all were accepted. Without
it, the command exits 1 if a chosen dead letter could not be sent.

--set shows what it changes, and wants --yes, or a yes on a terminal. The original record is
kept in the header __forwarder.original. A dead letter is left out if the event could not be
sent with the field, or would be of another parking. With MAPPING_FILE the value is written
where the profile looks for the field first, in the lane's form.

The platform ignores a flow_no of a lot that it has accepted before, and answers as if it took
the event. So --set first looks for other events with the same flow_no, from 24h before the
events on, and warns of those that have other content and no dead letter. Set flow_no too then.

If a broker does not say whether it wrote the events, the replay looks in the topic. If they
are there, it goes on. Otherwise it ends and says so; it never sends again on a guess.

The user needs Read on DLQ_TOPIC, Read and Write on its ledger, and Read and Write on the
topic sent to. --wait also needs Describe on KAFKA_GROUP_ID, --set Read on KAFKA_TOPIC.

Examples:

  release-forwarder dlq replay --reason refused --since 24h --dry-run
  release-forwarder dlq replay --reason refused --since 24h --rate 50 --wait
  release-forwarder dlq replay --id 0/17 --set plate_color=2`
}

// Run replays dead letters.
func (c *ReplayCommand) Run(stop console.Stopper, out *console.Output) error {
	ctx, end := console.Unbroken(stop, out)
	defer end()
	return c.Do(ctx, console.NewScreen(stop, out), nil)
}

// Do runs the command on a screen. A nil dial is the network.
func (c *ReplayCommand) Do(ctx context.Context, sc console.Screen, dial connect.DialFunc) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if math.IsNaN(c.Rate) || c.Rate < 0 || c.Limit < 0 {
		return errors.New("--rate and --limit are numbers of at least 0")
	}
	return session.Open(ctx, sc, dial, c.AllGroups, c.To, nil, func(r *session.Session) error {
		job := &replayJob{c: c, Session: r, seen: c.watch(filter), to: session.Target(r.Settings, c.To), sentTo: map[string]bool{}}
		return job.run(ctx, filter)
	})
}

// replayJob is one replay, from the choice to the end.
type replayJob struct {
	*session.Session
	c  *ReplayCommand
	to replay.To
	// targets describe these topics, by name; sentTo are those that events were sent to.
	targets map[string]replay.Target
	sentTo  map[string]bool
	editor  *editor // nil: nothing is changed
	numbers numbers // of the changed events
	replay  *replay.Plan
	seen    *passed

	chosen, sent int
	changed      int // of those chosen: sent with other fields than the dead letter's
	left         int // not sent, and reported
	failed       int // of those left: chosen, but could not be sent
}

func (j *replayJob) run(ctx context.Context, filter *dlq.Filter) error {
	if err := j.prepare(ctx, filter); err != nil {
		return err
	}
	if err := j.choose(ctx); err != nil {
		return err
	}
	if err := j.warnOfNumbers(ctx); err != nil {
		return err
	}
	if j.c.DryRun {
		fmt.Fprintf(j.Out, "%s would be replayed to %s; nothing was sent\n", console.Count(j.chosen, "dead letter"), j.to)
		return nil
	}
	if j.chosen == 0 {
		fmt.Fprintln(j.Out, "nothing to replay: no dead letter is open that fits")
		return j.verdict()
	}
	if j.changed > 0 && !j.c.Yes {
		if err := j.ask(); err != nil {
			return err
		}
	}
	tracker, err := replay.Track(ctx, j.Reader, j.Settings.Kafka.GroupID)
	if err != nil {
		return err
	}
	if err := j.send(ctx, tracker); err != nil {
		return err
	}
	if j.c.Wait && j.sent > 0 {
		if err := j.follow(ctx, tracker); err != nil {
			return err
		}
	}
	return j.verdict()
}

// prepare puts together what to replay.
func (j *replayJob) prepare(ctx context.Context, filter *dlq.Filter) error {
	if to := j.c.To; to == j.Settings.DeadLetters.Topic || to == ledger.Topic(j.Settings.DeadLetters.Topic) {
		return fmt.Errorf("events cannot be replayed to %s: it holds the dead letters", to)
	}
	j.replay = &replay.Plan{To: j.to, Filter: filter, Limit: j.c.Limit, Again: j.c.Again, MaxRedrives: j.c.MaxRedrives, Rate: j.c.Rate}
	if len(j.c.ID) > 0 {
		ids, err := j.IDs(ctx, j.c.ID)
		if err != nil {
			return err
		}
		j.replay.IDs = ids
	}
	if len(j.c.Set) > 0 {
		var err error
		if j.editor, err = newEditor(j.c.Set, j.Mapper, j.c.Reveal); err != nil {
			return err
		}
		j.replay.Change = j.editor.change
	}
	return nil
}

// differencesShown is how many changes are shown before a person is asked.
const differencesShown = 10

// choose counts what will be sent, shows it if that was asked for, and reports the dead
// letters that cannot be sent.
func (j *replayJob) choose(ctx context.Context) error {
	j.Say("choosing dead letters of %s …", j.Settings.DeadLetters.Topic)
	var err error
	if j.replay.Spans, err = j.Reader.Spans(ctx); err != nil {
		return err
	}
	if err := j.c.within(j.Settings.DeadLetters.Topic, j.replay.Spans, j.replay.Filter); err != nil {
		return err
	}
	if j.targets, err = j.Replayer.Targets(ctx, j.to); err != nil {
		return err
	}
	ledger, err := j.Ledger(ctx)
	if err != nil {
		return err
	}
	if j.replay.Order, err = j.Replayer.Order(ctx, ledger, j.replay); err != nil {
		return err
	}
	if len(j.c.ID) == 0 { // else each dead letter left out is reported
		if err := j.seen.mistaken(); err != nil {
			return err
		}
	}
	if text := j.seen.elsewhere(); text != "" {
		j.Say("%s", text)
	}
	plan := *j.replay
	plan.LeftOut = j.leftOut
	out := bufio.NewWriter(j.Out)
	err = j.Replayer.Choose(ctx, ledger, &plan, func(s *dlq.Stored) error {
		difference := ""
		if j.editor != nil {
			value, err := j.editor.change(s)
			if err != nil {
				j.leftOut(s, err)
				return nil
			}
			if !bytes.Equal(value, s.Value) {
				j.changed++
				difference = j.editor.difference(s, value)
				j.numbers.note(s, j.Mapper, value)
			}
		}
		j.chosen++
		return j.announce(out, s, difference)
	})
	if err != nil {
		return err
	}
	if !j.c.DryRun && j.changed > differencesShown {
		fmt.Fprintf(out, "and %s more\n", console.Number(j.changed-differencesShown))
	}
	return out.Flush()
}

// announce prints what would be done with a dead letter, and how it is changed; "": not.
func (j *replayJob) announce(out *bufio.Writer, s *dlq.Stored, difference string) error {
	if !j.c.DryRun && (difference == "" || j.changed > differencesShown) {
		return nil
	}
	text := s.ID.String()
	if j.c.DryRun {
		to, err := j.to.Of(s)
		if err != nil {
			return err
		}
		partition, err := j.targets[to].Partition(s)
		if err != nil {
			return err
		}
		text += fmt.Sprintf(" to %s/%d  %s, event %s", to, partition, word(s.Reason), sourceOf(s))
	}
	if difference != "" {
		text += "  " + difference
	}
	if _, err := fmt.Fprintln(out, visible.Line(text)); err != nil {
		return err
	}
	if j.chosen == console.FlushFirst {
		return out.Flush()
	}
	return nil
}

// errUnasked says that no one agreed to changed events.
var errUnasked = errors.New("changed events are sent with --yes only, or after a yes on a terminal; nothing was sent")

// ask asks the person for a yes.
func (j *replayJob) ask() error {
	if !j.Asked {
		return errUnasked
	}
	fmt.Fprintf(j.Err, "send %s to %s, %s of them changed? [y/N] ", console.Count(j.chosen, "event"), j.to, console.Number(j.changed))
	answer, _ := bufio.NewReader(j.In).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errUnasked
}

// send sends, with progress.
func (j *replayJob) send(ctx context.Context, tracker *replay.Tracker) error {
	j.Say("replaying %s of %s to %s", console.Count(j.chosen, "dead letter"), j.Settings.DeadLetters.Topic, j.to)
	p := console.NewBar(j.Screen, "sent", j.chosen)
	j.replay.Waiting = func(by string) {
		j.Say("%s (as stated) replays right now, or did until it was killed: waiting until that has ended", redact.Clean(by))
	}
	j.replay.Doubt = func(by string, deadLetters []string) {
		j.Say("the replay of %s (as stated) ended without a word: it is not known whether %s of its dead letters arrived; those of them that are chosen are sent again", redact.Clean(by), console.Number(len(deadLetters)))
	}
	j.replay.Sent = func(_ *dlq.Stored, topic string, partition int32, offset int64) {
		j.sent++
		j.sentTo[topic] = true
		if j.c.Wait {
			tracker.Add(topic, partition, offset)
		}
		p.Set(j.sent)
	}
	j.replay.LeftOut = func(s *dlq.Stored, err error) {
		if !foreseen(err) {
			j.leftOut(s, err)
		}
	}
	err := j.Replayer.Run(ctx, j.replay)
	p.End()
	fmt.Fprintf(j.Out, "%s sent to %s", console.Number(j.sent), j.to)
	if j.left > 0 {
		fmt.Fprintf(j.Out, ", %s left out", console.Number(j.left))
	}
	fmt.Fprintln(j.Out)
	return unfinished(err, j.sent)
}

// unfinished says how much a replay that failed has done.
func unfinished(err error, sent int) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		err = console.ErrStopped
	case errors.Is(err, replay.ErrUnentered):
		return fmt.Errorf("the replay has not finished: %w", err)
	case sent == 0 && !errors.Is(err, replay.ErrUncertain):
		return fmt.Errorf("the replay has not begun, nothing was sent: %w", err)
	}
	return fmt.Errorf("the replay has not finished: %w; what was sent is entered into the ledger: start it again to go on", err)
}

// leftOutShown is how many dead letters left out are named.
const leftOutShown = 20

// foreseen reports whether choose has reported the error already.
func foreseen(err error) bool {
	if _, is := errors.AsType[*dlq.UnfitError](err); is {
		return true
	}
	if _, is := errors.AsType[*replay.DecidedError](err); is {
		return true
	}
	if _, is := errors.AsType[*replay.NoTopicError](err); is {
		return true
	}
	return errors.Is(err, replay.ErrOften) || errors.Is(err, replay.ErrUnchosen) || errors.Is(err, errUneditable)
}

func (j *replayJob) leftOut(s *dlq.Stored, err error) {
	if _, is := errors.AsType[*replay.DecidedError](err); is {
		// That is what was wanted: a command that is repeated must not fail for it.
		j.Say("passed over: %v; --again sends it again", err)
		return
	}
	j.left++
	// A replay of all skips a dead letter that no replay can send, and one that was
	// replayed often enough. If it was asked for by its ID, that is a failure.
	unfit, _ := errors.AsType[*dlq.UnfitError](err)
	if len(j.c.ID) > 0 || unfit == nil && !errors.Is(err, replay.ErrOften) {
		j.failed++
	}
	if j.left <= leftOutShown {
		text := err.Error()
		if unfit == nil {
			text = "dead letter " + s.ID.String() + ": " + text
		}
		j.Say("left out: %v", text)
	} else if j.left == leftOutShown+1 {
		j.Say("left out: more, not named here")
	}
}

// verdict is the command's end.
func (j *replayJob) verdict() error {
	if j.failed > 0 {
		return fmt.Errorf("%s could not be sent; still open", console.Count(j.failed, "chosen dead letter"))
	}
	return nil
}
