package deadletters

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
)

type Command struct {
	List   ListCommand   `cmd:"" help:"List dead letters, counts by reason first."`
	Show   ShowCommand   `cmd:"" help:"Show one dead letter whole, and what a replay would do."`
	Replay ReplayCommand `cmd:"" help:"Send the events of dead letters again, each once."`
	Close  CloseCommand  `cmd:"" help:"Record that dead letters were dealt with otherwise."`
	Export ExportCommand `cmd:"" help:"Write dead letters as JSON lines."`
	Stats  StatsCommand  `cmd:"" help:"Count dead letters by reason and day; --check for alerts."`
}

// Help implements kong's HelpProvider.
func (Command) Help() string {
	return `A dead letter is a release that the platform does not know of. It is open until its event is
sent again (replay), or a person deals with it otherwise (close). The aim is none open.

Example, from the first look to the proof:

  release-forwarder dlq list --since 24h
  release-forwarder dlq show 0/17
  release-forwarder dlq replay --reason refused --since 24h --dry-run
  release-forwarder dlq replay --reason refused --since 24h --rate 20 --wait
  release-forwarder dlq close 0/17 --why "sent again by the vendor, ticket 4711"
  release-forwarder dlq stats`
}

// filterFlags choose dead letters. Of a flag given several times one value must fit; all flags
// given must fit.
type filterFlags struct {
	Reason    []string `help:"Dead letters with this reason; may be given several times."`
	Stage     []string `help:"Dead letters of this stage: mapping, upstream."`
	Code      []string `help:"Dead letters with this code of the platform."`
	Lot       []string `help:"Dead letters of this lot (park_uuid)."`
	Since     string   `placeholder:"TIME" help:"Dead letters written at or after it: RFC 3339, a date (UTC), or how long ago, as 24h or 7d."`
	Until     string   `placeholder:"TIME" help:"Dead letters written before it."`
	Partition string   `placeholder:"N|N-M" help:"Dead letters in these partitions of the dead-letter topic."`
	AllGroups bool     `help:"Also dead letters of other consumer groups than KAFKA_GROUP_ID."`
}

// within looks whether the partitions asked for are among the topic's.
func (f *filterFlags) within(name string, spans []topic.Span, filter *dlq.Filter) error {
	if filter.ByPartition && int(filter.FirstPartition) >= len(spans) {
		return fmt.Errorf("--partition: %s has partitions 0 to %d only", name, len(spans)-1)
	}
	return nil
}

func (f *filterFlags) filter() (*dlq.Filter, error) {
	filter := &dlq.Filter{Reasons: f.Reason, Stages: f.Stage, Codes: f.Code, Lots: f.Lot}
	var err error
	now := time.Now()
	if filter.Since, err = console.Moment("--since", f.Since, now); err != nil {
		return nil, err
	}
	if filter.Until, err = console.Moment("--until", f.Until, now); err != nil {
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

// retentionFlags say when retention is near.
type retentionFlags struct {
	Retention      string  `placeholder:"DURATION" help:"How long the topic keeps dead letters, as 7d, where the user may not read its configuration."`
	RetentionShare float64 `default:"0.8" help:"Warn of open dead letters older than this share of the retention (0 to 1)."`
}

// retention asks Kafka for the topic's retention, unless a flag gives it.
func (f *retentionFlags) retention(ctx context.Context, r *session.Session) (topic.Retention, error) {
	if f.RetentionShare <= 0 || f.RetentionShare > 1 {
		return topic.Retention{}, fmt.Errorf("--retention-share: %v is not above 0 and at most 1", f.RetentionShare)
	}
	if f.Retention == "" {
		kept, err := r.Reader.Retention(ctx)
		if failed, is := errors.AsType[*topic.Error](err); is {
			failed.Remedy += ", or say with --retention how long it keeps records"
		}
		return kept, err
	}
	d, err := console.Duration(f.Retention)
	if err != nil || d == 0 {
		return topic.Retention{}, fmt.Errorf("--retention: %q is no duration; give for example 7d or 36h", f.Retention)
	}
	return topic.Retention{For: d}, nil
}
