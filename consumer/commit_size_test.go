package consumer

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/progress"
)

// narrow is a coordinator that accepts a commit only if refuses returns no error. It keeps what it
// accepted, and counts the requests.
type narrow struct {
	// refuses returns one partition's error, or an error instead of an answer.
	refuses func(req *kmsg.OffsetCommitRequest, of *kmsg.OffsetCommitRequestTopicPartition) (kafka.Error, error)

	away

	requests int
	stands   map[int32]kmsg.OffsetCommitRequestTopicPartition
}

func (c *narrow) SendToCoordinator(_ context.Context, _ string, r kmsg.Request) (kmsg.Response, error) {
	req, ok := r.(*kmsg.OffsetCommitRequest)
	if !ok {
		return r.ResponseKind(), nil // heartbeats
	}
	c.requests++
	res := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, t := range req.Topics {
		answer := kmsg.OffsetCommitResponseTopic{Topic: t.Topic, TopicID: t.TopicID}
		for i := range t.Partitions {
			p := &t.Partitions[i]
			code, err := c.refuses(req, p)
			if err != nil {
				return nil, err
			}
			if code == 0 {
				c.stands[p.Partition] = *p
			}
			answer.Partitions = append(answer.Partitions, kmsg.OffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: int16(code)})
		}
		res.Topics = append(res.Topics, answer)
	}
	return res, nil
}

// weigh is about the bytes of a request's partitions and their metadata in the coordinator's batch.
func weigh(req *kmsg.OffsetCommitRequest) (partitions, bytes int) {
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			partitions++
			bytes += 80 + len(told(p))
		}
	}
	return partitions, bytes
}

func told(p kmsg.OffsetCommitRequestTopicPartition) string {
	if p.Metadata == nil {
		return ""
	}
	return *p.Metadata
}

// fullOfGaps is a progress with position upto and as many runs as a commit's metadata holds: each
// second run of 20,000 records is finished.
func fullOfGaps(upto int64) progress.Progress[*Delivery] {
	k := progress.Nothing(40_000*progress.MaxRuns, 0)
	for n := range int64(progress.MaxRuns) {
		k.Unfinished = append(k.Unfinished, progress.Range{First: 40_000 * n, Last: 40_000*n + 19_999})
	}
	p := progress.New[*Delivery](0, progress.UnknownEpoch, k)
	p.Advance(upto, progress.UnknownEpoch)
	return p
}

// gapsTo makes each partition full of gaps, with position offset.
func (r *rig) gapsTo(offset int64) {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	for _, p := range r.g.parts {
		p.Progress = fullOfGaps(offset)
	}
	r.g.dirty = true
}

