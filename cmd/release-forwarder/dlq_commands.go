package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/term"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/release-forwarder/visible"
	"release-forwarder/consumer/topic"
	"release-forwarder/consumer/wire"
	"release-forwarder/dlq"
	"release-forwarder/dlq/ledger"
	"release-forwarder/dlq/replay"
	"release-forwarder/mapping"
)

type dlqCommand struct {
	List   dlqListCommand   `cmd:"" help:"List dead letters, counts by reason first."`
	Show   dlqShowCommand   `cmd:"" help:"Show one dead letter whole, and what a replay would do."`
	Replay dlqReplayCommand `cmd:"" help:"Send the events of dead letters again, each once."`
	Close  dlqCloseCommand  `cmd:"" help:"Enter that dead letters were dealt with otherwise."`
	Export dlqExportCommand `cmd:"" help:"Write dead letters as JSON lines."`
	Stats  dlqStatsCommand  `cmd:"" help:"Count dead letters by reason and day; --check for alerts."`
}

// Help implements kong's HelpProvider.
func (dlqCommand) Help() string {
	return `A dead letter is a release that the platform does not know of. It is open until its event
was sent again (replay) or a person dealt with it otherwise (close). The aim is none open.

Example, from the look to the proof:

  release-forwarder dlq list --since 24h
  release-forwarder dlq show 0/17
  release-forwarder dlq replay --reason refused --since 24h --dry-run
  release-forwarder dlq replay --reason refused --since 24h --rate 20 --wait
  release-forwarder dlq close 0/17 --why "sent again by the vendor, ticket 4711"
  release-forwarder dlq stats`
}

// screen is where a command reads and writes.
type screen struct {
	in       io.Reader
	out, err io.Writer
	bar      io.Writer // where bars are drawn: err's terminal itself; nil for none
	asked    bool      // in and err are a terminal: a person can be asked
}

func standardScreen(stop stopper, out *output) screen {
	sc := screen{in: stop.input(os.Stdin), out: out, err: out.beside}
	if out.bar != nil {
		sc.bar, sc.asked = out.bar, term.IsTerminal(int(os.Stdin.Fd()))
	}
	return sc
}

// say writes one line beside the results, whatever the texts in it hold.
func (s screen) say(format string, args ...any) {
	fmt.Fprintln(s.err, visible.Line(fmt.Sprintf(format, args...)))
}

// unbroken keeps a command that writes to Kafka from ending amid a batch when
// nobody reads what it prints any more (| head): that is no reason to leave
// dead letters in doubt. A terminal that goes away stops it as SIGTERM does.
func unbroken(stop stopper, out *output) (ctx context.Context, end func()) {
	signal.Ignore(syscall.SIGPIPE)
	out.to = dropping{out.to}
	return hangUp(stop)
}

// dlqRun is one run of a dlq command: the settings it uses, a reader to work
// with.
type dlqRun struct {
	screen
	s      *settings.Settings
	wire   *wire.Client
	reader *dlq.Reader
	to     string // --to

	decided  ledger.Config
	replayer *replay.Replayer
}

// ledger reads what was decided of dead letters.
func (r *dlqRun) ledger(ctx context.Context, watch ...dlq.ID) (*ledger.Ledger, error) {
	return ledger.Open(ctx, r.decided, watch...)
}

// openReader loads the settings of groups beside Kafka's and the dead letters',
// connects, and runs work. Dial is nil for the network.
func openReader(ctx context.Context, sc screen, dial connect.DialFunc, allGroups bool, to string, groups []settings.Group, work func(*dlqRun) error) error {
	s, warnings, err := settings.Load(append([]settings.Group{settings.GroupKafka, settings.GroupDeadLetters}, groups...)...)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		sc.say("warning: %s", w)
	}
	topics := []string{s.Kafka.Topic, s.DeadLetters.Topic, ledger.Topic(s.DeadLetters.Topic), s.Kafka.ReplayTopic, to}
	topics = slices.DeleteFunc(topics, func(t string) bool { return t == "" })
	slices.Sort(topics)
	connected, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	k, err := connect.New(connected, connect.Config{Kafka: s.Kafka, Topics: slices.Compact(topics), Dial: dial})
	if err != nil {
		return err
	}
	defer k.Wire.Close()
	// The transport tries for ever, and its errors do not tell a wrong password
	// from a closed connection.
	if err := k.Reach(ctx); err != nil {
		return fmt.Errorf("Kafka cannot be reached: %w", err) //nolint:staticcheck // a name begins it
	}
	group := s.Kafka.GroupID
	if allGroups {
		group = ""
	}
	r := &dlqRun{screen: sc, s: s, to: to, wire: k.Wire}
	r.reader = dlq.NewReader(dlq.ReaderConfig{
		Wire: r.wire, ClientID: s.Kafka.ClientID, Topic: s.DeadLetters.Topic, Group: group, Replays: target(s, ""),
		Lot: func(value []byte) string { lot, _ := mapping.Identify(value); return lot },
	})
	r.decided = ledger.Config{
		Wire: r.wire, ClientID: s.Kafka.ClientID, Brokers: s.Kafka.Brokers, Topic: s.DeadLetters.Topic, By: whoami(),
		Large: func(entries int64) {
			sc.say("reading what was decided of dead letters before: up to %s entries of %s", number(entries), ledger.Topic(s.DeadLetters.Topic))
		},
	}
	r.replayer = replay.New(replay.Config{Wire: r.wire, ClientID: s.Kafka.ClientID, Reader: r.reader, Ledger: r.decided, OrderKey: mapping.OrderKey})
	return r.explain(work(r))
}

// whoami names the person for the ledger, as far as the system knows.
func whoami() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if name == "" {
		name = "uid " + strconv.Itoa(os.Getuid())
	}
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	return name + "@" + host
}

