package wire

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func one(s *state) *state {
	s.brokers = map[int32]string{1: "a"}
	return s
}

// metadataOf returns the metadata, or ends the test.
func metadataOf(t *testing.T, c *Client) *Metadata {
	t.Helper()
	m, err := c.Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAHungAddressCostsOneTimeOutAtMost(t *testing.T) {
	worst := time.Duration(0)
	for range 30 { // the order is random
		inCluster(t, []string{"hung:1", "a:1"}, func(t *testing.T, n *network, c *Client) {
			n.set("hung:1", &broker{hangs: true})
			n.set("a:1", tells(1, one(&state{cluster: "ours"})))
			begin := time.Now()
			metadataOf(t, c)
			worst = max(worst, time.Since(begin))
			time.Sleep(20 * time.Second) // only the known broker is asked
			if got := n.dials["hung:1"]; got > 1 {
				t.Errorf("the hung address was dialed %d times", got)
			}
		})
	}
	if worst > firstAnswer {
		t.Errorf("%v until the first metadata", worst)
	}
}

func TestAHungKnownBrokerDoesNotHideAnotherOne(t *testing.T) {
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		s := &state{cluster: "ours", brokers: map[int32]string{1: "a", 2: "b"}}
		a, b := tells(1, s), tells(2, s)
		n.set("a:1", a)
		n.set("b:1", b)
		metadataOf(t, c)
		n.set("a:1", &broker{hangs: true})
		time.Sleep(time.Minute)
		before := b.count(kmsg.Metadata)
		time.Sleep(20 * time.Second)
		if b.count(kmsg.Metadata)-before < 5 {
			t.Error("the broker that answers is not asked")
		}
	})
}

func TestWhereNoneOfTheKnownAnswersTheNamedAreAskedAgain(t *testing.T) {
	inCluster(t, []string{"boot:1"}, func(t *testing.T, n *network, c *Client) {
		s := one(&state{cluster: "ours"})
		n.set("boot:1", tells(9, s))
		n.set("a:1", tells(1, s))
		metadataOf(t, c)
		n.set("boot:1", nil) // all named addresses are replaced
		time.Sleep(time.Minute)
		if m := metadataOf(t, c); time.Since(m.Asked) > 2*metadataAge {
			t.Errorf("the metadata is %v old although a known broker answers", time.Since(m.Asked))
		}
		n.set("a:1", nil)
		s.change(func(s *state) { s.brokers = map[int32]string{2: "b"} })
		n.set("b:1", tells(2, s))
		n.set("boot:1", tells(9, s))
		time.Sleep(time.Minute)
		if m := metadataOf(t, c); m.Brokers[2].Host != "b" {
			t.Errorf("the brokers are %v", m.Brokers)
		}
	})
}

func TestAnotherClusterIsPassedOver(t *testing.T) {
	for range 10 {
		inCluster(t, []string{"other:1", "a:1"}, func(t *testing.T, n *network, c *Client) {
			n.set("other:1", tells(1, &state{cluster: "other", missing: true, brokers: map[int32]string{1: "other"}}))
			n.set("a:1", tells(1, one(&state{cluster: "ours"})))
			if m := metadataOf(t, c); m.ClusterID != "ours" {
				t.Fatalf("the cluster without the topic is taken for ours: %q", m.ClusterID)
			}
			n.set("a:1", nil)
			time.Sleep(foreignFor / 2)
			if m := metadataOf(t, c); m.ClusterID != "ours" {
				t.Error("another cluster is believed at once")
			}
			n.set("a:1", tells(1, one(&state{cluster: "ours"})))
			time.Sleep(foreignFor)
			if m := metadataOf(t, c); m.ClusterID != "ours" || time.Since(m.Asked) > 2*metadataAge {
				t.Errorf("the cluster is %q, as of %v", m.ClusterID, time.Since(m.Asked))
			}
			n.set("a:1", nil) // set up again, elsewhere
			time.Sleep(2 * foreignFor)
			if m := metadataOf(t, c); m.ClusterID != "other" {
				t.Errorf("what has taken the cluster's place is never believed: %q", m.ClusterID)
			}
		})
	}
}

// Before a log-in a broker takes one request for its versions, and nothing else.
func TestAConnectionLogsIn(t *testing.T) {
	inCluster(t, []string{"hung:1", "a:1"}, func(t *testing.T, n *network, c *Client) {
		c.cfg.SASL = plain.Mechanism{Username: "user", Password: "secret"}
		n.set("hung:1", &broker{hangs: true})
		b := tells(1, one(&state{cluster: "ours"}))
		b.guarded = true
		n.set("a:1", b)
		if m := metadataOf(t, c); m.ClusterID != "ours" {
			t.Errorf("the cluster is %q", m.ClusterID)
		}
	})
}

