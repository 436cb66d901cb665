package connect

import (
	"reflect"

	"github.com/segmentio/kafka-go/protocol"
)

// newer are the answers that kmsg decodes, in versions that kafka-go does not know, as types
// with kafka-go's tags: kmsg too takes memory for as many as a list says that bytes are left.
// Each counts from a version on.
var newer = map[protocol.ApiKey]versioned{
	protocol.Metadata:             {reflect.TypeFor[clusterAnswer](), 9},
	protocol.OffsetCommit:         {reflect.TypeFor[commitAnswer](), 8},
	protocol.OffsetForLeaderEpoch: {reflect.TypeFor[epochsAnswer](), 3},
	describeProducers:             {reflect.TypeFor[producersAnswer](), 0},
}

// describeProducers is an API that kafka-go does not know.
const describeProducers protocol.ApiKey = 61

type clusterAnswer struct {
	_ struct{} `kafka:"min=v9,max=v12,tag"`

	ThrottleTimeMs int32 `kafka:"min=v9,max=v12"`
	Brokers        []struct {
		NodeID int32  `kafka:"min=v9,max=v12"`
		Host   string `kafka:"min=v9,max=v12"`
		Port   int32  `kafka:"min=v9,max=v12"`
		Rack   string `kafka:"min=v9,max=v12,nullable"`
	} `kafka:"min=v9,max=v12"`
	ClusterID    string `kafka:"min=v9,max=v12,nullable"`
	ControllerID int32  `kafka:"min=v9,max=v12"`
	Topics       []struct {
		ErrorCode  int16    `kafka:"min=v9,max=v12"`
		Name       string   `kafka:"min=v9,max=v12,nullable"`
		TopicID    [16]byte `kafka:"min=v10,max=v12"`
		IsInternal bool     `kafka:"min=v9,max=v12"`
		Partitions []struct {
			ErrorCode       int16   `kafka:"min=v9,max=v12"`
			PartitionIndex  int32   `kafka:"min=v9,max=v12"`
			LeaderID        int32   `kafka:"min=v9,max=v12"`
			LeaderEpoch     int32   `kafka:"min=v9,max=v12"`
			ReplicaNodes    []int32 `kafka:"min=v9,max=v12"`
			IsrNodes        []int32 `kafka:"min=v9,max=v12"`
			OfflineReplicas []int32 `kafka:"min=v9,max=v12"`
		} `kafka:"min=v9,max=v12"`
		AuthorizedOperations int32 `kafka:"min=v9,max=v12"`
	} `kafka:"min=v9,max=v12"`
	AuthorizedOperations int32 `kafka:"min=v9,max=v10"`
}

type commitAnswer struct {
	_ struct{} `kafka:"min=v8,max=v10,tag"`

	ThrottleTimeMs int32 `kafka:"min=v8,max=v10"`
	Topics         []struct {
		Name       string   `kafka:"min=v8,max=v9"`
		TopicID    [16]byte `kafka:"min=v10,max=v10"`
		Partitions []struct {
			Partition int32 `kafka:"min=v8,max=v10"`
			ErrorCode int16 `kafka:"min=v8,max=v10"`
		} `kafka:"min=v8,max=v10"`
	} `kafka:"min=v8,max=v10"`
}

type epochsAnswer struct {
	_ struct{} `kafka:"min=v4,max=v4,tag"`

	ThrottleTimeMs int32 `kafka:"min=v3,max=v4"`
	Topics         []struct {
		Name       string `kafka:"min=v3,max=v4"`
		Partitions []struct {
			ErrorCode   int16 `kafka:"min=v3,max=v4"`
			Partition   int32 `kafka:"min=v3,max=v4"`
			LeaderEpoch int32 `kafka:"min=v3,max=v4"`
			EndOffset   int64 `kafka:"min=v3,max=v4"`
		} `kafka:"min=v3,max=v4"`
	} `kafka:"min=v3,max=v4"`
}

type producersAnswer struct {
	_ struct{} `kafka:"min=v0,max=v0,tag"`

	ThrottleTimeMs int32 `kafka:"min=v0,max=v0"`
	Topics         []struct {
		Name       string `kafka:"min=v0,max=v0"`
		Partitions []struct {
			Partition int32  `kafka:"min=v0,max=v0"`
			ErrorCode int16  `kafka:"min=v0,max=v0"`
			Message   string `kafka:"min=v0,max=v0,nullable"`
			Active    []struct {
				ProducerID       int64 `kafka:"min=v0,max=v0"`
				Epoch            int32 `kafka:"min=v0,max=v0"`
				LastSequence     int32 `kafka:"min=v0,max=v0"`
				LastTimestamp    int64 `kafka:"min=v0,max=v0"`
				CoordinatorEpoch int32 `kafka:"min=v0,max=v0"`
				TxnStartOffset   int64 `kafka:"min=v0,max=v0"`
			} `kafka:"min=v0,max=v0"`
		} `kafka:"min=v0,max=v0"`
	} `kafka:"min=v0,max=v0"`
}
