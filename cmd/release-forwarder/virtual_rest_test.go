package main

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// requestsAtRest are how many requests of each kind one replica of three partitions may send in a
// minute in which nothing happens. Each partition is in one long poll of half a second; the group's library and the
// lease send a heartbeat every three seconds each; the metadata is asked for every two; once a minute
// it is looked how long the topics keep their records, three times who owns the partitions. ApiVersions begins connections; PushTelemetry is the test's own client's.
var requestsAtRest = map[kmsg.Key]int{
	kmsg.Fetch: 3 * 121, kmsg.Heartbeat: 40, kmsg.Metadata: 31, kmsg.ListOffsets: 6, kmsg.DescribeConfigs: 1,
	kmsg.DescribeGroups: 3,
	kmsg.ApiVersions:    5, kmsg.PushTelemetry: 2,
}

func TestAtRestHardlyAnythingIsAsked(t *testing.T) {
	inVirtualTime(t, 3, func(w *world) {
		r := w.start()
		w.orderKeys(0, 10)
		w.until("the commits", w.allCommitted(1, 10))
		time.Sleep(time.Minute)
		var mu sync.Mutex
		asked := map[kmsg.Key]int{}
		w.cluster.ControlKey(-1, func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			mu.Lock()
			defer mu.Unlock()
			asked[kmsg.Key(req.Key())]++
			return nil, nil, false
		})
		time.Sleep(time.Minute)
		mu.Lock()
		for _, key := range slices.Sorted(maps.Keys(asked)) {
			if n := asked[key]; n > requestsAtRest[key] {
				t.Errorf("%d requests of %s in a minute, at most %d", n, key.Name(), requestsAtRest[key])
			}
		}
		mu.Unlock()
		w.end(r)
	})
}
