package audit

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/offsets"
	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
	"release-forwarder/dlq/receipt"
)

// mostOffsets bounds the offsets of a range that is verified: 5 bytes each.
const mostOffsets = 16_000_000

// What is known of an event.
const (
	unaccounted byte = iota
	hasAccepted
	hasDeadLetter
	hasIgnored
	hasNoReceipt // but a dead letter
)

// stretch is the range of a partition, and what is known of its events.
type stretch struct {
	log   *topic.Log
	topic string
	topic.Span
	// times has for each offset a digest of the record's time, and 0 where no record was read. A receipt of an event in
	// an earlier topic of this name has the same place with another time.
	times []uint32
	known []byte

	events    int64
	byVerdict counts
	noReceipt int64 // but a dead letter
	open      int64
	missing   int64
	uncertain int64 // neither: the group's progress is unknown
}

// partition is one of a topic.
type partition struct {
	topic  string
	number int32
}

// verifier holds receipts and dead letters against events.
type verifier struct {
	*audit
	seed      maphash.Seed
	stretches []*stretch
	byPlace   map[partition]*stretch
	oldest    time.Time // the least record time; zero: none is plausible
	group     []offsets.PartitionProgress

	contradictions int64
	examples       []string
}

// verify reads the ends of the events, then the group's progress, then events, receipts and dead letters. A receipt
// is written, or given up, before its event is finished. So an event that was finished and has neither a receipt nor a
// dead letter among those read later has none.
func (a *audit) verify(ctx context.Context) error {
	v := &verifier{audit: a, seed: maphash.MakeSeed(), byPlace: map[partition]*stretch{}}
	for _, step := range []func(context.Context) error{v.open, v.readProgress, v.readEvents, v.readReceipts, v.readDeadLetters} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	a.unreadSum()
	return v.show()
}

// open finds the ranges.
func (v *verifier) open(ctx context.Context) error {
	from, to, err := v.places()
	if err != nil {
		return err
	}
	total := int64(0)
	for _, name := range v.r.Settings.Topics() {
		log := topic.NewLog(v.r.Wire, v.r.Settings.Kafka.ClientID, name)
		spans, err := log.Spans(ctx)
		if errors.Is(err, kafka.UnknownTopicOrPartition) && name == v.r.Settings.Kafka.ReplayTopic {
			continue
		}
		if err == nil && !v.span.since.IsZero() {
			spans, err = log.Since(ctx, spans, v.span.since)
		}
		if err != nil {
			return err
		}
		for _, span := range spans {
			place := fmt.Sprintf("%s/%d", name, span.Partition)
			if len(from) > 0 {
				first, is := from[place]
				if !is {
					continue
				}
				delete(from, place)
				if first < span.First {
					v.r.Say("%s begins at %d: what is older is gone", place, span.First)
				}
				span.First = max(span.First, first)
				if end, is := to[place]; is {
					span.End = min(span.End, end)
				}
			}
			span.End = max(span.First, span.End)
			if total += span.End - span.First; total > mostOffsets {
				return fmt.Errorf("the range holds more than %s offsets; verify it in parts, by --since and --until, or --from and --to", console.Number(mostOffsets))
			}
			s := &stretch{log: log, topic: name, Span: span, times: make([]uint32, span.End-span.First), known: make([]byte, span.End-span.First)}
			v.stretches = append(v.stretches, s)
			v.byPlace[partition{name, span.Partition}] = s
		}
	}
	for place := range from {
		return fmt.Errorf("--from: %s is no partition of KAFKA_TOPIC or KAFKA_REPLAY_TOPIC", place)
	}
	return nil
}

// places are --from and --to, by topic/partition.
func (v *verifier) places() (from, to map[string]int64, err error) {
	if from, err = parsePlaces("--from", v.c.From); err == nil {
		to, err = parsePlaces("--to", v.c.To)
	}
	if err != nil {
		return nil, nil, err
	}
	for place, end := range to {
		first, is := from[place]
		switch {
		case !is:
			return nil, nil, fmt.Errorf("--to: give --from for %s too", place)
		case first >= end:
			return nil, nil, fmt.Errorf("--to: %s/%d does not lie behind --from", place, end)
		}
	}
	return from, to, nil
}

func parsePlaces(flag string, texts []string) (map[string]int64, error) {
	places := map[string]int64{}
	for _, text := range texts {
		at := strings.LastIndexByte(text, '/')
		if at > 0 {
			offset, err := strconv.ParseInt(text[at+1:], 10, 64)
			if _, twice := places[text[:at]]; err == nil && offset >= 0 && !twice {
				places[text[:at]] = offset
				continue
			}
		}
		return nil, fmt.Errorf("%s: %q is no place; give topic/partition/offset, each partition once", flag, text)
	}
	return places, nil
}

