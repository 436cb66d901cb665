package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/memnet"
)

// standing are the flow numbers of the events in partition 0 now, without those of
// aborted transactions, and where the log ends.
func (w *world) standing() (flows []string, end int64) {
	w.T.Helper()
	info := w.Cluster.PartitionInfo(apptest.EventTopic, 0)
	c, err := kgo.NewClient(kgo.SeedBrokers(w.Cluster.ListenAddrs()...), kgo.Dialer(w.Net.Dial), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{apptest.EventTopic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		w.T.Fatal(err)
	}
	defer c.Close()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		fetches := c.PollFetches(ctx)
		ended := ctx.Err() != nil
		cancel()
		if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			w.T.Fatal(err)
		}
		for _, r := range fetches.Records() {
			flows = append(flows, apptest.FlowNo(string(r.Value)))
		}
		if ended {
			return flows, info.HighWatermark
		}
	}
}

// finished are the flow numbers that the platform has accepted or a dead letter holds.
func (w *world) finished() map[string]bool {
	done := map[string]bool{}
	for _, r := range w.Platform.Accepted() {
		done[r.Flow().No] = true
	}
	for _, l := range w.DeadLetters() {
		done[apptest.FlowNo(string(l.Value))] = true
	}
	return done
}

// witness judges a run: nothing of the final log may be skipped, and all of it is committed. Where records are gone, at
// least so many must be counted, and a line at level ERROR must say it; none where gone is 0. unknownLoss asks for
// neither.
func (w *world) witness(gone int64) {
	w.T.Helper()
	flows, end := w.standing()
	done := w.finished()
	stands, passed, lost := map[string]bool{}, []string{}, 0
	for _, f := range flows {
		if stands[f] = true; !done[f] {
			passed = append(passed, f)
		}
	}
	for f := range w.Acknowledged {
		if !stands[f] && !done[f] {
			lost++
		}
	}
	counted := w.counted()
	w.T.Logf("%d in the log, %d of them skipped; %d gone, %d counted; committed %d of %d", len(flows), len(passed), lost, counted, w.Committed(0), end)
	if len(passed) > 0 {
		w.T.Errorf("%d of %d records were skipped in silence: %v", len(passed), len(flows), passed[:min(5, len(passed))])
	}
	if at := w.Committed(0); at != end {
		w.T.Errorf("committed %d of %d", at, end)
	}
	said := slices.ContainsFunc(strings.Split(w.Log.String(), "\n"), func(line string) bool {
		return strings.Contains(line, `"level":"ERROR"`) && strings.Contains(line, `"partition":0`) && strings.Contains(line, `"from":`)
	})
	switch {
	case gone == 0 && (counted != 0 || said):
		w.T.Errorf("nothing is gone; %d were counted, said: %t", counted, said)
	case gone > 0 && (counted < gone || !said):
		w.T.Errorf("%d are gone; %d were counted, said: %t", gone, counted, said)
	}
}

// unknownLoss: what is gone lies above all that the service knew of.
const unknownLoss = -1

// counted is what all replicas there were counted as dropped.
func (w *world) counted() (n int64) {
	for _, r := range w.Started {
		dropped := r.Snapshot().Dropped
		n += dropped
	}
	return n
}

// caughtUp waits until all that partition 0 holds is committed; where that never
// comes the witness says what is missing.
func (w *world) caughtUp() {
	w.T.Helper()
	for begun := time.Now(); time.Since(begun) < 3*time.Minute; time.Sleep(time.Second) {
		if info := w.Cluster.PartitionInfo(apptest.EventTopic, 0); info != nil && w.Committed(0) == info.HighWatermark {
			time.Sleep(5 * time.Second) // what is still under way may move it again
			if info := w.Cluster.PartitionInfo(apptest.EventTopic, 0); w.Committed(0) == info.HighWatermark {
				return
			}
		}
	}
}

// singly writes an event of each order key, each in a batch of its own, so that the
// log can be cut between them.
func (w *world) singly(from, to int) {
	w.T.Helper()
	for i := from; i < to; i++ {
		w.Produce(0, apptest.Event(i, 0))
	}
}

// inTransaction writes events of these order keys to partition 0 in one
// transaction; its marker takes the offset after them.
func (w *world) inTransaction(how kgo.TransactionEndTry, from, to int) {
	w.T.Helper()
	p := w.transactional(fmt.Sprintf("producer-%d", from))
	defer p.Close()
	var values []string
	for i := from; i < to; i++ {
		values = append(values, apptest.Event(i, 0))
	}
	w.begin(p, values...)
	w.finish(p, how)
	if how == kgo.TryCommit {
		w.Acknowledge(values...)
	}
}

// mortal is a replica that can be killed: nothing of it arrives any more.
type mortal struct {
	*apptest.Replica
	link *memnet.Link
}

func (w *world) startMortal(more ...string) mortal {
	w.T.Helper()
	link := w.Net.NewLink(byte(len(w.Started) + 1))
	return mortal{w.StartOn(link.Dial, more...), link}
}

func (w *world) kill(m mortal) {
	w.T.Helper()
	m.link.Set(func(string) memnet.Condition { return memnet.Condition{Refuse: true} })
	m.link.Cut(nil)
	w.End(m.Replica)
}

// holding makes the platform fail all events of these flow numbers, until released.
func (w *world) holding(flows ...string) (release func()) {
	w.FailFlows(func(flow string) bool { return slices.Contains(flows, flow) })
	return func() { w.Platform.Script(nil) }
}
