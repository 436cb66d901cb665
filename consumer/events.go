package consumer

import (
	"log/slog"

	"release-forwarder/consumer/logevent"
)

var events logevent.List

// Events lists the log events of this package.
func Events() logevent.List { return events }

var (
	eventJoined = events.Add(logevent.Event{Name: "joined", Level: slog.LevelInfo, State: true,
		Message: "joined the group"})
	eventDrained = events.Add(logevent.Event{Name: "drained", Level: slog.LevelInfo, State: true,
		Message: "partitions given up"})
	eventDrainLimit = events.Add(logevent.Event{Name: "drain-limit", Level: slog.LevelWarn, State: true,
		Message: "the drain's limit was reached: open deliveries were cut, they stay uncommitted and may be sent again",
		Remedy:  "raise CONSUMER_DRAIN_TIMEOUT above UPSTREAM_TIMEOUT, and KAFKA_REBALANCE_TIMEOUT with it"})
	eventFenced = events.Add(logevent.Event{Name: "fenced", Level: slog.LevelWarn, State: true,
		Message: "fenced: the group took this member's partitions away; what was open is cut and may be sent again by their new owner",
		Remedy:  "once: nothing; often: look for CPU throttling and network loss, raise KAFKA_SESSION_TIMEOUT",
		Runbook: "rebalances"})
	eventStuck = events.Add(logevent.Event{Name: "stuck", Level: slog.LevelError, State: true,
		Message: "a delivery does not end, or none begins although it could: /livez answers 503 until it moves",
		Remedy:  "a defect of this program: keep what and the log before it, and report it; a restart helps",
		Runbook: "not-reading"})
	eventJoinFailed = events.Add(logevent.Event{Name: "join-failed", Level: slog.LevelWarn,
		Message: "joining the group failed; tried again",
		Remedy:  "the line's own remedy says what the error asks for: KAFKA_SESSION_TIMEOUT, a right on the group, another KAFKA_GROUP_ID, or to wait for the coordinator",
		Runbook: "not-reading"})
	eventNoBroker = events.Add(logevent.Event{Name: "no-broker", Level: slog.LevelWarn,
		Message: "no broker has answered yet; waiting for Kafka",
		Remedy:  "look at KAFKA_BROKERS, the network and the brokers; release-forwarder doctor says at which step it fails",
		Runbook: "not-reading"})
	eventTopicMissing = events.Add(logevent.Event{Name: "topic-missing", Level: slog.LevelWarn,
		Message: "an event topic does not exist, or this user may not describe it; waiting for it",
		Remedy:  "check KAFKA_TOPIC, create the topic, or grant this user Describe and Read on it",
		Runbook: "not-reading"})
	eventOptionalTopicMissing = events.Add(logevent.Event{Name: "optional-topic-missing", Level: slog.LevelWarn,
		Message: "an optional topic does not exist, or this user may not describe it; it is read once it can be",
		Remedy:  "create KAFKA_REPLAY_TOPIC, or grant this user Describe and Read on it",
		Runbook: "not-reading"})
	eventTopicsChanged = events.Add(logevent.Event{Name: "topics-changed", Level: slog.LevelInfo, State: true,
		Message: "a topic was created or deleted; the group reassigns its partitions"})

	eventPartitionBegins = events.Add(logevent.Event{Name: "partition-begins", Level: slog.LevelInfo, State: true,
		Message: "partition without a committed offset starts at its first record"})
	eventOffsetsUnreadable = events.Add(logevent.Event{Name: "offsets-unreadable", Level: slog.LevelWarn,
		Message: "the group's committed offsets cannot be read; tried again",
		Remedy:  "read error: grant this user Read on the group, or look at the group's coordinator",
		Runbook: "not-reading"})
	eventBoundsUnreadable = events.Add(logevent.Event{Name: "bounds-unreadable", Level: slog.LevelWarn,
		Message: "the bounds of a partition's log cannot be read; tried again",
		Remedy:  "read error: the partition has no leader, or this user may not describe the topic",
		Runbook: "not-reading"})
	eventMetadataIgnored = events.Add(logevent.Event{Name: "metadata-ignored", Level: slog.LevelWarn, State: true,
		Message: "the commit's metadata is ignored: it was not written at this place by this version (moved beside another offset, copied from another cluster, another program's or another version's), or is damaged; records done beyond the commit are sent again, none is skipped",
		Remedy:  "nothing; if it was not expected, find out who writes the group's offsets"})
	eventMetadataTooLarge = events.Add(logevent.Event{Name: "metadata-too-large", Level: slog.LevelError, State: true,
		Message: "the broker takes less commit metadata than 4096 bytes (offset.metadata.max.bytes): only the watermark is committed, a kill repeats all that is done beyond it",
		Remedy:  "raise offset.metadata.max.bytes to 4096 at the brokers, then restart"})
	eventCommitSplit = events.Add(logevent.Event{Name: "commit-split", Level: slog.LevelWarn, State: true,
		Message: "the coordinator refused a commit as too large: it is sent in parts",
		Remedy:  "nothing; a larger max.message.bytes of __consumer_offsets, and a restart, make it one request again"})
	eventCommitStripped = events.Add(logevent.Event{Name: "commit-stripped", Level: slog.LevelError, State: true,
		Message: "the coordinator refuses a partition's commit as too large with its metadata: such a partition commits only the watermark, a kill repeats what is done beyond it",
		Remedy:  "raise max.message.bytes of __consumer_offsets above 8192, then restart"})
	eventAboveLogEnd = events.Add(logevent.Event{Name: "above-log-end", Level: slog.LevelWarn, State: true,
		Message: "the position is above the log's end, and no leader epoch says why; believed only after 30s, since a new leader may lag",
		Remedy:  "wait 30s; if it stays, the topic was truncated or recreated",
		Runbook: "records-dropped"})
	eventPartitionParked = events.Add(logevent.Event{Name: "partition-parked", Level: slog.LevelError, State: true,
		Message: "Kafka no longer has records that were not read (retention); the partition waits for a person, as KAFKA_OFFSET_RESET=none says: set the group's offset and start the replicas again",
		Remedy:  "decide what becomes of the gap, stop all replicas, set the group's offset of the partition, start them",
		Runbook: "records-dropped"})
	eventRecordsDropped = events.Add(logevent.Event{Name: "records-dropped", Level: slog.LevelError, State: true,
		Message: "Kafka dropped records before they could be read (retention); reading goes on at the first record there is",
		Remedy:  "have the producer send the offsets from to to again",
		Runbook: "records-dropped"})
	eventLogReplaced = events.Add(logevent.Event{Name: "log-replaced", Level: slog.LevelError, State: true,
		Message: "the log is another one than was read before, from an offset on; reading goes on at the offset next, when all that was read above is finished",
		Remedy:  "why says how; have the producer send again what of the offsets from to to had not been sent: docs/how-to/moving.md",
		Runbook: "records-dropped"})
	eventLogReplacedParked = events.Add(logevent.Event{Name: "log-replaced-parked", Level: slog.LevelError, State: true,
		Message: "the log is another one than was read before, from an offset on; the partition waits for a person, as KAFKA_OFFSET_RESET=none says: set the group's offset and start the replicas again",
		Remedy:  "decide where reading goes on, stop all replicas, set the group's offset of the partition, start them",
		Runbook: "records-dropped"})
	eventLogUnverified = events.Add(logevent.Event{Name: "log-unverified", Level: slog.LevelWarn,
		Message: "a partition's leader cannot be asked whether its log is the one read earlier; the partition is not read until it can",
		Remedy:  "read cause: bring back the partition's leader, or grant this user Describe on the topic",
		Runbook: "not-reading"})

	eventLeaderMissing = events.Add(logevent.Event{Name: "leader-missing", Level: slog.LevelWarn,
		Message: "a partition has no known leader; it is read once it has one",
		Remedy:  "read cause: bring back the brokers that hold the partition, or grant this user Describe on the topic",
		Runbook: "not-reading"})
	eventLeaderRefuses = events.Add(logevent.Event{Name: "leader-refuses", Level: slog.LevelWarn,
		Message: "a broker named as a partition's leader says it is not; the leader is looked up again",
		Remedy:  "look at the partition's leader and at the controller: they do not agree",
		Runbook: "not-reading"})
	eventFetchFailed = events.Add(logevent.Event{Name: "fetch-failed", Level: slog.LevelWarn,
		Message: "fetch failed; tried again"})
	eventFetchRefused = events.Add(logevent.Event{Name: "fetch-refused", Level: slog.LevelWarn,
		Message: "the broker refused a read of a partition; tried again",
		Remedy:  "read error: grant this user Read on the topic, or look at the partition's leader",
		Runbook: "not-reading"})
	eventFetchThrottled = events.Add(logevent.Event{Name: "fetch-throttled", Level: slog.LevelInfo,
		Message: "a broker throttles the reading, as the quotas of this user or client say",
		Remedy:  "once: nothing; often: raise the quota of KAFKA_CLIENT_ID or of this user"})
	eventLogUnreadable = events.Add(logevent.Event{Name: "log-unreadable", Level: slog.LevelError, State: true,
		Message: "the log cannot be read here: this partition stops until it can, the others go on; see the broker's log for a damaged disk, and docs/how-to/night/skip-one-record.md for skipping the record",
		Remedy:  "too large: raise KAFKA_MAX_RECORD_BYTES; damaged: repair the broker's disk, or skip the record; message format v0 or v1: have it sent again in v2, and skip it",
		Runbook: "not-reading"})
	eventRecordLarge = events.Add(logevent.Event{Name: "record-large", Level: slog.LevelWarn,
		Message: "a record above KAFKA_MAX_RECORD_BYTES is processed; such records go one at a time",
		Remedy:  "raise KAFKA_MAX_RECORD_BYTES if such records are usual"})

	eventLargeUnreadable = events.Add(logevent.Event{Name: "large-unreadable", Level: slog.LevelWarn,
		Message: "a record above KAFKA_MAX_RECORD_BYTES cannot be read again for its delivery; tried again",
		Remedy:  "read cause: look at the partition's leader, or grant this user Read on the topic",
		Runbook: "not-reading"})
	eventLargeDropped = events.Add(logevent.Event{Name: "large-dropped", Level: slog.LevelError, State: true,
		Message: "Kafka dropped a record above KAFKA_MAX_RECORD_BYTES while it waited to be sent (retention, truncation, or the topic was recreated); it is passed over",
		Remedy:  "have the producer send the offset from again",
		Runbook: "records-dropped"})
)