func (v *verifier) readProgress(ctx context.Context) error {
	var names []string
	for _, s := range v.stretches {
		if len(names) == 0 || names[len(names)-1] != s.topic {
			names = append(names, s.topic)
		}
	}
	var err error
	v.group, err = offsets.ReadProgress(ctx, v.r.Wire, v.r.Settings.Kafka.GroupID, names)
	return session.ExplainOffsets(err)
}

// digest is of a record's time as a receipt has it; never 0.
func (v *verifier) digest(recordTime string) uint32 {
	return uint32(maphash.String(v.seed, recordTime)) | 1
}

// readEvents notes which offsets hold an event of the range. Transaction markers, and what compaction took, are no
// records.
func (v *verifier) readEvents(ctx context.Context) error {
	for _, s := range v.stretches {
		for rec, err := range s.log.Read(ctx, s.Partition, s.First, s.End) {
			if err != nil {
				return err // half of the events would look like all
			}
			dated, believable := rec.Dated()
			if believable && !v.span.has(rec.Timestamp) {
				continue
			}
			if believable && (v.oldest.IsZero() || dated.Before(v.oldest)) {
				v.oldest = dated
			}
			s.events++
			s.times[rec.Offset-s.First] = v.digest(stampOfRecord(&rec))
		}
	}
	return nil
}

// stampOfRecord is a record's time as a receipt has it.
func stampOfRecord(rec *fetch.Record) string {
	dated, believable := rec.Dated()
	if !believable {
		return ""
	}
	return receipt.Stamp(dated)
}

// at finds what is known of an event; nil if it is not in the range.
func (v *verifier) at(in partition, offset int64, recordTime string) (s *stretch, known *byte) {
	s = v.byPlace[in]
	if s == nil || offset < s.First || offset >= s.End || s.times[offset-s.First] != v.digest(recordTime) {
		return nil, nil
	}
	return s, &s.known[offset-s.First]
}

func (v *verifier) left() (n int64) {
	for _, s := range v.stretches {
		n += s.events - s.byVerdict.accepted - s.byVerdict.deadLetter - s.byVerdict.ignored
	}
	return n
}

// readReceipts reads the receipts written since the oldest event, and all others if events are left: a lane's clock
// may be ahead.
func (v *verifier) readReceipts(ctx context.Context) error {
	if v.left() == 0 {
		return nil
	}
	all, err := v.receipts.Spans(ctx)
	if err != nil {
		return err
	}
	likely := all
	if !v.oldest.IsZero() {
		if likely, err = v.receipts.Between(ctx, all, v.oldest.Add(-receipt.Slack), time.Time{}); err != nil {
			return err
		}
	}
	if err := v.match(ctx, likely); err != nil || v.left() == 0 {
		return err
	}
	for i := range all {
		all[i].End = likely[i].First
	}
	return v.match(ctx, all)
}

var verdicts = map[receipt.Verdict]byte{receipt.Accepted: hasAccepted, receipt.DeadLetter: hasDeadLetter, receipt.Ignored: hasIgnored}

func (v *verifier) match(ctx context.Context, spans []topic.Span) error {
	read, err := v.receipts.Each(ctx, spans, nil, func(r *receipt.Stored, err error) {
		if err != nil {
			v.notRead(err)
			return
		}
		s, known := v.at(partition{r.Topic, r.Partition}, r.Offset, r.Time)
		switch {
		case s == nil:
		case *known == unaccounted:
			*known = verdicts[r.Verdict]
			*s.byVerdict.of(codeOf(r.Verdict))++
		case *known != verdicts[r.Verdict]:
			v.contradicted(r.Path())
		}
	})
	v.read += read
	return err
}

func (v *verifier) contradicted(event string) {
	if v.contradictions++; len(v.examples) < mostNamed {
		v.examples = append(v.examples, event)
	}
}

// readDeadLetters looks for the dead letters of the range.
func (v *verifier) readDeadLetters(ctx context.Context) error {
	spans, err := v.r.Reader.Spans(ctx)
	if errors.Is(err, kafka.UnknownTopicOrPartition) {
		return nil
	}
	if err != nil {
		return err
	}
	for l, err := range v.r.Reader.Letters(ctx, spans, nil) {
		if err != nil {
			return err
		}
		s, known := v.at(partition{l.Topic, l.Partition}, l.Offset, stampOfRecord(&fetch.Record{Timestamp: l.Timestamp}))
		switch {
		case s == nil:
		case *known == unaccounted:
			*known = hasNoReceipt
			s.noReceipt++
		case *known == hasAccepted, *known == hasIgnored:
			v.contradicted(dlq.ID{Topic: l.Topic, Partition: l.Partition, Offset: l.Offset}.String())
		}
	}
	return nil
}

// shownPlace is an event without a receipt and a dead letter.
type shownPlace struct {
	Kind  string `json:"kind"`  // missing, open or unknown
	Event string `json:"event"` // topic/partition/offset
}

