package scenario

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/app/apptest"
)

// rowOf gives a partition's row of the status page.
func rowOf(r *apptest.Replica, partition int) admin.Partition {
	for _, p := range r.Status().Partitions {
		if p.Topic == apptest.EventTopic && p.Partition == partition {
			return p
		}
	}
	return admin.Partition{}
}

// A partition that Kafka does not let start is named with its cause, in the log and on the status page.
//
// The others are read, Kafka is asked about once a minute, and the partition starts by itself later.
func TestAPartitionThatCannotStartIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		key   kmsg.Key
		err   *kerr.Error
		fresh bool // no offset is committed
		event string
		cause string
	}{
		"offsets not stable":    {kmsg.OffsetFetch, kerr.UnstableOffsetCommit, false, "offsets-unreadable", "UNSTABLE_OFFSET_COMMIT"},
		"no right on the topic": {kmsg.OffsetFetch, kerr.TopicAuthorizationFailed, false, "offsets-unreadable", "TOPIC_AUTHORIZATION_FAILED"},
		"unknown to it":         {kmsg.OffsetFetch, kerr.UnknownTopicOrPartition, false, "offsets-unreadable", "UNKNOWN_TOPIC_OR_PARTITION"},
		"its leader is behind":  {kmsg.ListOffsets, kerr.OffsetNotAvailable, true, "bounds-unreadable", "OFFSET_NOT_AVAILABLE"},
		"a disk":                {kmsg.ListOffsets, kerr.KafkaStorageError, true, "bounds-unreadable", "KAFKA_STORAGE_ERROR"},
		"its first commit":      {kmsg.OffsetCommit, kerr.TopicAuthorizationFailed, true, "request-refused", "TOPIC_AUTHORIZATION_FAILED"},
		"left out":              {kmsg.OffsetFetch, nil, false, "offsets-unreadable", "the answer leaves the partition out"},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 3, func(w *world) {
				if !c.fresh {
					r := w.Start()
					w.Until("the group", w.AllCommitted(3, 0))
					w.End(r)
				}
				asked, lift := w.refusesStart(c.key, c.err, 1)
				w.Backlog(3, 10)
				begun := time.Now()
				r := w.Start()
				w.Until("the others", func() bool { return w.Committed(0) == 10 && w.Committed(2) == 10 })
				time.Sleep(30*time.Minute - time.Since(begun))
				if n := asked(); n < 30 || n > 100 {
					t.Errorf("%d tries in half an hour, want 30 to 100", n)
				}
				lines := w.LogLines(c.event)
				if len(lines) == 0 || len(lines) > 70 {
					t.Errorf("%d lines in half an hour, want one a minute or so", len(lines))
				}
				for _, l := range lines[:min(1, len(lines))] {
					if l["topic"] != apptest.EventTopic || l["partition"] != 1.0 || l["cause"] != c.cause {
						t.Errorf("the log says %v", l)
					}
				}
				row := rowOf(r, 1)
				if cause := row.Cause + row.CommitRefused; !strings.Contains(cause, c.cause) || row.Paused != "starting" {
					t.Errorf("the page says %+v", row)
				}
				if s := r.Status(); s.Condition.Kind != admin.PartitionUnreadable || !strings.Contains(s.Condition.String(), "events/1") {
					t.Errorf("the banner says %s", s.Condition)
				}
				if ok, why := r.Ready(); !ok {
					t.Errorf("not ready, though two partitions are read: %s", why)
				}
				lift()
				w.Until("the third", w.AllCommitted(3, 10))
				if row := rowOf(r, 1); row.Cause != "" || row.CommitRefused != "" || row.Paused != "" {
					t.Errorf("then the page says %+v", row)
				}
				w.End(r)
			})
		})
	}
}

