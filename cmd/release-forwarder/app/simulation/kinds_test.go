package simulation

import (
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/memnet"
)

// kind is a kind of fault.
type kind struct {
	name        string
	weight      int // how often it is drawn
	least, most time.Duration
	early       bool // hits what happens at the start above all
	everybody   bool // a condition on all links, of members that join later too
	// begin makes it happen and returns what ends it; nil if it is over at once.
	begin func(s *simulation, f *fault) (end func())
}

// kinds are all kinds of faults. The simulation's own test wants every one of
// them to have hit a request in flight.
var kinds = func() []*kind {
	second := time.Second
	k := []*kind{
		// What a broker answers.
		refusing("commit refused", 4, kmsg.OffsetCommit, byGroup, kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.NotCoordinator,
			kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.GroupAuthorizationFailed, kerr.RequestTimedOut, kerr.StaleMemberEpoch),
		refusing("heartbeat refused", 4, kmsg.Heartbeat, byMember, kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.NotCoordinator,
			kerr.CoordinatorNotAvailable, kerr.GroupAuthorizationFailed, kerr.FencedMemberEpoch),
		refusing("join refused", 9, kmsg.JoinGroup, byNewcomer, kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.UnknownMemberID, kerr.GroupAuthorizationFailed),
		refusing("sync refused", 5, kmsg.SyncGroup, byGroup, kerr.RebalanceInProgress, kerr.NotCoordinator, kerr.UnknownMemberID, kerr.IllegalGeneration),
		refusing("coordinator not found", 4, kmsg.FindCoordinator, byGroup, kerr.CoordinatorNotAvailable, kerr.GroupAuthorizationFailed, kerr.UnknownServerError),
		refusing("fetch refused", 4, kmsg.Fetch, byTopic(apptest.EventTopic), kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.KafkaStorageError, kerr.OffsetOutOfRange,
			kerr.FencedLeaderEpoch, kerr.UnknownServerError, kerr.TopicAuthorizationFailed, kerr.ReplicaNotAvailable),
		refusing("log bounds refused", 5, kmsg.ListOffsets, byTopic(apptest.EventTopic), kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.TopicAuthorizationFailed),
		refusing("epoch's end refused", 5, kmsg.OffsetForLeaderEpoch, byTopic(apptest.EventTopic), kerr.NotLeaderForPartition, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch,
			kerr.KafkaStorageError, kerr.UnknownTopicOrPartition, kerr.TopicAuthorizationFailed, kerr.OffsetNotAvailable, kerr.UnknownServerError),
		refusing("committed offsets refused", 5, kmsg.OffsetFetch, byGroup, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.GroupAuthorizationFailed, kerr.UnstableOffsetCommit),
		refusing("metadata refused", 3, kmsg.Metadata, byTopic(apptest.EventTopic), kerr.LeaderNotAvailable),
		leaveRefused(refusing("leave refused", 8, kmsg.LeaveGroup, byLeaver, kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.UnknownMemberID, kerr.GroupAuthorizationFailed)),
		refusing("versions refused", 5, kmsg.ApiVersions, byService, kerr.UnsupportedVersion, kerr.UnknownServerError),
		refusing("dead letter refused", 5, kmsg.Produce, byTopic(apptest.DeadLetterTopic), kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.NotLeaderForPartition, kerr.MessageTooLarge,
			kerr.TopicAuthorizationFailed, kerr.RequestTimedOut, kerr.KafkaStorageError),

		// The network and the brokers as machines.
		{name: "connections to Kafka cut", weight: 4, begin: cutKafka},
		{name: "connections to the platform cut", weight: 6, begin: cutPlatform},
		{name: "half-open to Kafka", everybody: true, weight: 4, least: 2 * second, most: 15 * second, begin: onLinks(toKafka, halfOpen)},
		{name: "half-open to the platform", everybody: true, weight: 8, least: second, most: 8 * second, begin: onLinks(toPlatform, halfOpen)},
		{name: "slow broker", everybody: true, weight: 4, least: 2 * second, most: 15 * second, begin: onLinks(toOneBroker, slow)},
		{name: "silent broker", everybody: true, weight: 8, least: 2 * second, most: 25 * second, begin: onLinks(toOneBroker, silent)},
		{name: "broker restarted", everybody: true, weight: 6, least: second, most: 10 * second, begin: restartBroker},
		{name: "leader moved", weight: 5, begin: moveLeader},
		{name: "coordinator moved", weight: 6, begin: moveCoordinator},
		{name: "partitions added", weight: 3, begin: addPartitions},

		// What becomes of a log.
		{name: remaking, weight: 5, most: 5 * second, begin: remakeTopic},
		{name: truncation, weight: 7, begin: truncateLog},

		// Members of the group.
		{name: "member joins", weight: 9, begin: joinMember},
		{name: "member of another version joins", weight: 6, begin: joinOtherVersion},
		{name: "member told to stop", weight: 18, begin: stopMember},
		{name: "member killed", weight: 10, begin: killMember},
		{name: "member stalled past its session", weight: 6, least: sessionTime + second, most: 3 * sessionTime, begin: onOne(everywhere, silent)},
		{name: "member cut off from Kafka", weight: 6, least: second, most: 3 * sessionTime, begin: onOne(toKafka, silent)},
	}
	return append(k, platformKinds()...)
}()

