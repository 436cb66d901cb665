package wire

import (
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestARestartedBrokerFailsOneRequest(t *testing.T) {
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		s := one(&state{cluster: "ours"})
		n.set("a:1", tells(1, s))
		metadataOf(t, c)
		time.Sleep(time.Second)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				k, err := c.take(t.Context(), 1)
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(100 * time.Millisecond)
				c.keep(k)
			})
		}
		all.Wait()
		n.set("a:1", tells(1, s)) // it restarts
		failed := 0
		for range 8 {
			if _, err := c.Send(t.Context(), 1, kmsg.NewPtrHeartbeatRequest()); err != nil {
				failed++
				t.Log(err)
			}
		}
		if failed > 1 {
			t.Errorf("%d requests failed after one restart", failed)
		}
	})
}