// refusesStart has Kafka refuse one kind of request for one partition, or leave that out of
// the answer where there is no error. It gives how often that was done, and ends it.
func (w *world) refusesStart(key kmsg.Key, refusal *kerr.Error, partition int32) (asked func() int, lift func()) {
	service := func(r kmsg.Request) bool { // the observer's own client speaks later versions
		switch r := r.(type) {
		case *kmsg.OffsetFetchRequest:
			return r.Version == 5 // the observer asks in a later one, the library before it joins in an earlier one
		case *kmsg.ListOffsetsRequest:
			return r.IsolationLevel == 0 // not the look at what retention leaves
		}
		return true
	}
	if refusal != nil {
		fault := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: apptest.EventTopic, Partitions: []int32{partition}, Err: refusal, Count: -1, When: service})
		return fault.Hits, fault.Remove
	}
	var hits atomic.Int64
	var over atomic.Bool
	w.Cluster.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.Cluster.KeepControl()
		req := r.(*kmsg.OffsetFetchRequest)
		if over.Load() || !service(r) {
			return nil, nil, false
		}
		hits.Add(1)
		res := req.ResponseKind().(*kmsg.OffsetFetchResponse)
		for _, t := range req.Topics {
			rt := kmsg.NewOffsetFetchResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				if p != partition {
					rp := kmsg.NewOffsetFetchResponseTopicPartition()
					rp.Partition = p // committed is 0
					rt.Partitions = append(rt.Partitions, rp)
				}
			}
			res.Topics = append(res.Topics, rt)
		}
		return res, nil, true
	})
	return func() int { return int(hits.Load()) }, func() { over.Store(true) }
}

// A replica is not ready until it could start one of its partitions.
//
// A later rebalance changes that only where it lasts.
func TestAReplicaWithoutAStartedPartitionIsNotReady(t *testing.T) {
	inVirtualTime(t, 2, func(w *world) {
		first := w.Start()
		w.Until("the group", w.AllCommitted(2, 0))
		w.End(first)
		_, liftBoth := w.refusesStart(kmsg.OffsetFetch, kerr.UnstableOffsetCommit, 0)
		_, liftOne := w.refusesStart(kmsg.OffsetFetch, kerr.UnstableOffsetCommit, 1)
		r := w.Start()
		w.Until("joining", func() bool { return len(r.Snapshot().Engine.Partitions) == 2 })
		if ok, _ := r.Ready(); ok {
			t.Error("ready with no partition that was ever read")
		}
		time.Sleep(10 * time.Minute)
		ok, why := r.Ready()
		if ok || !strings.Contains(why, "UNSTABLE_OFFSET_COMMIT") || !strings.Contains(why, "events/0") {
			t.Errorf("ready is %v: %s", ok, why)
		}
		if ok, why := r.Live(); !ok {
			t.Errorf("not live: %s", why)
		}
		liftOne()
		w.Until("one of them", func() bool { ok, _ := r.Ready(); return ok })
		liftBoth()
		w.Backlog(2, 10)
		w.Until("all", w.AllCommitted(2, 10))
		_, lift := w.refusesStart(kmsg.OffsetFetch, kerr.UnstableOffsetCommit, 0)
		_, lift2 := w.refusesStart(kmsg.OffsetFetch, kerr.UnstableOffsetCommit, 1)
		w.ForgetMember()
		time.Sleep(5 * time.Second)
		if ok, why := r.Ready(); !ok {
			t.Errorf("not ready a moment after a rebalance: %s", why)
		}
		time.Sleep(30 * time.Second)
		if ok, _ := r.Ready(); ok {
			t.Error("ready, though nothing has been read for half a minute")
		}
		lift()
		lift2()
		w.Until("all again", func() bool { ok, _ := r.Ready(); return ok })
		w.End(r)
	})
}

// A partition that has had no leader for long is named, in the log about once a minute at most.
func TestAPartitionWithoutALeaderIsNamed(t *testing.T) {
	inVirtualTime(t, 3, func(w *world) {
		r := w.Start()
		w.Backlog(3, 10)
		w.Until("all", w.AllCommitted(3, 10))
		lost := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: apptest.EventTopic, Partitions: []int32{1}, Err: kerr.LeaderNotAvailable, Count: -1})
		stale := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: apptest.EventTopic, Partitions: []int32{1}, Err: kerr.NotLeaderForPartition, Count: -1})
		time.Sleep(8 * time.Second)
		if n := len(w.LogLines("leader-missing")) + len(w.LogLines("leader-refuses")); n != 0 {
			t.Errorf("%d lines within 8s: leaders move", n)
		}
		time.Sleep(30 * time.Minute)
		lines := append(w.LogLines("leader-missing"), w.LogLines("leader-refuses")...)
		if len(lines) == 0 || len(lines) > 60 {
			t.Errorf("%d lines in half an hour", len(lines))
		}
		for _, l := range lines[:min(1, len(lines))] {
			if l["topic"] != apptest.EventTopic || l["partition"] != 1.0 {
				t.Errorf("the log says %v", l)
			}
		}
		if row := rowOf(r, 1); row.Cause != "LEADER_NOT_AVAILABLE" && row.Cause != "NOT_LEADER_OR_FOLLOWER" {
			t.Errorf("the page says %+v", row)
		}
		lost.Remove()
		stale.Remove()
		w.Backlog(3, 10)
		w.Until("all again", w.AllCommitted(3, 20))
		if row := rowOf(r, 1); row.Cause != "" {
			t.Errorf("then the page says %+v", row)
		}
		w.End(r)
	})
}