// selector narrows a broker's fault to the service's own requests.
type selector func(f *kfake.Fault)

// byService is for requests that name nothing of the service's: it asks in the oldest
// version, which every broker knows, the observer's own client in a later one.
func byService(f *kfake.Fault) {
	hits := f.When
	f.When = func(req kmsg.Request) bool { return req.GetVersion() == 0 && hits(req) }
}

func byGroup(f *kfake.Fault) { f.Group = apptest.Group }

// byMember is for heartbeats of either protocol, byNewcomer and byLeaver for what joins and leaves in the consumer
// protocol, which are heartbeats there.
func byMember(f *kfake.Fault)   { byEpoch(f, func(epoch int32) bool { return epoch > 0 }) }
func byNewcomer(f *kfake.Fault) { byEpoch(f, func(epoch int32) bool { return epoch == 0 }) }
func byLeaver(f *kfake.Fault)   { byEpoch(f, func(epoch int32) bool { return epoch < 0 }) }

func byEpoch(f *kfake.Fault, is func(epoch int32) bool) {
	f.Group = apptest.Group
	f.Keys = append(f.Keys, kmsg.ConsumerGroupHeartbeat)
	hits := f.When
	f.When = func(req kmsg.Request) bool {
		beat, consumer := req.(*kmsg.ConsumerGroupHeartbeatRequest)
		return (!consumer || is(beat.MemberEpoch)) && hits(req)
	}
}

func byTopic(topic string) selector { return func(f *kfake.Fault) { f.Topic = topic } }

// refusing answers all requests of one type, or every second one, with an error.
func refusing(name string, weight int, key kmsg.Key, only selector, errs ...*kerr.Error) *kind {
	return &kind{
		name: name, weight: weight, least: 500 * time.Millisecond, most: 12 * time.Second,
		early: key == kmsg.ListOffsets || key == kmsg.OffsetForLeaderEpoch || key == kmsg.OffsetFetch || key == kmsg.JoinGroup || key == kmsg.SyncGroup || key == kmsg.FindCoordinator || key == kmsg.ApiVersions,
		begin: func(s *simulation, f *fault) func() {
			var last kmsg.Request
			count, every := 0, int(1+f.b%2)
			answer := kfake.Fault{Keys: []kmsg.Key{key}, Err: errs[f.a%uint64(len(errs))], Count: -1, When: func(req kmsg.Request) bool {
				if req != last {
					last = req
					count++
				}
				if count%every != 0 {
					return false
				}
				f.hit(1)
				return true
			}}
			only(&answer)
			over := s.observer.disturb(nil)
			s.observer.tell("  … with %s", answer.Err.Message)
			remove := s.refuse(answer)
			return func() { remove(); over() }
		},
	}
}

// leaveRefused tells a member to stop while it cannot leave the group.
func leaveRefused(k *kind) *kind {
	begin := k.begin
	k.begin = func(s *simulation, f *fault) func() {
		end := begin(s, f)
		if m := s.pick(f.a); m != nil {
			s.halt(m)
			s.comeBack(f)
		}
		return end
	}
	return k
}

// Which of a host's connections a fault is about.
type scope func(s *simulation, f *fault) func(address string) bool

