package main

import (
	"net/http"

	"release-forwarder/cmd/testkit/platform"
)

// Pages that many cures begin or end with.
var (
	viewer      = night("tools", "Open the viewer")
	replayer    = night("tools", "Open the replayer")
	topicAdmin  = night("tools", "Open the topic admin")
	closed      = night("tools", "Close them")
	strimziBack = night("topics-and-rights", "With Strimzi")
	sendAgain   = workOff("Send again")
	corrected   = workOff("With a corrected field")
	closeIt     = workOff("Close")
	proof       = workOff("Prove that nothing is open")
)

func workOff(heading string) step { return step{page: "docs/how-to/dead-letters.md", heading: heading} }

// of is a step for another value of a placeholder than the trouble's.
func of(s step, name, value string) step {
	s.values = map[string]string{name: value}
	return s
}

func broker(number int, heading string) step {
	return of(night("brokers", heading), "BROKER", brokerPod(number))
}

// over is the last chapter of a runbook.
func over(name string) step { return runbook(name, "How one sees that it is over") }

// worked is the last but one of a page of the night.
func worked(name string) step { return night(name, "How one sees that it worked") }

var troubles = []trouble{
	{
		name: "platform down", few: true, provoke: down,
		alerts: []string{"ReleaseForwarderPlatformRefusesEverything"}, condition: "circuit-open",
		cure: []step{runbook("platform-refuses-everything", "Check"), others(mended), over("platform-refuses-everything")},
	},
	{
		name:    "brown-out: nine of ten requests fail, records of 20 minutes ago wait",
		provoke: brownOut,
		alerts:  []string{"ReleaseForwarderUndelivered"},
		cure:    []step{runbook("undelivered", "Check"), others(mended), over("undelivered")},
	},
	{
		name: "one lot refused", provoke: answer(http.StatusForbidden, platform.CodeForbidden, ofLot("lot-1")),
		alerts: []string{"ReleaseForwarderLotRefused"}, condition: "lots-refused",
		cure: []step{
			runbook("lot-refused", "Check"), night("empty-a-refused-lot", "Give up what waits"), viewer, others(deadLettersOpen),
			worked("empty-a-refused-lot"), night("empty-a-refused-lot", "Take it back"), others(mended), replayer,
			night("empty-a-refused-lot", "Send them again"), over("lot-refused"), closed,
		},
	},
	{
		name: "secret wrong for all", few: true, provoke: secretChanged,
		alerts: []string{"ReleaseForwarderPlatformRefusesEverything", "ReleaseForwarderSecretRefused"}, condition: "circuit-open",
		cure: []step{runbook("secret-refused", "Check"), runbook("secret-refused", "Fix"), others(accepted), over("secret-refused")},
	},
	{
		name: "storm of dead letters, with KEDA", few: true, provoke: storm, tidy: withoutKEDA,
		alerts: []string{"ReleaseForwarderStorm"}, condition: "storm", standIn: "KEDA",
		cure: []step{
			night("pause", "Before"), night("pause", "With KEDA"), worked("pause"), viewer, runbook("dead-letter-storm", "Check"), others(mended),
			night("resume", "With KEDA"), worked("resume"), replayer, sendAgain, over("dead-letter-storm"), proof, closed,
		},
	},
	{
		name: "dead-letter topic gone", provoke: deadLetterTopicGone,
		alerts: []string{"ReleaseForwarderDeadLettersBlocked"}, condition: "dead-letters-blocked", standIn: "Strimzi",
		cure: []step{
			runbook("dead-letters-blocked", "Check"), of(strimziBack, "TOPIC", deadLetters), worked("topics-and-rights"), over("dead-letters-blocked"),
			others(deadLettersOpen), replayer, corrected, viewer, proof, closed,
		},
	},
	{
		name: "right to write dead letters gone", provoke: deadLetterRightGone,
		alerts: []string{"ReleaseForwarderDeadLettersBlocked"}, condition: "dead-letters-blocked", standIn: "Strimzi",
		cure: []step{
			runbook("dead-letters-blocked", "Check"), of(strimziBack, "TOPIC", deadLetters), worked("topics-and-rights"), over("dead-letters-blocked"),
			others(deadLettersOpen), replayer, closeIt, viewer, proof, closed,
		},
	},
	{
		name: "receipts' topic gone, and commits wait for it", provoke: receiptsTopicGone, tidy: withoutReceipts,
		alerts: []string{"ReleaseForwarderReceiptsMissing"}, condition: "receipts-late", standIn: "Strimzi",
		cure: []step{
			runbook("receipts-missing", "Check"), runbook("receipts-missing", "Let the commits pass"), strimziBack, night("topics-and-rights", "The receipts' topic and its rights"),
			worked("topics-and-rights"), over("receipts-missing"),
		},
	},
	{
		name: "all brokers gone", provoke: brokers("kill", 0, 1, 2),
		alerts: []string{"ReleaseForwarderNoPartitions"}, condition: "coordinator-silent", standIn: "Strimzi",
		cure: []step{
			runbook("not-reading", "Check"), night("brokers", "Look"), broker(0, "With Strimzi"), broker(1, "With Strimzi"), broker(2, "With Strimzi"),
			broker(0, "How one sees that it worked"), others(brokersBack), over("not-reading"),
		},
	},
	{
		name: "the group's rights gone", provoke: groupRightGone,
		alerts: []string{"ReleaseForwarderNoPartitions"}, condition: "outside-group", standIn: "Strimzi",
		cure: []step{runbook("not-reading", "Check"), strimziBack, worked("topics-and-rights"), over("not-reading")},
	},
	{
		name: "commits refused alone: too few brokers for the offsets' topic", provoke: commitsRefused, tidy: offsetsAsBefore,
		alerts: []string{"ReleaseForwarderCommitsFail"}, condition: "commits-fail", standIn: "Strimzi",
		cure: []step{
			runbook("commits-fail", "Check"), runbook("commits-fail", "As Kafka's administrator"), over("commits-fail"),
			night("brokers", "With Strimzi"), worked("brokers"), others(brokersBack),
		},
	},
	{
		name: "reading paused by held records", provoke: downAndBusy,
		alerts: []string{"ReleaseForwarderReadingPaused"}, condition: "circuit-open",
		cure: []step{runbook("reading-paused", "Check"), others(mended), over("reading-paused")},
	},
	{
		name: "records dropped by retention", provoke: recordsDropped,
		alerts: []string{"ReleaseForwarderRecordsDropped"}, condition: "records-dropped",
		cure: []step{runbook("records-dropped", "Check"), others(sentAgain), night("replace-the-replicas", "Replace them"), over("records-dropped")},
	},
	{
		name: "a replica frozen", provoke: frozen,
		alerts: []string{"ReleaseForwarderReplicaSilent"}, condition: "well",
		cure: []step{runbook("not-reading", "Check"), runbook("not-reading", "Replace a frozen replica"), over("not-reading")},
	},
	{
		name: "an open transaction", provoke: openTransaction,
		alerts: []string{"ReleaseForwarderOpenTransaction"}, condition: "open-transaction",
		cure: []step{
			topicAdmin, runbook("open-transaction", "Check"), runbook("open-transaction", "Whose it is"),
			runbook("open-transaction", "Abort it"), others(sentOutside), over("open-transaction"), closed,
		},
	},
	{
		name: "two brokers hang", provoke: brokers("pause", 0, 1),
		alerts: []string{"ReleaseForwarderPartitionNotRead"}, standIn: "Strimzi",
		cure: []step{
			runbook("not-reading", "Check"), night("brokers", "Look"), broker(0, "With Strimzi"), broker(1, "With Strimzi"),
			broker(0, "How one sees that it worked"), others(brokersBack), over("not-reading"),
		},
	},
	{
		name: "a replica crashes over and over", provoke: set("RETRY_BUDGET=many"),
		alerts: []string{"ReleaseForwarderReplicaRestarts"}, condition: "well",
		cure: []step{runbook("replica-restarts", "Check"), night("roll-back", "Go back"), worked("roll-back"), over("replica-restarts")},
	},
	{
		name: "a replica of other settings", provoke: set("DLQ_TOPIC=no-such-topic"),
		alerts: []string{"ReleaseForwarderSettingsDiffer"}, condition: "no-dead-letter-topic",
		cure: []step{runbook("settings-differ", "Check"), night("roll-back", "Go back"), worked("roll-back"), over("settings-differ")},
	},
	{
		name: "a replica's log pipe is stuck", provoke: logStuck, tidy: set("OTEL_TRACES_EXPORTER-", "OTEL_TRACES_SAMPLER-"),
		alerts: []string{"ReleaseForwarderLogLinesDropped"}, condition: "well",
		cure: []step{runbook("log-lines-dropped", "Check"), over("log-lines-dropped")},
	},
	{
		name: "records near retention", few: true, provoke: nearRetention,
		alerts: []string{"ReleaseForwarderRetentionVeryNear"}, condition: "circuit-open", standIn: "Strimzi",
		cure: []step{
			runbook("retention-near", "Check"), night("buy-retention-time", "With Strimzi"), worked("buy-retention-time"), others(quiet), others(mended),
			over("retention-near"), others(caughtUp), night("buy-retention-time", "Take it back with Strimzi"),
		},
	},
	{
		name: "records near retention, without Strimzi", provoke: nearRetentionAlone, tidy: withStrimzi,
		alerts: []string{"ReleaseForwarderRetentionVeryNear"}, condition: "circuit-open",
		cure: []step{
			runbook("retention-near", "Check"), topicAdmin, night("buy-retention-time", "With Kafka's own tools"), worked("buy-retention-time"), others(quiet),
			others(mended), over("retention-near"), others(caughtUp), night("buy-retention-time", "Take it back with Kafka's own tools"), closed,
		},
	},
}
