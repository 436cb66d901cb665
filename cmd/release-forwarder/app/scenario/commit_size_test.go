package scenario

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A commit that is too large for the coordinator is split, and all partitions are committed.
//
// That holds for the first commits, those of each interval, and the last one of a drain.
func TestATooLargeCommitIsSplit(t *testing.T) {
	const partitions, most = 60, 7
	for name, code := range map[string]*kerr.Error{"refused": kerr.InvalidCommitOffsetSize, "as an error of the server": kerr.UnknownServerError} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, partitions, func(w *world) {
				var commits atomic.Int64
				w.Cluster.ControlKey(int16(kmsg.OffsetCommit), func(r kmsg.Request) (kmsg.Response, error, bool) {
					w.Cluster.KeepControl()
					commits.Add(1)
					req, n := r.(*kmsg.OffsetCommitRequest), 0
					for _, t := range req.Topics {
						n += len(t.Partitions)
					}
					if n <= most {
						return nil, nil, false
					}
					res := req.ResponseKind().(*kmsg.OffsetCommitResponse)
					for _, t := range req.Topics {
						rt := kmsg.NewOffsetCommitResponseTopic()
						rt.Topic, rt.TopicID = t.Topic, t.TopicID
						for _, p := range t.Partitions {
							rp := kmsg.NewOffsetCommitResponseTopicPartition()
							rp.Partition, rp.ErrorCode = p.Partition, code.Code
							rt.Partitions = append(rt.Partitions, rp)
						}
						res.Topics = append(res.Topics, rt)
					}
					return res, nil, true
				})
				w.Backlog(partitions, 10)
				r := w.Start()
				w.Until("all", w.AllCommitted(partitions, 10))
				before := commits.Load()
				w.Backlog(partitions, 10)
				w.Until("all once more", w.AllCommitted(partitions, 20))
				if n := commits.Load() - before; n > 3*2*partitions/most {
					t.Errorf("%d requests for another round of commits", n)
				}
				w.Backlog(partitions, 10)
				w.Until("the last", func() bool { return w.Platform.Stats().Received == 30*partitions })
				w.End(r)
				if !w.AllCommitted(partitions, 30)() {
					t.Error("the drain's commit is not taken")
				}
				if n := strings.Count(w.Log.String(), `"event":"commit-split"`); n != 1 {
					t.Errorf("%d lines say so, want 1", n)
				}
			})
		})
	}
}