func toPlatform(*simulation, *fault) func(string) bool { return isPlatform }
func toKafka(*simulation, *fault) func(string) bool {
	return func(address string) bool { return !isPlatform(address) }
}
func everywhere(*simulation, *fault) func(string) bool { return func(string) bool { return true } }
func toOneBroker(s *simulation, f *fault) func(string) bool {
	broker := s.brokers[f.a%uint64(len(s.brokers))]
	return func(address string) bool { return same(address, broker) }
}

func isPlatform(address string) bool { return strings.HasSuffix(address, ":80") }

func same(a, b string) bool {
	return strings.Replace(a, "localhost", "127.0.0.1", 1) == strings.Replace(b, "localhost", "127.0.0.1", 1)
}

func halfOpen(f *fault) memnet.Condition {
	return memnet.Condition{LoseRequests: f.b%2 == 0, LoseAnswers: f.b%2 == 1}
}
func silent(*fault) memnet.Condition { return memnet.Condition{Hold: true} }
func slow(f *fault) memnet.Condition {
	return memnet.Condition{Delay: 50*time.Millisecond + time.Duration(f.b%1500)*time.Millisecond}
}

// onLinks puts a condition on the connections of all members.
func onLinks(which scope, what func(*fault) memnet.Condition) func(*simulation, *fault) func() {
	return func(s *simulation, f *fault) func() { return s.affect(f, nil, which(s, f), what(f)) }
}

// onOne puts a condition on the connections of one member.
func onOne(which scope, what func(*fault) memnet.Condition) func(*simulation, *fault) func() {
	return func(s *simulation, f *fault) func() {
		m := s.pick(f.a)
		if m == nil {
			return nil
		}
		s.observer.tell("  … replica %d", m.number)
		return s.affect(f, m, which(s, f), what(f))
	}
}

func cutKafka(s *simulation, f *fault) func() {
	over := s.observer.disturb(nil)
	s.cut(f, func(address string) bool { return !isPlatform(address) })
	over()
	return nil
}

func cutPlatform(s *simulation, f *fault) func() {
	s.foul(nil, true)
	s.cut(f, isPlatform)
	s.foul(nil, false)
	return nil
}

// restartBroker takes a broker away: its connections are cut, new ones refused;
// another leads and coordinates, at once or not at all until it is back.
func restartBroker(s *simulation, f *fault) func() {
	n := int32(f.a % uint64(len(s.brokers)))
	gone := func(address string) bool { return same(address, s.brokers[n]) }
	end := s.affect(f, nil, gone, memnet.Condition{Refuse: true})
	s.cut(f, gone)
	if f.b%3 > 0 {
		for _, topic := range []string{apptest.EventTopic, apptest.DeadLetterTopic} {
			for _, p := range s.cluster.Load().PartitionInfos(topic) {
				if p.Leader == n {
					_ = s.cluster.Load().MoveTopicPartition(topic, p.Partition, (n+1+p.Partition%2)%3) // both are there
				}
			}
		}
		for range 50 {
			if s.cluster.Load().CoordinatorFor(apptest.Group) != n {
				break
			}
			s.cluster.Load().RehashCoordinators()
		}
	}
	return end
}

func moveLeader(s *simulation, f *fault) func() {
	over := s.observer.disturb(nil)
	topic := []string{apptest.EventTopic, apptest.EventTopic, apptest.DeadLetterTopic}[f.b%3]
	infos := s.cluster.Load().PartitionInfos(topic)
	if len(infos) == 0 {
		over()
		return nil
	}
	p := infos[f.a%uint64(len(infos))]
	f.hit(s.asked(s.brokers[p.Leader]))
	_ = s.cluster.Load().MoveTopicPartition(topic, p.Partition, (p.Leader+1+int32(f.b%2))%3) // it is there
	over()
	return nil
}

func moveCoordinator(s *simulation, f *fault) func() {
	over := s.observer.disturb(nil)
	before := s.cluster.Load().CoordinatorFor(apptest.Group)
	f.hit(s.asked(s.brokers[before]))
	for range 50 {
		s.cluster.Load().RehashCoordinators()
		if s.cluster.Load().CoordinatorFor(apptest.Group) != before {
			break
		}
	}
	over()
	return nil
}
