package ledger

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"release-forwarder/dlq/dlqtest"
)

// A new ledger is compacted and has one partition.
func TestTheLedgerIsMadeSoThatItIsKept(t *testing.T) {
	dlqtest.In(t, func(h *dlqtest.Hall) {
		opened(h, "nobody")
		admin := kadm.NewClient(h.Observer)
		configs, err := admin.DescribeTopicConfigs(h.Ctx, dlqtest.Ledger)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, c := range configs[0].Configs {
			got[c.Key] = c.MaybeValue()
		}
		if got["cleanup.policy"] != "compact" || got["min.compaction.lag.ms"] != "86400000" {
			t.Errorf("made with %v", got)
		}
		topics, err := admin.ListTopics(h.Ctx, dlqtest.Ledger)
		if err != nil || len(topics[dlqtest.Ledger].Partitions) != 1 {
			t.Errorf("%v %v", topics, err)
		}
	})
}

// Before a ledger is read that takes long, the person is told.
func TestALargeLedgerIsSaidBeforeItIsRead(t *testing.T) {
	dlqtest.In(t, func(h *dlqtest.Hall) {
		opened(h, "nobody")
		said := int64(0)
		alice := configOf(h, "alice")
		alice.Large = func(entries int64) { said = entries }
		for _, c := range []struct {
			more int
			said bool
		}{{largeLedger - 1, false}, {1, true}} {
			entries := make([]*kgo.Record, c.more)
			for i := range entries {
				entries[i] = &kgo.Record{Topic: dlqtest.Ledger, Key: fmt.Appendf(nil, "9/%d", i)}
			}
			h.Produce(entries...)
			l, err := Open(h.Ctx, alice)
			if err != nil {
				t.Fatal(err)
			}
			if (said > 0) != c.said || said > 0 && said != l.position {
				t.Errorf("%d entries were said, of %d", said, l.position)
			}
		}
	})
}
