package scenario

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/consumer/membership"
)

// requestsAtRest are how many requests of each kind one replica of three partitions may send in a
// minute in which nothing happens. Each partition is in one long poll of half a second; the member's heartbeats are three
// seconds apart, or as the broker says; the metadata is asked for every two; once a minute
// the topics' retention is read, and three times who owns the partitions. ApiVersions begins connections; PushTelemetry
// is of the test's own client.
var requestsAtRest = map[membership.Protocol]map[kmsg.Key]int{
	membership.ProtocolClassic:  {kmsg.Heartbeat: 21, kmsg.DescribeGroups: 3},
	membership.ProtocolConsumer: {kmsg.ConsumerGroupHeartbeat: 13, kmsg.DescribeGroups: 3, kmsg.ConsumerGroupDescribe: 3},
	"either": {
		kmsg.Fetch: 3 * 121, kmsg.Metadata: 31, kmsg.ListOffsets: 6, kmsg.DescribeConfigs: 1,
		kmsg.ApiVersions: 5, kmsg.PushTelemetry: 2,
	},
}

// A replica at rest sends Kafka few requests, each kind within its bound.
func TestAtRestFewRequestsAreSent(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(string(protocol), func(t *testing.T) { inVirtualTime(t, 3, func(w *world) { atRest(w, protocol) }) })
	}
}

func atRest(w *world, protocol membership.Protocol) {
	r := w.Start("KAFKA_GROUP_PROTOCOL", string(protocol))
	w.orderKeys(0, 10)
	w.Until("the commits", w.AllCommitted(1, 10))
	time.Sleep(time.Minute)
	var mu sync.Mutex
	asked := map[kmsg.Key]int{}
	w.Cluster.ControlKey(-1, func(req kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		asked[kmsg.Key(req.Key())]++
		return nil, nil, false
	})
	time.Sleep(time.Minute)
	mu.Lock()
	for _, key := range slices.Sorted(maps.Keys(asked)) {
		if n, most := asked[key], requestsAtRest["either"][key]+requestsAtRest[protocol][key]; n > most {
			w.T.Errorf("%d requests of %s in a minute, at most %d", n, key.Name(), most)
		}
	}
	if asked[kmsg.Fetch] == 0 {
		w.T.Error("nothing was asked")
	}
	mu.Unlock()
	w.End(r)
}