// A log-in that fails is told as long as it is tried again in vain, not once another has succeeded, and not of a
// broker that has gone meanwhile or whose connection broke.
func TestLoginsThatFailAreTold(t *testing.T) {
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		c.cfg.SASL = plain.Mechanism{Username: "user", Password: "secret"}
		b := tells(1, one(&state{cluster: "ours"}))
		b.guarded = true
		refusing := tells(1, one(&state{cluster: "ours"}))
		refusing.guarded, refusing.refuses = true, true
		metadata := func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _ = c.Metadata(ctx)
		}
		n.set("a:1", refusing)
		begun := time.Now()
		for range 60 {
			metadata()
			time.Sleep(time.Second)
		}
		f := c.LoginFails()
		if !errors.Is(f.Err, kafka.SASLAuthenticationFailed) || f.Since.Sub(begun) > time.Second || time.Since(f.Last) > 5*time.Second {
			t.Errorf("after a minute: %+v", f)
		}
		n.set("a:1", nil) // gone
		time.Sleep(loginDoubt + time.Second)
		if f := c.LoginFails(); f.Err != nil {
			t.Errorf("of a broker that is gone: %+v", f)
		}
		n.set("a:1", refusing)
		time.Sleep(10 * time.Second)
		if f := c.LoginFails(); f.Err == nil || time.Since(f.Since) > 11*time.Second {
			t.Errorf("once it is back: %+v", f)
		}
		n.set("a:1", b)
		time.Sleep(10 * time.Second)
		if f := c.LoginFails(); f != (LoginFailure{}) {
			t.Errorf("after a log-in: %+v", f)
		}
		c.loggedIn(io.ErrUnexpectedEOF)
		if f := c.LoginFails(); f != (LoginFailure{}) {
			t.Errorf("of a connection that broke: %+v", f)
		}
	})
}

func TestAnOlderLeaderEpochIsNotBelieved(t *testing.T) {
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		s := one(&state{cluster: "ours", id: ID{1}, epoch: 7})
		n.set("a:1", tells(1, s))
		metadataOf(t, c)
		s.change(func(s *state) { s.epoch = 5 })
		time.Sleep(10 * time.Second)
		if p := metadataOf(t, c).Topics["events"].Partitions[0]; p.Epoch != 7 {
			t.Errorf("epoch %d is believed after 7", p.Epoch)
		}
		s.change(func(s *state) { s.epoch = 8 })
		time.Sleep(10 * time.Second)
		if p := metadataOf(t, c).Topics["events"].Partitions[0]; p.Epoch != 8 {
			t.Errorf("the epoch is %d", p.Epoch)
		}
		s.change(func(s *state) { s.id, s.epoch = ID{2}, 0 }) // another topic's epochs begin again
		time.Sleep(10 * time.Second)
		if topic := metadataOf(t, c).Topics["events"]; topic.ID != (ID{2}) || topic.Partitions[0].Epoch != 0 {
			t.Errorf("of the new topic: %v", topic)
		}
	})
}

func TestAnotherTopicIDIsBelievedWhenASecondBrokerTellsIt(t *testing.T) {
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		all := map[int32]string{1: "a", 2: "b", 3: "c"}
		states := map[int32]*state{}
		for id, host := range all {
			states[id] = &state{cluster: "ours", id: ID{1}, brokers: all}
			n.set(host+":1", tells(id, states[id]))
		}
		metadataOf(t, c)
		states[2].change(func(s *state) { s.id = ID{9} }) // one broker alone, for whatever reason
		time.Sleep(time.Minute)
		if id := metadataOf(t, c).Topics["events"].ID; id != (ID{1}) {
			t.Errorf("one broker's word is believed: %v", id)
		}
		if metadataOf(t, c).Topics["events"].Doubted {
			t.Error("what a second broker has confirmed is doubted")
		}
		states[1].change(func(s *state) { s.id = ID{2} })
		states[2].change(func(s *state) { s.id = ID{2} }) // recreated; the third lags
		time.Sleep(10 * time.Second)
		if id := metadataOf(t, c).Topics["events"].ID; id != (ID{2}) {
			t.Errorf("two brokers' word is not believed: %v", id)
		}
		for range 20 {
			time.Sleep(time.Second)
			if id := metadataOf(t, c).Topics["events"].ID; id != (ID{2}) {
				t.Fatal("the broker that lags is believed again")
			}
		}
	})
}