// errStopped is what a signal leaves to say.
var errStopped = errors.New("stopped as asked")

// explain adds which setting to look at.
func (r *dlqRun) explain(err error) error {
	if err == context.Canceled { //nolint:errorlint // what wraps it says more
		return errStopped
	}
	if _, is := errors.AsType[*dlq.OtherGroupError](err); is {
		return fmt.Errorf("%w; set KAFKA_GROUP_ID to it, or give --all-groups", err)
	}
	failed, is := errors.AsType[*topic.Error](err)
	if !is || !errors.Is(err, kafka.UnknownTopicOrPartition) {
		return err
	}
	switch failed.Topic {
	case r.to:
		return fmt.Errorf("%w; check --to", err)
	case r.s.DeadLetters.Topic:
		return fmt.Errorf("%w; check DLQ_TOPIC and KAFKA_TOPIC", err)
	case r.s.Kafka.ReplayTopic:
		return fmt.Errorf("%w; check KAFKA_REPLAY_TOPIC", err)
	case r.s.Kafka.Topic:
		return fmt.Errorf("%w; check KAFKA_TOPIC", err)
	}
	return err
}

// ids reads what a person gives as IDs, of which short forms are taken.
func (r *dlqRun) ids(ctx context.Context, texts []string) ([]dlq.ID, error) {
	spans, err := r.reader.Spans(ctx)
	if err != nil {
		return nil, err
	}
	var ids []dlq.ID
	for _, text := range texts {
		id, err := dlq.ParseID(text, r.s.DeadLetters.Topic, len(spans))
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// dlqFilterFlags choose dead letters. Within a flag given several times one is
// enough; all flags must fit.
type dlqFilterFlags struct {
	Reason    []string `help:"Dead letters with this reason; may be given several times."`
	Stage     []string `help:"Dead letters of this stage: mapping, upstream."`
	Code      []string `help:"Dead letters with this code of the platform."`
	Lot       []string `help:"Dead letters of this lot (park_uuid)."`
	Since     string   `placeholder:"TIME" help:"Dead letters written at or after it: RFC 3339, a date (UTC), or how long ago, as 24h or 7d."`
	Until     string   `placeholder:"TIME" help:"Dead letters written before it."`
	Partition string   `placeholder:"N|N-M" help:"Dead letters in these partitions of the dead-letter topic."`
	AllGroups bool     `help:"Dead letters of other consumer groups than KAFKA_GROUP_ID too."`
}

// within looks whether the partitions asked for are among the topic's.
func (f *dlqFilterFlags) within(name string, spans []topic.Span, filter *dlq.Filter) error {
	if filter.ByPartition && int(filter.FirstPartition) >= len(spans) {
		return fmt.Errorf("--partition: %s has partitions 0 to %d only", name, len(spans)-1)
	}
	return nil
}

func (f *dlqFilterFlags) filter() (*dlq.Filter, error) {
	filter := &dlq.Filter{Reasons: f.Reason, Stages: f.Stage, Codes: f.Code, Lots: f.Lot}
	var err error
	now := time.Now()
	if filter.Since, err = moment("--since", f.Since, now); err != nil {
		return nil, err
	}
	if filter.Until, err = moment("--until", f.Until, now); err != nil {
		return nil, err
	}
	if !filter.Since.IsZero() && !filter.Until.IsZero() && !filter.Since.Before(filter.Until) {
		return nil, errors.New("--since must lie before --until")
	}
	if f.Partition != "" {
		first, last, isRange := strings.Cut(f.Partition, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseInt(first, 10, 32)
		to, err2 := strconv.ParseInt(last, 10, 32)
		if err1 != nil || err2 != nil || from < 0 || to < from {
			return nil, fmt.Errorf("--partition: %q is no partition; give one as 3, or a range as 0-5", f.Partition)
		}
		filter.ByPartition, filter.FirstPartition, filter.LastPartition = true, int32(from), int32(to)
	}
	return filter, nil
}

// moment reads a time as people give it; zero for none.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := duration(text); err == nil {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s: %q is no time; give RFC 3339 as 2026-01-02T15:04:05Z, a date as 2026-01-02 (UTC), or how long ago as 24h or 7d", flag, text)
}

// duration reads Go's, and whole days.
func duration(text string) (time.Duration, error) {
	if days, is := strings.CutSuffix(text, "d"); is {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		return 0, errors.New("below 0")
	}
	return d, err
}

// dlqRetentionFlags say when retention is near.
type dlqRetentionFlags struct {
	Retention      string  `placeholder:"DURATION" help:"How long the topic keeps dead letters, as 7d, where the user may not read its configuration."`
	RetentionShare float64 `default:"0.8" help:"Warn of open dead letters older than this share of the retention (0 to 1)."`
}

// retention asks for it, unless it is given.
func (f *dlqRetentionFlags) retention(ctx context.Context, r *dlqRun) (topic.Retention, error) {
	if f.RetentionShare <= 0 || f.RetentionShare > 1 {
		return topic.Retention{}, fmt.Errorf("--retention-share: %v is not above 0 and at most 1", f.RetentionShare)
	}
	if f.Retention == "" {
		kept, err := r.reader.Retention(ctx)
		if failed, is := errors.AsType[*topic.Error](err); is {
			failed.Remedy += ", or say with --retention how long it keeps records"
		}
		return kept, err
	}
	d, err := duration(f.Retention)
	if err != nil || d == 0 {
		return topic.Retention{}, fmt.Errorf("--retention: %q is no duration; give for example 7d or 36h", f.Retention)
	}
	return topic.Retention{For: d}, nil
}

// number writes a count with separators, as 1,234,567.
func number[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// age writes a duration for people: two units at most.
func age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}
