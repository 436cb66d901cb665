package drill

import (
	"fmt"
	"net/http"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"proof/stage"
	"release-forwarder/cmd/testkit/platform"
)

// trouble is one row of the drill.
type trouble struct {
	name string
	// settings are the forwarder's, where the defaults would take too long.
	settings map[string]string
	// provoke brings the trouble about.
	provoke func(d *drill)
	// alerts are those that must become true; others may.
	alerts []string
	// condition is what the banner of the status page is made of; "" where it is not looked at.
	condition string
	// line names the cause; it must stand in /status.json, /readyz or the log. Where says where a person reads it.
	where, line string
}

// answered scripts the platform's answer to all requests that match.
func answered(status int, code string, to func(r *platform.Request) bool) func(r *platform.Request) *platform.Reply {
	return func(r *platform.Request) *platform.Reply {
		if !to(r) {
			return nil
		}
		return &platform.Reply{Status: status, Body: platform.Body{Code: code, Seqno: fmt.Sprint(r.Seq)}.String()}
	}
}

func all(*platform.Request) bool { return true }
func ofLot(lot string) func(*platform.Request) bool {
	return func(r *platform.Request) bool { return r.Params["park_uuid"] == lot }
}

func requests(keys ...kmsg.Key) []kmsg.Key { return keys }