// A partition whose commits are refused is named, while those of others are taken.
func TestAPartitionWhoseCommitsAreRefusedIsNamed(t *testing.T) {
	inVirtualTime(t, 3, func(w *world) {
		r := w.Start()
		w.Until("the group", w.AllCommitted(3, 0))
		refused := w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: apptest.EventTopic, Partitions: []int32{1}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		w.Backlog(3, 10)
		time.Sleep(10 * time.Minute)
		if row := rowOf(r, 1); row.CommitRefused != "TOPIC_AUTHORIZATION_FAILED" {
			t.Errorf("the page says %+v", row)
		}
		if s := r.Status(); s.Condition.Kind != admin.PartitionCommitRefused || !strings.Contains(s.Condition.String(), "events/1: TOPIC_AUTHORIZATION_FAILED") {
			t.Errorf("the banner says %s", s.Condition)
		}
		lines := w.LogLines("request-refused")
		if len(lines) == 0 || lines[0]["partition"] != 1.0 || lines[0]["topic"] != apptest.EventTopic || lines[0]["cause"] != "TOPIC_AUTHORIZATION_FAILED" {
			t.Errorf("the log says %v", lines)
		}
		refused.Remove()
		w.Until("all", w.AllCommitted(3, 10))
		if s := r.Status(); s.Condition.Kind != admin.Well {
			t.Errorf("then the banner says %s", s.Condition)
		}
		w.End(r)
	})
}

// Where a leader's answer leaves a partition out, or gives no offset, nothing counts as dropped.
func TestALeaderThatLeavesAPartitionOutMakesNoLoss(t *testing.T) {
	for name, empty := range map[string]bool{"left out": true, "without an offset": false} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 1, func(w *world) {
				r := w.Start()
				w.Backlog(1, 100)
				w.Until("all", w.AllCommitted(1, 100))
				var trouble atomic.Bool
				trouble.Store(true)
				w.Cluster.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
					w.Cluster.KeepControl()
					res := req.ResponseKind().(*kmsg.ListOffsetsResponse)
					if !empty {
						rp := kmsg.NewListOffsetsResponseTopicPartition()
						rp.Offset = -1
						rt := kmsg.NewListOffsetsResponseTopic()
						rt.Topic, rt.Partitions = apptest.EventTopic, append(rt.Partitions, rp)
						res.Topics = append(res.Topics, rt)
					}
					return res, nil, trouble.Load()
				})
				w.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: apptest.EventTopic, Err: kerr.OffsetOutOfRange, Count: 1})
				time.Sleep(5 * time.Minute)
				if n := w.Platform.Stats().Received; n != 100 {
					t.Errorf("%d requests for 100 events", n)
				}
				if n := len(w.LogLines("records-dropped")); n != 0 {
					t.Errorf("%d losses are reported", n)
				}
				if n := len(w.LogLines("log-unverified")); n == 0 || n > 10 {
					t.Errorf("%d lines say that the leader cannot be asked", n)
				}
				trouble.Store(false)
				w.Backlog(1, 100)
				w.Until("all again", w.AllCommitted(1, 200))
				w.End(r)
			})
		})
	}
}

// Partitions that are added to the topic are read without a restart.
func TestAddedPartitionsAreRead(t *testing.T) {
	inVirtualTime(t, 1, func(w *world) {
		r, follower := w.Start(), w.Start()
		w.Backlog(1, 10)
		w.Until("the commit", w.AllCommitted(1, 10))
		if _, err := kadm.NewClient(w.Kafka).UpdatePartitions(context.Background(), 4, apptest.EventTopic); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		w.Kafka.ForceMetadataRefresh()
		time.Sleep(10 * time.Second)
		w.Produce(3, apptest.Event(100, 0))
		w.Until("the new partition", func() bool { return w.Committed(3) == 1 })
		w.End(r)
		w.End(follower)
		if n := w.Platform.Stats().Received; n != 11 {
			t.Errorf("%d requests for 11 events", n)
		}
	})
}