// The coordinator limits a commit: by the largest batch of its log, and by the largest request of
// its listener. Whatever its error is, all that it can accept is accepted within a few
// intervals, nothing is sent again and again, and a refused partition delays no other.
func TestACommitThatIsTooLargeIsSplit(t *testing.T) {
	const partitions = 260
	batch := func(code kafka.Error, most int) func(*kmsg.OffsetCommitRequest, *kmsg.OffsetCommitRequestTopicPartition) (kafka.Error, error) {
		return func(req *kmsg.OffsetCommitRequest, _ *kmsg.OffsetCommitRequestTopicPartition) (kafka.Error, error) {
			if _, n := weigh(req); n > most {
				return code, nil
			}
			return 0, nil
		}
	}
	for name, c := range map[string]struct {
		refuses func(*kmsg.OffsetCommitRequest, *kmsg.OffsetCommitRequestTopicPartition) (kafka.Error, error)
		// taken is how many partitions' commits are accepted in the end; bare of these have no
		// runs in their metadata.
		taken, bare int
		// each is the number of requests of an interval once the size that fits is known.
		each int
	}{
		"a batch of a mebibyte":           {batch(kafka.InvalidCommitOffsetSize, 1<<20), partitions, 0, 3},
		"a batch of 100 KiB":              {batch(kafka.InvalidCommitOffsetSize, 100<<10), partitions, 0, 22},
		"told as a message too large":     {batch(kafka.MessageSizeTooLarge, 100<<10), partitions, 0, 22},
		"told as a record list too large": {batch(kafka.RecordListTooLarge, 100<<10), partitions, 0, 22},
		"told as an error of the server":  {batch(kafka.Unknown, 100<<10), partitions, 0, 22 + 4}, // any cause is possible: the search starts over
		"a batch of one commit":           {batch(kafka.InvalidCommitOffsetSize, 5<<10), partitions, 0, partitions},
		"a batch of less than one":        {batch(kafka.InvalidCommitOffsetSize, 1<<10), partitions, partitions, 44},
		"one partition, the others taken": {func(_ *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) (kafka.Error, error) {
			if p.Partition == 7 {
				return kafka.InvalidCommitOffsetSize, nil
			}
			return 0, nil
		}, partitions - 1, 0, 5},
		"everything": {batch(kafka.InvalidCommitOffsetSize, 0), 0, 0, mostRefusals},
	} {
		t.Run(name, func(t *testing.T) {
			group := &narrow{refuses: c.refuses, stands: map[int32]kmsg.OffsetCommitRequestTopicPartition{}}
			var log bytes.Buffer
			inRig(t, partitions, func(cfg *Config) {
				cfg.Wire, cfg.Log = group, slog.New(slog.NewTextHandler(&log, nil))
			}, func(r *rig) {
				knows := func(moved int64) {
					r.e.mu.Lock()
					defer r.e.mu.Unlock()
					for _, p := range r.g.parts {
						p.Progress = fullOfGaps(moved)
					}
					r.g.dirty = true
				}
				interval := func() (requests int) {
					before := group.requests
					r.g.commit(context.Background())
					return group.requests - before
				}
				knows(0)
				for n := range 40 { // by then the search has ended
					if sent := interval(); sent > partitions+mostRefusals {
						t.Fatalf("%d requests in interval %d", sent, n)
					}
					time.Sleep(time.Second)
				}
				knows(1)
				if sent := interval(); sent > c.each {
					t.Errorf("%d requests once it is known what fits, want %d at the most", sent, c.each)
				}
				taken, bare := 0, 0
				for _, s := range group.stands {
					if s.Offset == 1 {
						taken++
						if len(told(s)) <= progress.EvidenceLimit {
							bare++
						}
					}
				}
				if taken != c.taken || bare != c.bare {
					t.Errorf("%d commits stand, %d of them bare; want %d and %d", taken, bare, c.taken, c.bare)
				}
				if n := strings.Count(log.String(), "is sent in parts"); n > 1 {
					t.Errorf("said %d times", n)
				}
			})
		})
	}
}

// A connection that is lost at times, or a coordinator in trouble, says nothing about sizes.
// Afterwards all is as before.
func TestACoordinatorInTroubleIsNoReasonForSmallerCommits(t *testing.T) {
	trouble := map[string]func() (kafka.Error, error){
		"connections lost":       func() (kafka.Error, error) { return 0, io.ErrUnexpectedEOF },
		"an error of the server": func() (kafka.Error, error) { return kafka.Unknown, nil },
		"no coordinator":         func() (kafka.Error, error) { return kafka.NotCoordinatorForGroup, nil },
		"no answer":              func() (kafka.Error, error) { return 0, context.DeadlineExceeded },
		"refused as too large":   func() (kafka.Error, error) { return kafka.InvalidCommitOffsetSize, nil },
	}
	for name, says := range trouble {
		t.Run(name, func(t *testing.T) {
			in, bad := &inbox{}, true
			group := &narrow{stands: map[int32]kmsg.OffsetCommitRequestTopicPartition{}}
			group.refuses = func(*kmsg.OffsetCommitRequest, *kmsg.OffsetCommitRequestTopicPartition) (kafka.Error, error) {
				if bad {
					return says()
				}
				return 0, nil
			}
			inRig(t, 20, func(cfg *Config) { cfg.Wire, cfg.Handler = group, in }, func(r *rig) {
				all := func(offset int64) {
					for n := range 20 {
						r.read(n, offset, "", 1)
						in.take()[0].Done()
					}
				}
				all(0)
				for range 10 {
					r.g.commit(context.Background())
					time.Sleep(time.Second)
				}
				bad = false
				r.g.commit(context.Background())
				time.Sleep(commitLate + time.Second)
				r.g.commit(context.Background())
				r.heard(time.Now().Add(1000 * time.Hour))
				all(1)
				before := group.requests
				r.g.commit(context.Background())
				synctest.Wait()
				if n := group.requests - before; n != 1 {
					t.Errorf("%d requests after it was over, want 1", n)
				}
				for n := range int32(20) {
					if s := group.stands[n]; s.Offset != 2 || told(s) == "" || r.e.size != widest {
						t.Errorf("partition %d: %d with %d bytes", n, s.Offset, len(told(s)))
					}
				}
			})
		})
	}
}

