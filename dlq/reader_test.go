package dlq

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// chosen returns the values of the letters that a filter chooses.
func (h *hall) chosen(d *Reader, f *Filter) (values []string) {
	h.t.Helper()
	spans, err := d.Spans(h.ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	for s, err := range d.Letters(h.ctx, spans, f) {
		if err != nil {
			h.t.Fatal(err)
		}
		values = append(values, string(s.Value))
	}
	slices.Sort(values)
	return values
}

func TestAFilterChooses(t *testing.T) {
	inHall(t, func(h *hall) {
		first, second := letter(0, "a-1", 1), letter(1, "b-1", 2)
		second.Stage, second.Reason, second.Code = StageMapping, "bad-time", ""
		h.post(first, second)
		time.Sleep(time.Hour) // in virtual time
		noon := time.Now()
		third := letter(0, "b-2", 3)
		third.Code = "402"
		h.post(third)
		d := h.reader("alice")
		for _, c := range []struct {
			filter Filter
			want   string
		}{
			{Filter{}, "a-1:1 b-1:2 b-2:3"},
			{Filter{Reasons: []string{"bad-time"}}, "b-1:2"},
			{Filter{Reasons: []string{"bad-time", "refused"}}, "a-1:1 b-1:2 b-2:3"},
			{Filter{Stages: []string{"upstream"}}, "a-1:1 b-2:3"},
			{Filter{Codes: []string{"402"}}, "b-2:3"},
			{Filter{Lots: []string{"b"}}, "b-1:2 b-2:3"},
			{Filter{Lots: []string{"b"}, Stages: []string{"mapping"}}, "b-1:2"},
			{Filter{Since: noon}, "b-2:3"},
			{Filter{Until: noon}, "a-1:1 b-1:2"},
			{Filter{Since: noon.Add(-2 * time.Hour), Until: noon.Add(-30 * time.Minute)}, "a-1:1 b-1:2"},
			{Filter{Since: noon.Add(time.Hour)}, ""},
			{Filter{ByPartition: true, FirstPartition: 1, LastPartition: 1}, "b-1:2"},
			{Filter{ByPartition: true, FirstPartition: 0, LastPartition: 1, Codes: []string{"400"}}, "a-1:1"},
		} {
			if got := strings.Join(h.chosen(d, &c.filter), " "); got != c.want {
				t.Errorf("%+v: %q, want %q", c.filter, got, c.want)
			}
		}
	})
}

// If Kafka tells where a time begins, earlier letters are not read.
func TestSinceDoesNotReadWhatIsOlder(t *testing.T) {
	inHall(t, func(h *hall) {
		h.post(letters(300)...)
		time.Sleep(time.Hour)
		noon := time.Now()
		h.post(letter(0, "late", 1))
		read := 0
		h.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			h.cluster.KeepControl()
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
		if got := h.chosen(h.reader("alice"), &Filter{Since: noon}); len(got) != 1 || read == 0 {
			t.Errorf("%q in %d fetches", got, read)
		}
	})
}

func TestOtherGroupsLettersAreNotSeen(t *testing.T) {
	inHall(t, func(h *hall) {
		h.post(letter(0, "s", 1))
		h.postOf("other", letter(0, "s", 2))
		h.foreign(0, "another program's")
		d := h.reader("alice")
		if got := h.chosen(d, nil); fmt.Sprint(got) != "[another program's s:1]" {
			t.Errorf("%q: want this group's, and what has none", got)
		}
		for _, err := range d.Pick(h.ctx, ID{letterTopic, 0, 1}) {
			if other, is := errors.AsType[*OtherGroupError](err); !is || other.Group != "other" {
				t.Errorf("%v", err)
			}
		}
		d.cfg.Group = ""
		if got := h.chosen(d, nil); len(got) != 3 {
			t.Errorf("%q of all groups", got)
		}
	})
}

// foreign writes a record that is no letter of this program.
func (h *hall) foreign(partition int32, value string, headers ...kgo.RecordHeader) {
	h.t.Helper()
	r := &kgo.Record{Topic: letterTopic, Partition: partition, Value: []byte(value), Headers: headers}
	if err := h.observer.ProduceSync(h.ctx, r).FirstErr(); err != nil {
		h.t.Fatal(err)
	}
}

func TestAnIDThatPointsNowhereSaysWhy(t *testing.T) {
	inHall(t, func(h *hall) {
		h.post(letters(40)...)
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: letterTopic, Partition: 0, At: 5, LeaderEpoch: -1})
		if _, err := kadm.NewClient(h.observer).DeleteRecords(h.ctx, offsets); err != nil {
			t.Fatal(err)
		}
		for offset, want := range map[int64]string{4: "retention took it; the partition begins at 5", 1000: "the partition ends at", 5: ""} {
			for _, err := range h.reader("alice").Pick(h.ctx, ID{letterTopic, 0, offset}) {
				if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
					t.Errorf("%d: %v, want %q", offset, err, want)
				}
			}
		}
	})
}