// verified is what is known of the events of a partition, or of all.
type verified struct {
	Kind       string `json:"kind"` // partition or end
	Topic      string `json:"topic,omitempty"`
	Partition  *int32 `json:"partition,omitempty"`
	From       *int64 `json:"from,omitempty"`
	To         *int64 `json:"to,omitempty"` // behind the last offset
	Events     int64  `json:"events"`
	Accepted   int64  `json:"accepted"`
	DeadLetter int64  `json:"dead_letter"`
	Ignored    int64  `json:"ignored"`
	// NoReceipt are events that have a dead letter and no receipt.
	NoReceipt int64 `json:"no_receipt"`
	Open      int64 `json:"open"`
	Missing   int64 `json:"missing"`
	Unknown   int64 `json:"unknown"` // whether they are finished
}

func (s *stretch) shown() verified {
	return verified{"partition", s.topic, &s.Partition, &s.First, &s.End, s.events, s.byVerdict.accepted, s.byVerdict.deadLetter, s.byVerdict.ignored, s.noReceipt, s.open, s.missing, s.uncertain}
}

// verifySum is the last line.
type verifySum struct {
	verified
	Contradictions int64 `json:"contradictions"`
	Read           int64 `json:"read"` // records of the receipts' topic
}

func (v *verifier) show() error {
	named := map[string]int{}
	for _, s := range v.stretches {
		v.name(s, named)
	}
	sum := verifySum{verified: verified{Kind: "end"}, Contradictions: v.contradictions, Read: v.read}
	table := tabwriter.NewWriter(v.out, 0, 0, 2, ' ', 0)
	row := func(name, partition, from, to string, x verified) {
		if !v.c.JSON {
			fmt.Fprint(table, name, "\t", partition, "\t", from, "\t", to)
			for _, n := range []int64{x.Events, x.Accepted, x.DeadLetter, x.Ignored, x.NoReceipt, x.Open, x.Missing, x.Unknown} {
				fmt.Fprint(table, "\t", console.Number(n))
			}
			fmt.Fprintln(table)
		}
	}
	if !v.c.JSON {
		if len(named) > 0 {
			fmt.Fprintln(table)
		}
		fmt.Fprintln(table, "TOPIC\tPARTITION\tFROM\tTO\tEVENTS\tACCEPTED\tDEAD-LETTER\tIGNORED\tNO RECEIPT\tOPEN\tMISSING\tUNKNOWN")
	}
	for _, s := range v.stretches {
		x := s.shown()
		v.line(x, "")
		row(s.topic, strconv.Itoa(int(s.Partition)), strconv.FormatInt(s.First, 10), strconv.FormatInt(s.End, 10), x)
		for total, part := range map[*int64]int64{&sum.Events: x.Events, &sum.Accepted: x.Accepted, &sum.DeadLetter: x.DeadLetter, &sum.Ignored: x.Ignored,
			&sum.NoReceipt: x.NoReceipt, &sum.Open: x.Open, &sum.Missing: x.Missing, &sum.Unknown: x.Unknown} {
			*total += part
		}
	}
	row("all", "", "", "", sum.verified)
	if err := table.Flush(); err != nil {
		return err
	}
	v.line(sum, fmt.Sprintf("\n%s: %s accounted for, %s open, %s missing; %s read", console.Count(sum.Events, "event"), console.Number(sum.Accepted+sum.DeadLetter+sum.Ignored+sum.NoReceipt),
		console.Number(sum.Open), console.Number(sum.Missing), console.Count(sum.Read, "record")))
	if v.contradictions > 0 {
		v.r.Say("warning: %s of events contradict one another; the first receipt is valid: %s", console.Count(v.contradictions, "receipt or dead letter"), examples(v.examples, v.contradictions))
	}
	if sum.Missing+sum.Unknown > 0 {
		v.failed = true
	}
	return nil
}

// name names the events of a partition that have neither a receipt nor a dead letter, and counts them.
func (v *verifier) name(s *stretch, named map[string]int) {
	progress := session.GroupProgress(v.group)
	unknown := true
	for _, p := range v.group {
		if p.Topic == s.topic && p.Partition == s.Partition && p.Err == nil {
			unknown = false
		}
	}
	for i, t := range s.times {
		if t == 0 || s.known[i] != unaccounted {
			continue
		}
		offset := s.First + int64(i)
		kind, n := "open", &s.open
		switch {
		case unknown:
			kind, n = "unknown", &s.uncertain
		case progress.Done(s.topic, s.Partition, offset):
			kind, n = "missing", &s.missing
		}
		*n++
		if named[kind]++; named[kind] <= v.c.Limit {
			place := dlq.ID{Topic: s.topic, Partition: s.Partition, Offset: offset}.String()
			v.line(shownPlace{kind, place}, fmt.Sprintf("%-8s %s", kind, place))
		} else if named[kind] == v.c.Limit+1 {
			v.r.Say("only the first %s %s events are named: --limit names more", console.Number(v.c.Limit), kind)
		}
	}
}