// After an error whose cause is unclear, a small commit keeps its metadata.
func TestAnErrorOfTheServerStripsNoSmallCommit(t *testing.T) {
	in := &inbox{}
	group := &narrow{stands: map[int32]kmsg.OffsetCommitRequestTopicPartition{}}
	group.refuses = func(*kmsg.OffsetCommitRequest, *kmsg.OffsetCommitRequestTopicPartition) (kafka.Error, error) {
		if group.requests%2 == 1 {
			return kafka.Unknown, nil
		}
		return 0, nil
	}
	inRig(t, 1, func(cfg *Config) { cfg.Wire, cfg.Handler = group, in }, func(r *rig) {
		for o := range int64(4) {
			r.read(0, o, "", 1)
		}
		r.gate.add(4)
		in.take()[3].Done() // the others stay open, so it is finished beyond the commit
		for range 4 {
			r.g.commit(context.Background())
			time.Sleep(time.Second)
		}
		p := group.stands[0]
		k, err := progress.Decode(r.part(0).commitKey(p.Offset), told(p))
		if err != nil || k.End != 4 {
			t.Errorf("offset %d, %d bytes of metadata, known up to %d (%v), want 4", p.Offset, len(told(p)), k.End, err)
		}
	})
}

func TestWhatMaySayThatACommitIsTooLarge(t *testing.T) {
	for _, c := range []struct {
		err          error
		may, certain bool
	}{
		{kafka.InvalidCommitOffsetSize, true, true}, {kafka.MessageSizeTooLarge, true, true}, {kafka.RecordListTooLarge, true, true},
		{kafka.Unknown, true, false},
		{nil, false, false}, {io.EOF, false, false}, {context.DeadlineExceeded, false, false},
		{kafka.IllegalGeneration, false, false}, {kafka.RebalanceInProgress, false, false}, {kafka.TopicAuthorizationFailed, false, false}, {kafka.OffsetMetadataTooLarge, false, false},
	} {
		if may, certain := ofSize(c.err); may != c.may || certain != c.certain {
			t.Errorf("%v: %v, %v", c.err, may, certain)
		}
	}
}

func TestAConnectionLostOnceSaysNothingOfSizes(t *testing.T) {
	in := &inbox{}
	group := &narrow{stands: map[int32]kmsg.OffsetCommitRequestTopicPartition{}}
	group.refuses = func(*kmsg.OffsetCommitRequest, *kmsg.OffsetCommitRequestTopicPartition) (kafka.Error, error) {
		if group.requests == 1 {
			return 0, io.EOF
		}
		return 0, nil
	}
	inRig(t, 2, func(cfg *Config) { cfg.Wire, cfg.Handler = group, in }, func(r *rig) {
		for range 3 {
			for n := range 2 {
				r.read(n, r.part(n).Position(), "", 1)
				in.take()[0].Done()
			}
			r.g.commit(context.Background())
		}
		if group.requests != 3 {
			t.Errorf("%d requests in three intervals", group.requests)
		}
	})
}

