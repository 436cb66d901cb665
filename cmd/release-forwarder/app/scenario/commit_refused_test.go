package scenario

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// Where the coordinator refuses even the smallest commit as too large, the log and the status page say why.
//
// The page tells one partition from all. Commits go on by themselves.
func TestACommitRefusedAsTooLargeIsReported(t *testing.T) {
	all := []int32{0, 1, 2}
	for name, c := range map[string]struct {
		err        *kerr.Error
		partitions []int32
		page       admin.Kind
	}{
		"one partition's":            {kerr.InvalidCommitOffsetSize, []int32{1}, admin.PartitionCommitRefused},
		"one's, told as a message":   {kerr.MessageTooLarge, []int32{1}, admin.PartitionCommitRefused},
		"one's, told as the server":  {kerr.UnknownServerError, []int32{1}, admin.PartitionCommitRefused},
		"all":                        {kerr.InvalidCommitOffsetSize, all, admin.CommitsFail},
		"all, told as a record list": {kerr.RecordListTooLarge, all, admin.CommitsFail},
		"all, with no metadata":      {kerr.OffsetMetadataTooLarge, all, admin.CommitsFail},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 3, func(w *world) {
				r := w.Start()
				w.Until("the group", w.AllCommitted(3, 0))
				refused := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: apptest.EventTopic, Partitions: c.partitions, Err: c.err, Count: -1})
				for range 10 {
					w.Backlog(3, 10)
					time.Sleep(time.Minute)
					s := r.Status()
					if s.Condition.Kind != c.page {
						t.Fatalf("the banner says %s", s.Condition)
					}
				}
				lines := w.LinesOf("request-refused")
				if len(lines) < 10 || len(lines) > 110 {
					t.Errorf("%d lines in 10 minutes", len(lines))
				}
				for _, l := range lines[:min(1, len(lines))] {
					if l["request"] != "commit" || l["topic"] != apptest.EventTopic || !strings.Contains(c.err.Message, l["cause"].(string)) {
						t.Errorf("the log says %v", l)
					}
				}
				refused.Remove()
				w.Until("all", w.AllCommitted(3, 100))
				if s := r.Status(); s.Condition.Kind != admin.Well {
					t.Errorf("then the banner says %s", s.Condition)
				}
				w.End(r)
			})
		})
	}
}