func TestATopicIDOfWhichOneBrokerTellsAnotherIsDoubtedUntilASecondAnswers(t *testing.T) {
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		all := map[int32]string{1: "a", 2: "b"}
		one, two := &state{cluster: "ours", id: ID{1}, brokers: all}, &state{cluster: "ours", id: ID{1}, brokers: all}
		n.set("a:1", tells(1, one))
		n.set("b:1", tells(2, two))
		metadataOf(t, c)
		n.set("b:1", nil)
		one.change(func(s *state) { s.id = ID{2} })
		time.Sleep(20 * time.Second)
		if topic := metadataOf(t, c).Topics["events"]; topic.ID != (ID{1}) || !topic.Doubted {
			t.Errorf("%v, doubted %t", topic.ID, topic.Doubted)
		}
		time.Sleep(30 * time.Second)
		if topic := metadataOf(t, c).Topics["events"]; topic.ID != (ID{2}) || topic.Doubted {
			t.Errorf("%v, doubted %t, when it stands", topic.ID, topic.Doubted)
		}
	})
}

func TestAnExchangeEndsWithItsContext(t *testing.T) {
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		b := tells(1, one(&state{cluster: "ours"}))
		n.set("a:1", b)
		metadataOf(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		err := c.Exchange(ctx, 1, 1, func(rw io.ReadWriter, version int16) error {
			if version != -1 {
				t.Errorf("Fetch version %d of a broker that has none", version)
			}
			_, err := io.ReadFull(rw, make([]byte, 1)) // nothing comes
			return err
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
		req := kmsg.NewPtrHeartbeatRequest()
		req.SetVersion(3)
		if res, err := c.Send(t.Context(), 1, req); err != nil || res.GetVersion() != 3 {
			t.Errorf("after it: %v", err)
		}
		if _, err := c.Send(t.Context(), 1, kmsg.NewPtrOffsetCommitRequest()); !errors.Is(err, kafka.UnsupportedVersion) {
			t.Errorf("an API that the broker does not have: %v", err)
		}
		if _, err := c.Send(t.Context(), 7, req); !errors.Is(err, kafka.BrokerNotAvailable) {
			t.Errorf("a broker that is not there: %v", err)
		}
	})
}

func TestTheCoordinatorIsLookedUpOnceAndAgainWhereItMoved(t *testing.T) {
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		b := tells(1, one(&state{cluster: "ours"}))
		n.set("a:1", b)
		for range 5 {
			if _, err := c.SendToCoordinator(t.Context(), "group", kmsg.NewPtrHeartbeatRequest()); err != nil {
				t.Fatal(err)
			}
		}
		if got := b.count(kmsg.FindCoordinator); got != 1 {
			t.Errorf("looked up %d times", got)
		}
		c.ForgetCoordinator("group")
		_, _ = c.SendToCoordinator(t.Context(), "group", kmsg.NewPtrHeartbeatRequest())
		if got := b.count(kmsg.FindCoordinator); got != 2 {
			t.Errorf("looked up %d times", got)
		}
	})
}

func TestTheMetadataIsAskedForEveryTwoSecondsAndWhenToldSo(t *testing.T) {
	inCluster(t, []string{"a:1"}, func(t *testing.T, n *network, c *Client) {
		b := tells(1, one(&state{cluster: "ours"}))
		n.set("a:1", b)
		metadataOf(t, c)
		time.Sleep(time.Minute)
		if got := b.count(kmsg.Metadata); got < 30 || got > 32 {
			t.Errorf("%d requests in a minute", got)
		}
		before := b.count(kmsg.Metadata)
		c.Refresh()
		time.Sleep(metadataPause)
		synctest.Wait()
		if got := b.count(kmsg.Metadata) - before; got < 1 || got > 2 {
			t.Errorf("%d requests after one was asked for", got)
		}
		if got := n.dials["a:1"]; got != 1 {
			t.Errorf("%d connections", got)
		}
	})
}

func TestABrokerThatAnswersNothingIsSaid(t *testing.T) {
	inCluster(t, []string{"a:1", "b:1"}, func(t *testing.T, _ *network, c *Client) {
		_, err := c.Metadata(t.Context())
		if err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("error is %v", err)
		}
	})
}
