package dlq_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/topic"
	"release-forwarder/dlq"
	"release-forwarder/dlq/dlqtest"
)

func readerOf(h *dlqtest.Hall) *dlq.Reader { return dlq.NewReader(h.ReaderConfig(h.Wire())) }

// chosen returns the values of the letters that a filter chooses.
func chosen(h *dlqtest.Hall, d *dlq.Reader, f *dlq.Filter) (values []string) {
	h.T.Helper()
	spans, err := d.Spans(h.Ctx)
	if err != nil {
		h.T.Fatal(err)
	}
	for s, err := range d.Letters(h.Ctx, spans, f) {
		if err != nil {
			h.T.Fatal(err)
		}
		values = append(values, string(s.Value))
	}
	slices.Sort(values)
	return values
}

func TestAFilterChooses(t *testing.T) {
	dlqtest.In(t, func(h *dlqtest.Hall) {
		first, second := dlqtest.Letter(0, "a-1", 1), dlqtest.Letter(1, "b-1", 2)
		second.Stage, second.Reason, second.Code = dlq.StageMapping, "bad-time", ""
		h.Post(first, second)
		time.Sleep(time.Hour) // in virtual time
		noon := time.Now()
		third := dlqtest.Letter(0, "b-2", 3)
		third.Code = "402"
		h.Post(third)
		d := readerOf(h)
		for _, c := range []struct {
			filter dlq.Filter
			want   string
		}{
			{dlq.Filter{}, "a-1:1 b-1:2 b-2:3"},
			{dlq.Filter{Reasons: []string{"bad-time"}}, "b-1:2"},
			{dlq.Filter{Reasons: []string{"bad-time", "refused"}}, "a-1:1 b-1:2 b-2:3"},
			{dlq.Filter{Stages: []string{"upstream"}}, "a-1:1 b-2:3"},
			{dlq.Filter{Codes: []string{"402"}}, "b-2:3"},
			{dlq.Filter{Lots: []string{"b"}}, "b-1:2 b-2:3"},
			{dlq.Filter{Lots: []string{"b"}, Stages: []string{"mapping"}}, "b-1:2"},
			{dlq.Filter{Since: noon}, "b-2:3"},
			{dlq.Filter{Until: noon}, "a-1:1 b-1:2"},
			{dlq.Filter{Since: noon.Add(-2 * time.Hour), Until: noon.Add(-30 * time.Minute)}, "a-1:1 b-1:2"},
			{dlq.Filter{Since: noon.Add(time.Hour)}, ""},
			{dlq.Filter{ByPartition: true, FirstPartition: 1, LastPartition: 1}, "b-1:2"},
			{dlq.Filter{ByPartition: true, FirstPartition: 0, LastPartition: 1, Codes: []string{"400"}}, "a-1:1"},
		} {
			if got := strings.Join(chosen(h, d, &c.filter), " "); got != c.want {
				t.Errorf("%+v: %q, want %q", c.filter, got, c.want)
			}
		}
	})
}

// If Kafka tells where a time begins, earlier letters are not read.
func TestSinceDoesNotReadWhatIsOlder(t *testing.T) {
	dlqtest.In(t, func(h *dlqtest.Hall) {
		h.Post(dlqtest.Many(300)...)
		time.Sleep(time.Hour)
		noon := time.Now()
		h.Post(dlqtest.Letter(0, "late", 1))
		read := 0
		h.Cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			h.Cluster.KeepControl()
			for _, topic := range req.(*kmsg.FetchRequest).Topics {
				for _, p := range topic.Partitions {
					read++
					if p.FetchOffset < 100 {
						t.Errorf("partition %d is read from %d", p.Partition, p.FetchOffset)
					}
				}
			}
			return nil, nil, false
		})
		if got := chosen(h, readerOf(h), &dlq.Filter{Since: noon}); len(got) != 1 || read == 0 {
			t.Errorf("%q in %d fetches", got, read)
		}
	})
}

func TestOtherGroupsLettersAreNotSeen(t *testing.T) {
	dlqtest.In(t, func(h *dlqtest.Hall) {
		h.Post(dlqtest.Letter(0, "s", 1))
		h.PostOf("other", dlqtest.Letter(0, "s", 2))
		h.Foreign(0, "another program's")
		d := readerOf(h)
		if got := chosen(h, d, nil); fmt.Sprint(got) != "[another program's s:1]" {
			t.Errorf("%q: want this group's, and what has none", got)
		}
		for _, err := range d.Pick(h.Ctx, dlqtest.ID(0, 1)) {
			if other, is := errors.AsType[*dlq.OtherGroupError](err); !is || other.Group != "other" {
				t.Errorf("%v", err)
			}
		}
		c := h.ReaderConfig(h.Wire())
		c.Group = ""
		if got := chosen(h, dlq.NewReader(c), nil); len(got) != 3 {
			t.Errorf("%q of all groups", got)
		}
	})
}

func TestAnIDThatPointsNowhereSaysWhy(t *testing.T) {
	dlqtest.In(t, func(h *dlqtest.Hall) {
		h.Post(dlqtest.Many(40)...)
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: dlqtest.Letters, Partition: 0, At: 5, LeaderEpoch: -1})
		if _, err := kadm.NewClient(h.Observer).DeleteRecords(h.Ctx, offsets); err != nil {
			t.Fatal(err)
		}
		for offset, want := range map[int64]string{4: "retention took it; the partition begins at 5", 1000: "the partition ends at", 5: ""} {
			for _, err := range readerOf(h).Pick(h.Ctx, dlqtest.ID(0, offset)) {
				if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
					t.Errorf("%d: %v, want %q", offset, err, want)
				}
			}
		}
	})
}

// Without a topic of their own replays are among the events, so the headers of every event are
// used.
func TestWithoutAReplayTopicTheEventsAreBelieved(t *testing.T) {
	dlqtest.In(t, func(h *dlqtest.Hall) {
		forged := func(partition int32, n int, redrives, origin string) dlq.Letter {
			l := dlqtest.Letter(partition, "s", n)
			l.Headers = dlqtest.HeadersOf(dlq.HeaderPrefix+"redrives", redrives, dlq.HeaderPrefix+"origin", origin)
			return l
		}
		elsewhere := forged(2, 3, "1", "events/0/1")
		elsewhere.Topic = "elsewhere"
		h.Post(dlqtest.Letter(2, "s", 6), forged(2, 9, "1", "events/2/5"), elsewhere)
		c := h.ReaderConfig(h.Wire())
		c.Replays = []string{dlqtest.Events}
		d := dlq.NewReader(c)
		var got []string
		for s, err := range d.Letters(h.Ctx, []topic.Span{{Partition: 0, End: 100}, {Partition: 1, End: 100}}, nil) {
			if err == nil {
				got = append(got, fmt.Sprintf("%s %d, claims %s %d", s.Origin, s.Redrives, s.ClaimedOrigin, s.ClaimedRedrives))
			}
		}
		slices.Sort(got)
		if want := []string{"elsewhere/2/3 0, claims events/0/1 1", "events/2/5 1, claims  0", "events/2/6 0, claims  0"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