// Errors name cause and remedy.
func TestWhatKafkaRefusesIsExplained(t *testing.T) {
	refuse := func(h *hall, key kmsg.Key, topic string, code *kerr.Error) {
		h.cluster.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			h.cluster.KeepControl()
			return refused(req, topic, code.Code)
		})
	}
	for _, c := range []struct {
		name  string
		spoil func(h *hall)
		want  []string
	}{
		{"no dead-letter topic", func(h *hall) {
			if _, err := kadm.NewClient(h.observer).DeleteTopic(h.ctx, letterTopic); err != nil {
				t.Fatal(err)
			}
		}, []string{"cannot read topic events.dlq", "it does not exist, or this user may not describe it"}},
		{"no right to read dead letters", func(h *hall) {
			h.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: letterTopic, Err: kerr.TopicAuthorizationFailed, Count: -1})
		},
			[]string{"cannot read topic events.dlq", "grant this user Read on the topic"}},
		{"no right to write events", func(h *hall) { refuse(h, kmsg.Produce, eventTopic, kerr.TopicAuthorizationFailed) },
			[]string{"cannot write to topic events", "grant this user Write on the topic"}},
		{"no right to write to the ledger", func(h *hall) {
			h.ledger()
			refuse(h, kmsg.Produce, LedgerTopic(letterTopic), kerr.TopicAuthorizationFailed)
		}, []string{"cannot write to topic events.dlq.ledger", "grant this user Write on the topic"}},
		{"no ledger, no right to make one", func(h *hall) { refuse(h, kmsg.CreateTopics, LedgerTopic(letterTopic), kerr.TopicAuthorizationFailed) },
			[]string{"the ledger, topic events.dlq.ledger, does not exist and cannot be made", "kafka-topics.sh --bootstrap-server BROKERS ", "--create --topic events.dlq.ledger --partitions 1", "--config cleanup.policy=compact"}},
		{"a ledger that is not kept", func(h *hall) {
			policy := "delete"
			if _, err := kadm.NewClient(h.observer).CreateTopic(h.ctx, 1, 1, map[string]*string{"cleanup.policy": &policy}, LedgerTopic(letterTopic)); err != nil {
				t.Fatal(err)
			}
		}, []string{"is not kept: its cleanup.policy is delete", "kafka-configs.sh --bootstrap-server BROKERS ", "--add-config cleanup.policy=compact"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inHall(t, func(h *hall) {
				h.post(letters(3)...)
				c.spoil(h)
				time.Sleep(time.Minute) // so that the cached metadata becomes outdated
				err := h.reader("alice").Replay(h.ctx, all())
				for _, want := range c.want {
					want = strings.ReplaceAll(want, "BROKERS", strings.Join(h.cluster.ListenAddrs(), ","))
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%v, want %q", err, want)
					}
				}
			})
		})
	}
}

// ledger creates the ledger, like a replay.
func (h *hall) ledger() {
	h.t.Helper()
	l, err := h.reader("nobody").Ledger(h.ctx)
	if err == nil {
		err = l.ensure(h.ctx)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// refused answers a request with an error for one topic; false if the request is not about it.
func refused(req kmsg.Request, topic string, code int16) (kmsg.Response, error, bool) {
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		res := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.Topics {
			if t.Topic != topic {
				return nil, nil, false
			}
			answer := kmsg.ProduceResponseTopic{Topic: t.Topic}
			for _, p := range t.Partitions {
				answer.Partitions = append(answer.Partitions, kmsg.ProduceResponseTopicPartition{Partition: p.Partition, ErrorCode: code})
			}
			res.Topics = append(res.Topics, answer)
		}
		return res, nil, true
	case *kmsg.CreateTopicsRequest:
		res := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		for _, t := range req.Topics {
			res.Topics = append(res.Topics, kmsg.CreateTopicsResponseTopic{Topic: t.Topic, ErrorCode: code})
		}
		return res, nil, true
	}
	return nil, nil, false
}

func TestATallyIsBounded(t *testing.T) {
	tally := NewTally()
	for i := range 20_000 {
		s := &Stored{Written: int64(i) * 86_400_000 / 10}
		s.Reason = strings.Repeat("x", i%300)
		tally.Add(s, Open, false)
	}
	if len(tally.ByReason) > mostReasons+1 || len(tally.ByDay) > mostDays+1 {
		t.Errorf("%d reasons, %d days", len(tally.ByReason), len(tally.ByDay))
	}
	if tally.ByState[Open] != 20_000 {
		t.Errorf("%d open", tally.ByState[Open])
	}
	tally = NewTally()
	s := &Stored{}
	s.Reason = "粤B12345"
	tally.Add(s, Open, false)
	if tally.ByReason[noReason] != 1 {
		t.Errorf("%v: a reason that is no word is shown", tally.ByReason)
	}
}
