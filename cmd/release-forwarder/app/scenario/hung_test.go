package scenario

import (
	"testing"
	"time"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/memnet"
)

// A broker that hangs takes connections and answers nothing. Which alert comes depends on what it was: the group's
// coordinator, without whom this replica may hold nothing, or the leader of a partition alone.
func TestABrokerThatHangsIsReported(t *testing.T) {
	inVirtualTime(t, 6, func(w *world) {
		link := w.Net.NewLink(1)
		r := w.StartOn(link.Dial)
		w.Until("the offsets", func() bool { return w.Committed(0) == 0 && w.Committed(5) == 0 })
		brokers := w.Cluster.ListenAddrs()
		coordinator := brokers[w.Cluster.CoordinatorFor(apptest.Group)]
		hang := func(broker string) {
			link.Set(func(address string) memnet.Condition { return memnet.Condition{Hold: address == broker} })
		}
		blocked := func() (n int) {
			for p := range 6 {
				if r.Seconds(blocked("failing", p)) >= 0 {
					n++
				}
			}
			return n
		}
		for id, broker := range brokers {
			led := 0
			for p := range int32(6) {
				if w.Cluster.LeaderFor(apptest.EventTopic, p) == int32(id) {
					led++
				}
			}
			hang(broker)
			time.Sleep(5 * time.Minute)
			held, unread := r.Seconds("assigned_partitions"), blocked()
			if want := map[bool]float64{true: 0, false: 6}[broker == coordinator]; held != want {
				t.Errorf("%s hangs, the coordinator is %s: %v partitions are held", broker, coordinator, held)
			}
			if unread != led {
				t.Errorf("%s hangs, which leads %d partitions: %d are not read", broker, led, unread)
			}
			hang("")
			time.Sleep(3 * time.Minute)
			if held, unread := r.Seconds("assigned_partitions"), blocked(); held != 6 || unread != 0 {
				t.Errorf("%s answers again: %v are held, %d not read", broker, held, unread)
			}
		}
		w.End(r)
		apptest.EndLongPolls()
	})
}
