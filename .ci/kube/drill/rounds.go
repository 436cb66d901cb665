package main

// rounds are what the pages say for other cases than the troubles': the rarer ones, the other ways, and what is done while all is well.
// None of them needs an alert. Each ends as a trouble does: all is well, and no dead letter is open.
var rounds = []trouble{
	{
		name: "a car is looked for", provoke: carSpoiled,
		cure: []step{
			whole("What each replica says"), whole("How long you have"), viewer, worked("tools"), find("Finding an event"), find("Choosing"),
			workOff("From where, and as which Kafka user"), workOff("What came in, and why"), workOff("Hand to the vendor, and close"), replayer, closeIt, proof, closed,
		},
	},
	{
		name: "the hourly check, by hand", provoke: checkSuspended,
		cure: []step{
			runbook("letters-check", "Check"), viewer, runbook("letters-check", "Fix"), over("letters-check"), runbook("dead-letters-grow", "Check"),
			over("dead-letters-grow"), runbook("dead-letters-blocked", "What a deleted topic took"), replayer, corrected, closed,
		},
	},
	{
		name: "one replica moved, then all", provoke: oneChosen,
		cure: []step{
			runbook("log-lines-dropped", "Fix"), runbook("rebalances", "Check"), night("replace-the-replicas", "Replace them"),
			worked("replace-the-replicas"), over("rebalances"),
		},
	},
	{
		name: "rolled back and forth", provoke: set("LOG_LEVEL=debug"), tidy: set("LOG_LEVEL-"),
		cure: []step{night("roll-back", "Go back"), worked("roll-back"), night("roll-back", "Take it back"), worked("roll-back")},
	},
	{
		name: "one record that the platform alone keeps refusing", provoke: oneRefused, tidy: set("RETRY_BUDGET-"),
		cure: []step{
			topicAdmin, skip("Give up held records"), viewer, others(deadLettersOpen), skip("How one sees that it was given up"), skip("Take the time back"),
			others(mended), replayer, of(sendAgain, "REASON", "by-operator"), proof, closed,
		},
	},
	{
		name: "a record that is too large: its offset set and taken back, then it is read", provoke: tooLarge,
		cure: []step{
			viewer, skip("Set the group's offset"), night("pause", "Without KEDA"), worked("pause"), night("pause", "While it is paused"), topicAdmin,
			skip("With Kafka's own tools"), skip("Take the offset back"), night("resume", "Without KEDA"), worked("resume"),
			skip("Read a record that is too large"), others(largeAccepted), skip("How one sees that it was read"), skip("Put the size back"), closed,
		},
	},
	{
		name: "a record that cannot be read is passed over", provoke: tooLarge,
		cure: []step{
			viewer, skip("Set the group's offset"), night("pause", "Without KEDA"), worked("pause"), topicAdmin, skip("With Kafka's own tools"),
			night("resume", "Without KEDA"), worked("resume"), others(sentOutside), others(largeAccepted), closed,
		},
	},
	{
		name: "a partition waits for a person", provoke: parked, tidy: set("KAFKA_OFFSET_RESET-"),
		cure: []step{
			runbook("records-dropped", "Check"), others(sentAgain), night("pause", "Before"), night("pause", "Without KEDA"), worked("pause"), topicAdmin,
			runbook("records-dropped", "A partition waits for a person"), night("resume", "Without KEDA"), worked("resume"), over("records-dropped"), closed,
		},
	},
	{
		name: "wrong events among good ones", provoke: lotStorm,
		cure: []step{
			viewer, runbook("dead-letter-storm", "Check"), runbook("dead-letter-storm", "Let the dead letters through"), others(mended), others(caughtUp),
			runbook("dead-letter-storm", "Hold them to one a second again"), replayer, sendAgain, over("dead-letter-storm"), proof, closed,
		},
	},
	{
		name: "a dead letter that is too large", provoke: deadLettersBounded, standIn: "Strimzi",
		cure: []step{
			runbook("dead-letters-blocked", "Check"), of(night("topics-and-rights", "Raise it with Strimzi"), "TOPIC", deadLetters), worked("topics-and-rights"),
			others(deadLettersOpen), over("dead-letters-blocked"), replayer, corrected, viewer, proof, closed,
		},
		tidy: applied,
	},
	{
		name: "dead-letter topic gone, then bounded, without Strimzi", provoke: deadLetterTopicGoneAlone, tidy: withStrimzi,
		cure: []step{
			runbook("dead-letters-blocked", "Check"), topicAdmin, of(night("topics-and-rights", "With Kafka's own tools"), "TOPIC", deadLetters),
			night("topics-and-rights", "Raise it with Kafka's own tools"), worked("topics-and-rights"), over("dead-letters-blocked"), others(deadLettersOpen),
			replayer, corrected, viewer, proof, closed,
		},
	},
	{
		name: "secrets changed without a gap", provoke: twoSecrets,
		cure: []step{
			secrets("The platform's secret, without a gap"), others(logged("credentials-changed")), others(secretsChanged), others(logged("secret-switched")),
			secrets("The platform's secret, without a gap"), secrets("How to see that it worked"), secrets("The Kafka password"), others(passwordChanged),
			night("replace-the-replicas", "Replace them"), worked("replace-the-replicas"), services("See that it works"),
		},
	},
	{
		name: "Secrets in other namespaces", provoke: elsewhere,
		cure: []step{
			of(services("No CA file"), "NS", "elsewhere"), of(services("A certificate from a Java trust store"), "NS", "another"),
			of(step{page: "docs/how-to/alerts-to-chat.md", heading: "Make the robots"}, "MONITORING_NS", "elsewhere"),
		},
	},
	{
		name: "upgraded and rolled back", provoke: overlayChanged,
		cure: []step{
			upgrade("Before"), upgrade("Upgrade"), others(overlayBack), upgrade("Roll back"),
		},
	},
}

func services(heading string) step {
	return step{page: "docs/how-to/kafka-services.md", heading: heading}
}

func secrets(heading string) step {
	return step{page: "docs/how-to/rotate-secrets.md", heading: heading}
}

func upgrade(heading string) step { return step{page: "docs/how-to/upgrade.md", heading: heading} }

func find(heading string) step { return step{page: "docs/how-to/find-an-event.md", heading: heading} }

func skip(heading string) step { return night("skip-one-record", heading) }

// whole is the page that leads to the others.
func whole(heading string) step { return step{page: "docs/how-to/night.md", heading: heading} }
