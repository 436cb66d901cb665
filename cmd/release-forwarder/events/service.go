package events

import (
	"log/slog"

	"release-forwarder/consumer/logevent"
)

var own logevent.List

// What the service itself logs.
var (
	Started = own.Add(logevent.Event{Name: "started", Level: slog.LevelInfo, State: true,
		Message: "started"})
	Stopped = own.Add(logevent.Event{Name: "stopped", Level: slog.LevelInfo, State: true,
		Message: "stopped"})
	Setting = own.Add(logevent.Event{Name: "setting", Level: slog.LevelWarn,
		Message: "setting",
		Remedy:  "read what; it names the setting"})
	StartCheck = own.Add(logevent.Event{Name: "start-check", Level: slog.LevelWarn, State: true,
		Message: "a check at the start"})
	StartCheckUnknown = own.Add(logevent.Event{Name: "start-check-unknown", Level: slog.LevelInfo,
		Message: "this user may not see everything that is checked at the start; release-forwarder doctor lists it"})
	PartitionsUnowned = own.Add(logevent.Event{Name: "partitions-unowned", Level: slog.LevelError, State: true,
		Message: "partitions have no owner: no one reads them",
		Remedy:  "found says who is in the group; release-forwarder doctor says more. A replica that crashes again and again (its partitions wait each time until its session ends): find out why. Another program, a member that subscribes to other topics, or one that assigns wrongly: give it a group of its own, or stop it",
		Runbook: "not-reading"})
	PartitionsOwned = own.Add(logevent.Event{Name: "partitions-owned", Level: slog.LevelInfo, State: true,
		Message: "each partition has an owner again"})
	OwnersUnknown = own.Add(logevent.Event{Name: "owners-unknown", Level: slog.LevelWarn, State: true,
		Message: "which partitions have an owner cannot be seen: nothing warns when no one reads one",
		Remedy:  "grant this user Describe on the group, and on the topics of all its members",
		Runbook: "not-reading"})
	KafkaUnreachable = own.Add(logevent.Event{Name: "kafka-unreachable", Level: slog.LevelError, State: true,
		Message: "Kafka cannot be reached; retried indefinitely",
		Remedy:  "error says at which step (unreachable, tls, protocol, sasl) and what to look at",
		Runbook: "not-reading"})
	RetentionUnknown = own.Add(logevent.Event{Name: "retention-unknown", Level: slog.LevelWarn, State: true,
		Message: "a topic's retention cannot be seen: nothing warns before Kafka deletes unfinished records",
		Remedy:  "grant this user DescribeConfigs on the topic",
		Runbook: "retention-near"})

	OpenTransaction = own.Add(logevent.Event{Name: "open-transaction", Level: slog.LevelWarn,
		Message: "an open transaction holds back records: nothing from its first record on can be read until it ends",
		Remedy:  "have the producer commit or abort; a transaction that no one will end: kafka-transactions.sh abort",
		Runbook: "open-transaction"})
	OpenTransactionOver = own.Add(logevent.Event{Name: "open-transaction-over", Level: slog.LevelInfo,
		Message: "the open transaction has ended: what it held back is read now"})
	PartitionNotRead = own.Add(logevent.Event{Name: "partition-not-read", Level: slog.LevelWarn,
		Message: "a partition is not read",
		Remedy:  "cause says why; failing: look at the partition's leader and the lines before",
		Runbook: "not-reading"})
	PartitionReadAgain = own.Add(logevent.Event{Name: "partition-read-again", Level: slog.LevelInfo,
		Message: "the partition is read again"})

	CircuitOpened = own.Add(logevent.Event{Name: "circuit-opened", Level: slog.LevelError, State: true,
		Message: "circuit opened: the platform accepts nothing; one attempt a second until it does, no dead letters, no commit past what was accepted",
		Remedy:  "last says why: refused is the secret or app ID, unreachable or timeout the network or the platform, failed or unreadable: ask the platform, with seqno",
		Runbook: "platform-refuses-everything"})
	CircuitClosed = own.Add(logevent.Event{Name: "circuit-closed", Level: slog.LevelInfo, State: true,
		Message: "circuit closed: the platform accepts again"})
	DeadLetterTopicMissing = own.Add(logevent.Event{Name: "letter-topic-missing", Level: slog.LevelWarn,
		Message: "the dead-letter topic does not exist, or this user may not describe it; a dead letter would stop its partition's commit",
		Remedy:  "create DLQ_TOPIC, or grant this user Describe and Write on it",
		Runbook: "dead-letters-blocked"})
	CredentialsChanged = own.Add(logevent.Event{Name: "credentials-changed", Level: slog.LevelInfo, State: true,
		Message: "the changed credentials are in force"})
	SecretSwitched = own.Add(logevent.Event{Name: "secret-switched", Level: slog.LevelInfo, State: true,
		Message: "the platform takes the other secret of this credential, which stays in use"})
	AdminEnded = own.Add(logevent.Event{Name: "admin-ended", Level: slog.LevelError, State: true,
		Message: "the admin server ended",
		Remedy:  "read error; probes and metrics are gone until a restart"})
	TelemetryDropped = own.Add(logevent.Event{Name: "telemetry-dropped", Level: slog.LevelWarn, State: true,
		Message: "telemetry could not be flushed in time; the rest is dropped",
		Remedy:  "look at the collector; deliveries do not wait for it"})
)
