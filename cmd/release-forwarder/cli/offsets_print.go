package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"release-forwarder/cmd/release-forwarder/visible"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/progress"
)

// shownOffsets is what `offsets` prints; with --json exactly this.
type shownOffsets struct {
	Group      string           `json:"group"`
	Partitions []shownPartition `json:"partitions"`
	Total      shownTotal       `json:"total"`
	// Absent are the service's topics that do not exist, separated by commas, where another does.
	Absent string `json:"absent,omitempty"`
	failed bool   // a partition has an error
}

// shownTotal sums up the partitions that could be read.
type shownTotal struct {
	Lag  int64 `json:"lag"`
	Done int64 `json:"done"`
	Open int64 `json:"open"`
}

// shownPartition is one partition. Offsets are absent where they are not known.
type shownPartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Committed is absent if the group has no commit for the partition.
	Committed *int64           `json:"committed,omitempty"`
	LogStart  *int64           `json:"log_start,omitempty"`
	LogEnd    *int64           `json:"log_end,omitempty"`
	Lag       int64            `json:"lag"`
	Done      int64            `json:"done"`
	Open      int64            `json:"open"`
	DoneRuns  []progress.Range `json:"done_runs,omitempty"`
	Waiting   []progress.Range `json:"waiting_runs,omitempty"`
	Notes     []string         `json:"notes,omitempty"`
	Error     string           `json:"error,omitempty"`
}

func describeOffsets(group string, all []offsets.PartitionProgress) shownOffsets {
	shown := shownOffsets{Group: group, Partitions: []shownPartition{}}
	for _, p := range all {
		s := shownPartition{Topic: p.Topic, Partition: p.Partition, DoneRuns: p.Done, Waiting: p.Unfinished}
		if p.Committed >= 0 {
			s.Committed = &p.Committed
		}
		if p.Err != nil {
			s.Error = p.Err.Error()
			shown.failed = true
			shown.Partitions = append(shown.Partitions, s)
			continue
		}
		s.LogStart, s.LogEnd = &p.LogStart, &p.LogEnd
		s.Lag, s.Done, s.Open = p.Lag(), p.DoneOfLag(), p.Open()
		s.Notes = notes(p)
		shown.Total.Lag += s.Lag
		shown.Total.Done += s.Done
		shown.Total.Open += s.Open
		shown.Partitions = append(shown.Partitions, s)
	}
	return shown
}

// notes says what a person should know beside the numbers.
func notes(p offsets.PartitionProgress) []string {
	var said []string
	if p.Committed < 0 {
		said = append(said, "no commit: starts at the log's first record")
	}
	if p.AnotherTopic {
		said = append(said, "the commit is of a topic of this name that was deleted since: its offset means nothing here, see docs/how-to/moving.md")
	}
	if p.Ignored {
		said = append(said, "the commit's metadata was not written for this place by this version and is ignored: records done beyond the commit are sent again")
	}
	if n := p.Dropped(); n > 0 {
		said = append(said, fmt.Sprintf("%d offsets from the commit on are no longer in the log, which starts at %d", n, p.LogStart))
	}
	if n := p.HeldBack(); n > 0 {
		said = append(said, fmt.Sprintf("an open transaction holds back %d records, from offset %d on: nothing there can be read until it ends. Usual for a moment; if it stays, see deployments/runbooks/open-transaction.md", n, p.Stable))
	}
	if p.Beyond() {
		said = append(said, fmt.Sprintf("the commit is above the log's end: truncated or recreated, see docs/how-to/moving.md (the commit reaches up to %d)", max(p.Committed, p.End)))
	}
	return said
}

func (s shownOffsets) json(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(s)
}

func (s shownOffsets) table(out io.Writer) error {
	fmt.Fprintf(out, "group %s\n", s.Group)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TOPIC\tPARTITION\tCOMMITTED\tLOG END\tLAG\tDONE\tOPEN\tWAITING")
	for _, p := range s.Partitions {
		if p.Error != "" {
			fmt.Fprintf(t, "%s\t%d\t%s\t?\t?\t?\t?\t\n", p.Topic, p.Partition, offsetText(p.Committed))
			continue
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%d\t%d\t%d\t%s\n", p.Topic, p.Partition, offsetText(p.Committed), offsetText(p.LogEnd), p.Lag, p.Done, p.Open, runsText(p.Waiting))
	}
	fmt.Fprintf(t, "all\t\t\t\t%d\t%d\t%d\t\n", s.Total.Lag, s.Total.Done, s.Total.Open)
	if err := t.Flush(); err != nil {
		return err
	}
	if s.Absent != "" {
		fmt.Fprintf(out, "%s: does not exist, or this user may not describe it; it is read when it does\n", s.Absent)
	}
	if s.unknown() {
		fmt.Fprintf(out, "group %s has no commit here: it has never read these topics, its offsets have expired, or KAFKA_GROUP_ID names another\n", s.Group)
	}
	for _, p := range s.Partitions {
		for _, note := range p.Notes {
			fmt.Fprintf(out, "%s/%d: %s\n", p.Topic, p.Partition, note)
		}
		if p.Error != "" {
			fmt.Fprintf(out, "%s/%d: %s\n", p.Topic, p.Partition, visible.Line(p.Error))
		}
	}
	return nil
}

// unknown reports whether nothing is committed for any partition.
func (s shownOffsets) unknown() bool {
	return !slices.ContainsFunc(s.Partitions, func(p shownPartition) bool { return p.Committed != nil || p.Error != "" })
}

func offsetText(offset *int64) string {
	if offset == nil {
		return "-"
	}
	return fmt.Sprint(*offset)
}

// runsShown is how many runs a row of the table shows.
const runsShown = 4

func runsText(runs []progress.Range) string {
	var b strings.Builder
	for i, r := range runs {
		if i == runsShown {
			fmt.Fprintf(&b, " … %d runs more", len(runs)-runsShown)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprint(&b, r.First)
		if r.Last > r.First {
			fmt.Fprintf(&b, "–%d", r.Last)
		}
	}
	return b.String()
}