var troubles = []trouble{
	{
		name: "platform down",
		provoke: func(d *drill) {
			d.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Cut: true} })
		},
		alerts: []string{"ReleaseForwarderPlatformRefusesEverything"}, condition: "circuit-open",
		where: "status page, Last failure: `unreachable`", line: `"verdict": "unreachable"`,
	},
	{
		name: "brown-out: nine of ten requests fail, records of 20 minutes ago wait",
		provoke: func(d *drill) {
			d.age(20 * time.Minute)
			d.Platform.Script(answered(http.StatusServiceUnavailable, platform.CodeBusy, func(r *platform.Request) bool { return r.Seq%10 != 0 }))
		},
		alerts: []string{"ReleaseForwarderUndelivered"},
		where:  "status page, Last failure: `failed, code 503`", line: `"code": "503"`,
	},
	{
		name: "one lot refused",
		provoke: func(d *drill) {
			d.Platform.Script(answered(http.StatusForbidden, platform.CodeForbidden, ofLot("lot-1")))
		},
		alerts: []string{"ReleaseForwarderLotRefused"}, condition: "lots-refused",
		where: "status page, Lots that are refused: the lot; log event `lot-refused`", line: `"lot": "lot-1"`,
	},
	{
		name:    "secret wrong for all",
		provoke: func(d *drill) { d.Platform.SetSecret("another") },
		alerts:  []string{"ReleaseForwarderPlatformRefusesEverything", "ReleaseForwarderSecretRefused"}, condition: "circuit-open",
		where: "status page, Last failure: `refused, code 401`", line: `"verdict": "refused"`,
	},
	{
		name:     "storm of dead letters",
		settings: map[string]string{"DLQ_STORM_LIMIT": "20"},
		provoke:  func(d *drill) { d.Platform.Script(answered(http.StatusBadRequest, platform.CodeBadParam, all)) },
		alerts:   []string{"ReleaseForwarderStorm"}, condition: "storm",
		where: "status page, Dead letters: the reason; log event `storm-began`", line: `"event":"storm-began"`,
	},
	{
		name: "dead-letter topic gone",
		provoke: func(d *drill) {
			d.must(d.Kafka.DeleteTopic(stage.DeadLetters))
			d.spoil()
		},
		alerts: []string{"ReleaseForwarderDeadLettersBlocked"}, condition: "dead-letters-blocked",
		where: "log event `letter-blocked`, error: `Unknown Topic Or Partition`", line: "Unknown Topic Or Partition",
	},
	{
		name: "right to write dead letters gone",
		provoke: func(d *drill) {
			d.Kafka.Fault(kfake.Fault{Keys: requests(kmsg.Produce), Topic: stage.DeadLetters, Err: kerr.TopicAuthorizationFailed, Count: -1})
			d.spoil()
		},
		alerts: []string{"ReleaseForwarderDeadLettersBlocked"}, condition: "dead-letters-blocked",
		where: "log event `letter-blocked`, error: `Topic Authorization Failed`", line: "Topic Authorization Failed",
	},
	{
		name:     "broker gone",
		settings: map[string]string{"KAFKA_REBALANCE_TIMEOUT": "5s"},
		provoke:  func(d *drill) { d.BrokerGone() },
		alerts:   []string{"ReleaseForwarderNoPartitions"}, condition: "coordinator-silent",
		where: "`/readyz` and the banner: `Kafka is silent`", line: "Kafka is silent",
	},
	{
		name:     "the group's rights gone",
		settings: map[string]string{"KAFKA_REBALANCE_TIMEOUT": "5s"},
		provoke: func(d *drill) {
			d.Kafka.Fault(kfake.Fault{
				Keys:  requests(kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.OffsetCommit, kmsg.OffsetFetch, kmsg.FindCoordinator),
				Group: stage.Group, Err: kerr.GroupAuthorizationFailed, Count: -1,
			})
		},
		alerts: []string{"ReleaseForwarderNoPartitions"}, condition: "outside-group",
		where: "log event `join-failed`, error: `Group Authorization Failed`", line: "Group Authorization Failed",
	},
	{
		name: "commits refused alone",
		provoke: func(d *drill) {
			d.Kafka.Fault(kfake.Fault{Keys: requests(kmsg.OffsetCommit), Group: stage.Group, Err: kerr.GroupAuthorizationFailed, Count: -1})
		},
		alerts: []string{"ReleaseForwarderCommitsFail"}, condition: "commits-fail",
		where: "log event `request-refused`, error: `Group Authorization Failed`", line: "Group Authorization Failed",
	},
	{
		name:     "reading paused by held records",
		settings: map[string]string{"CONSUMER_MAX_PENDING": "40"},
		provoke: func(d *drill) {
			d.Platform.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Cut: true} })
		},
		alerts: []string{"ReleaseForwarderReadingPaused"}, condition: "circuit-open",
		where: "status page, Partitions, reading: `paused: records`", line: `"paused": "records"`,
	},
	{
		name: "records dropped by retention",
		provoke: func(d *drill) {
			away := d.Kafka.Fault(kfake.Fault{
				Keys: requests(kmsg.Fetch), Topic: stage.Topic, Partitions: []int32{0}, Err: kerr.NotLeaderForPartition, Count: -1,
			})
			begin := d.Kafka.PartitionInfo(stage.Topic, 0).HighWatermark
			d.until(func() error {
				if d.Kafka.PartitionInfo(stage.Topic, 0).HighWatermark < begin+20 {
					return fmt.Errorf("too few records came")
				}
				return nil
			})
			d.must(d.Kafka.DeleteRecords(stage.Topic, 0, begin+10))
			away.Remove()
		},
		alerts: []string{"ReleaseForwarderRecordsDropped"}, condition: "records-dropped",
		where: "log event `records-dropped`: topic, partition, from, to, count", line: `"event":"records-dropped"`,
	},
	{
		name:    "a replica frozen",
		provoke: func(d *drill) { d.other().Signal(syscall.SIGSTOP) },
		alerts:  []string{"ReleaseForwarderReplicaSilent"},
		where:   "the alert's labels `instance` and `pod`", line: "",
	},
}

// event is the i-th event of a steady flow over four lots.
func event(i int, at time.Time, spoilt bool) *kgo.Record {
	plate := `"粤B12345"`
	if spoilt && i%5 == 0 {
		plate = "null"
	}
	value := fmt.Sprintf(`{"park_uuid":"lot-%d","flow_no":"flow-%d","parking_serial":"s-%d","plate":%s}`, i%4, i, i, plate)
	return &kgo.Record{Topic: stage.Topic, Partition: int32(i % stage.Partitions), Value: []byte(value), Timestamp: at}
}
