package consumer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/wire"
)

// coordinator keeps the commits of partition 0. It applies and answers each at once, except those
// to which lateness gives a time by their number: they are not answered, or only then.
type coordinator struct {
	lateness []time.Duration
	answers  bool
	away

	mu     sync.Mutex
	n      int
	stands []int64 // each commit that took effect
}

// Metadata does not answer: only the test's records are read.
func (c *coordinator) Metadata(ctx context.Context) (*wire.Metadata, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (c *coordinator) SendToCoordinator(ctx context.Context, _ string, req kmsg.Request) (kmsg.Response, error) {
	commit, ok := req.(*kmsg.OffsetCommitRequest)
	if !ok {
		return nil, errors.New("nothing but commits is known here")
	}
	offset := commit.Topics[0].Partitions[0].Offset
	taken := commit.ResponseKind().(*kmsg.OffsetCommitResponse)
	taken.Topics = []kmsg.OffsetCommitResponseTopic{{Topic: "events", Partitions: []kmsg.OffsetCommitResponseTopicPartition{{}}}}
	c.mu.Lock()
	c.n++
	if c.n > len(c.lateness) {
		defer c.mu.Unlock()
		c.stands = append(c.stands, offset)
		return taken, nil
	}
	late := c.lateness[c.n-1]
	c.mu.Unlock()
	answer := make(chan struct{})
	time.AfterFunc(late, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stands = append(c.stands, offset)
		if c.answers {
			close(answer)
		}
	})
	select {
	case <-answer:
		return taken, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *coordinator) took() []int64 {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.stands)
}

// A commit that is abandoned without an answer may land after the next one, on another
// connection. The newer offset is committed again soon although nothing changes, and these
// repeats end.
func TestACommitThatTakesEffectLateDoesNotStand(t *testing.T) {
	for name, lateness := range map[string][]time.Duration{
		"just after the next": {10500 * time.Millisecond},
		"half a minute later": {39500 * time.Millisecond},
		"two, the older last": {39 * time.Second, 12 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			c, in := &coordinator{lateness: lateness}, &inbox{}
			inRig(t, 1, func(cfg *Config) { cfg.Wire, cfg.Handler = c, in }, func(r *rig) {
				ctx, stop := context.WithCancel(context.Background())
				ended := make(chan struct{})
				go func() {
					r.g.commitLoop(ctx)
					close(ended)
				}()
				finish := func(offset int64) {
					r.read(0, offset, "", 1)
					in.take()[0].Done()
				}
				finish(0)
				for n := range lateness { // while each of them is in flight
					time.Sleep(2 * time.Second)
					finish(int64(n) + 1)
					time.Sleep(8500 * time.Millisecond)
				}
				last := int64(len(lateness)) + 1
				fell := false
				for range 60 {
					time.Sleep(time.Second)
					took := c.took()
					for i := 1; i < len(took); i++ {
						fell = fell || took[i] < took[i-1]
					}
					if n := len(took); n > 2 && took[n-1] != last && took[n-2] != last {
						t.Fatalf("%v are committed, want %d but for a moment", took, last)
					}
				}
				took := c.took()
				if !fell {
					t.Errorf("no commit took effect late: %v", took)
				}
				if took[len(took)-1] != last {
					t.Errorf("%v are committed, want %d", took, last)
				}
				time.Sleep(time.Hour)
				if now := c.took(); len(now) > len(took) {
					t.Errorf("%d more commits in an hour in which nothing changes", len(now)-len(took))
				}
				stop()
				<-ended
			})
		})
	}
}

// A drain ends with a commit of all that is finished. While there is time it waits for the
// commit in flight: that one could land later, and its older offset would repeat records.
func TestTheLastCommitOvertakesNone(t *testing.T) {
	for name, c := range map[string]struct {
		late    time.Duration
		answers bool
		limit   time.Duration
		stands  []int64
		within  time.Duration
	}{
		"answered late":             {8 * time.Second, true, 20 * time.Second, []int64{1, 2}, 8 * time.Second},
		"answered at the last":      {3 * time.Second, true, 5 * time.Second, []int64{1, 2}, 3 * time.Second},
		"never answered nor taken":  {time.Hour, false, 20 * time.Second, []int64{2}, requestTimeout},
		"never, and little is left": {time.Hour, false, 5 * time.Second, []int64{2}, 5*time.Second - lastCommit},
	} {
		t.Run(name, func(t *testing.T) {
			group, in := &coordinator{lateness: []time.Duration{c.late}, answers: c.answers}, &inbox{}
			inRig(t, 1, func(cfg *Config) {
				cfg.Wire, cfg.Handler = group, in
				cfg.DrainTimeout = c.limit
			}, func(r *rig) {
				gctx, end := context.WithCancel(context.Background())
				ended := make(chan time.Time, 1)
				go func() {
					r.g.serve(gctx)
					ended <- time.Now()
				}()
				synctest.Wait()
				done := func(offset int64) {
					r.read(0, offset, "", 1)
					in.take()[0].Done()
				}
				done(0)
				time.Sleep(r.e.cfg.CommitInterval) // the commit is in flight from here on
				done(1)
				synctest.Wait()
				began := time.Now()
				end()
				over := <-ended
				if took := slices.Compact(group.took()); !slices.Equal(took, c.stands) {
					t.Errorf("%v took effect, want %v", took, c.stands)
				}
				if lasted := over.Sub(began); lasted > c.within {
					t.Errorf("the drain took %s, want %s at the most", lasted, c.within)
				}
			})
		})
	}
}