// A listener never refuses a request of one partition for its size. So a lost connection is no
// reason to send the watermark alone: after a kill, what is finished beyond it would be sent again.
func TestALostConnectionTakesNoMetadataAway(t *testing.T) {
	for _, partitions := range []int{1, 2, 20} {
		group := &narrow{stands: map[int32]kmsg.OffsetCommitRequestTopicPartition{}}
		bare := 0
		group.refuses = func(req *kmsg.OffsetCommitRequest, _ *kmsg.OffsetCommitRequestTopicPartition) (kafka.Error, error) {
			for _, topic := range req.Topics {
				for _, p := range topic.Partitions {
					if told(p) == "" {
						bare++
					}
				}
			}
			if group.requests%7 > 1 { // two in a row are accepted: those of two partitions
				return 0, io.EOF
			}
			return 0, nil
		}
		inRig(t, partitions, func(cfg *Config) { cfg.Wire = group }, func(r *rig) {
			for moved := range int64(40) {
				r.gapsTo(moved)
				r.g.commit(context.Background())
			}
		})
		if bare > 0 || len(group.stands) != partitions {
			t.Errorf("%d partitions: %d commits without what is done beyond them, %d stand", partitions, bare, len(group.stands))
		}
	}
}

// Some partitions are refused for reasons of their own. The commits of the others are still sent,
// also in another request.
func TestRefusedPartitionsKeepNoOtherRequestFromBeingSent(t *testing.T) {
	group := &narrow{stands: map[int32]kmsg.OffsetCommitRequestTopicPartition{}}
	denied := int32(0) // partitions below this number are refused
	group.refuses = func(req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) (kafka.Error, error) {
		if _, n := weigh(req); n > 4<<10 {
			return kafka.InvalidCommitOffsetSize, nil
		}
		if p.Partition < denied {
			return kafka.TopicAuthorizationFailed, nil
		}
		return 0, nil
	}
	inRig(t, 40, func(cfg *Config) { cfg.Wire = group }, func(r *rig) {
		for moved := range int64(30) {
			if moved == 29 { // by now it is known that one partition fills a request
				denied = 20
			}
			r.gapsTo(moved)
			r.g.commit(context.Background())
		}
		taken := 0
		for _, s := range group.stands {
			if s.Offset == 29 {
				taken++
			}
		}
		if taken != 20 {
			t.Errorf("%d of the 20 partitions that may be committed are, with the others' refusals between", taken)
		}
	})
}

// The first refusal of a broker that accepts no metadata ends the bound of gaps: no runs are
// committed any more. So what waited for that bound is delivered and read.
func TestABrokerThatTakesNoMetadataEndsTheBoundOfGaps(t *testing.T) {
	group := &narrow{stands: map[int32]kmsg.OffsetCommitRequestTopicPartition{}}
	group.refuses = func(_ *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) (kafka.Error, error) {
		if told(*p) != "" {
			return kafka.OffsetMetadataTooLarge, nil
		}
		return 0, nil
	}
	var in inbox
	inRig(t, 1, func(cfg *Config) { cfg.Handler, cfg.Wire = &in, group }, func(r *rig) {
		p := r.part(0)
		p.Progress = fullOfGaps(0)
		first := r.read(0, 0, "first", 1)
		if open := in.take(); len(open) != 1 || open[0] != first {
			t.Fatal("the first record is not delivered")
		}
		r.e.mu.Lock()
		p.allotted = 100
		r.e.mu.Unlock()
		second := r.read(0, 40_000, "second", 1)
		if open := in.take(); len(open) != 0 {
			t.Fatal("the bound of gaps does not bind")
		}
		if b := r.room(p); b != BoundGaps {
			t.Fatalf("reading is paused by %q, want the gaps", b)
		}
		r.g.commit(context.Background())
		if open := in.take(); len(open) != 1 || open[0] != second {
			t.Error("what waited behind the bound is not delivered")
		}
		r.e.mu.Lock()
		defer r.e.mu.Unlock()
		if p.paused != BoundNone {
			t.Errorf("reading is still paused by %q", p.paused)
		}
	})
}
