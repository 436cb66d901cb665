package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// Event is a log line that the service can write: a constant message, the
// variable part in fields.
type Event struct {
	// Name is the field event, for alerts and searches; it does not change when
	// the message is worded anew.
	Name    string
	Level   slog.Level
	Message string
	// State marks a change of state. Its line is never suppressed: what comes
	// after cannot be understood without it.
	State bool
	// Remedy is what a person should do, and Runbook the page in
	// deployments/runbooks that says more; both stand in the line, but for the remedy
	// of one that brings its own. "" for lines that ask for nothing, or whose message
	// or own field remedy says it.
	Remedy, Runbook string
}

// eventKey is the field that holds an event's name.
const eventKey = "event"

// Events lists every line there is, but for debug ones.
func Events() []Event { return events }

const (
	info = slog.LevelInfo
	warn = slog.LevelWarn
	fail = slog.LevelError
)

var events = []Event{
	{Name: "started", Level: info, State: true, Message: "started"},
	{Name: "stopped", Level: info, State: true, Message: "stopped"},
	{Name: "setting", Level: warn, Message: "setting", Remedy: "read what; it names the setting"},
	{Name: "start-check", Level: warn, State: true, Message: "a check at the start"},
	{Name: "start-check-unknown", Level: info, Message: "this user may not see everything that is checked at the start; release-forwarder doctor lists it"},

	{Name: "joined", Level: info, State: true, Message: "joined the group"},
	{Name: "drained", Level: info, State: true, Message: "partitions given up"},
	{Name: "drain-limit", Level: warn, State: true, Message: "the drain's limit was reached: open deliveries were cut, they stay uncommitted and may be sent again",
		Remedy: "raise CONSUMER_DRAIN_TIMEOUT above UPSTREAM_TIMEOUT, and KAFKA_REBALANCE_TIMEOUT with it"},
	{Name: "fenced", Level: warn, State: true, Message: "fenced: the group took this member's partitions away; what was open is cut and may be sent again by their new owner",
		Remedy: "once: nothing; often: look for CPU throttling and network loss, raise KAFKA_SESSION_TIMEOUT", Runbook: "rebalances"},
	{Name: "stuck", Level: fail, State: true, Message: "a delivery does not end, or none begins although it could: /livez answers 503 until it moves",
		Remedy: "a defect of this program: keep what and the log before it, and report it; a restart helps", Runbook: "not-reading"},
	{Name: "leave-slow", Level: warn, Message: "leaving the group failed; the group notices by the session time-out"},
	{Name: "join-failed", Level: warn, Message: "joining the group failed; tried again",
		Remedy: "the line's own remedy says what the error asks for: KAFKA_SESSION_TIMEOUT, a right on the group, another KAFKA_GROUP_ID, or to wait for the coordinator", Runbook: "not-reading"},
	{Name: "partitions-unowned", Level: fail, State: true, Message: "partitions have no owner: nobody reads them",
		Remedy: "found says who is in the group, release-forwarder doctor more: another program, a member that subscribes to other topics, or one that assigns wrongly; give it a group of its own, or stop it", Runbook: "not-reading"},
	{Name: "partitions-owned", Level: info, State: true, Message: "each partition has an owner again"},
	{Name: "owners-unknown", Level: warn, State: true, Message: "which partitions have an owner cannot be seen: nothing warns when nobody reads one",
		Remedy: "grant this user Describe on the group, and on the topics of all its members", Runbook: "not-reading"},
	{Name: "no-broker", Level: warn, Message: "no broker has answered yet; waiting for Kafka",
		Remedy: "look at KAFKA_BROKERS, the network and the brokers; release-forwarder doctor says at which step it fails", Runbook: "not-reading"},
	{Name: "kafka-unreachable", Level: fail, State: true, Message: "Kafka cannot be reached; tried again for ever",
		Remedy: "error says at which step (unreachable, tls, protocol, sasl) and what to look at", Runbook: "not-reading"},
	{Name: "topic-missing", Level: warn, Message: "an event topic does not exist, or this user may not describe it; waiting for it",
		Remedy: "check KAFKA_TOPIC, create the topic, or grant this user Describe and Read on it", Runbook: "not-reading"},
	{Name: "optional-topic-missing", Level: warn, Message: "an optional topic does not exist, or this user may not describe it; it is read when it does",
		Remedy: "create KAFKA_REPLAY_TOPIC, or grant this user Describe and Read on it"},
	{Name: "optional-topic-changed", Level: info, State: true, Message: "an optional topic has come or gone; the group assigns anew"},
	{Name: "partitions-changed", Level: info, State: true, Message: "the topics' partitions changed; the group assigns anew"},
	{Name: "request-refused", Level: warn, Message: "the group's coordinator did not take a request; it is sent again"},

	{Name: "partition-begins", Level: info, State: true, Message: "partition without a committed offset starts at its first record"},
	{Name: "offsets-unreadable", Level: warn, Message: "the group's committed offsets cannot be read; tried again",
		Remedy: "read error: grant this user Read on the group, or look at the group's coordinator", Runbook: "not-reading"},
	{Name: "bounds-unreadable", Level: warn, Message: "the bounds of a partition's log cannot be read; tried again",
		Remedy: "read error: the partition has no leader, or this user may not describe the topic", Runbook: "not-reading"},
	{Name: "metadata-ignored", Level: warn, State: true, Message: "the commit's metadata is ignored: it was not written at this place by this version (moved beside another offset, copied from another cluster, another program's or another version's), or is damaged; records done beyond the commit are sent again, none is skipped",
		Remedy: "nothing; if it was not expected, find out who writes the group's offsets"},
	{Name: "metadata-too-large", Level: fail, State: true, Message: "the broker takes less commit metadata than 4096 bytes (offset.metadata.max.bytes): only the watermark is committed, a kill repeats all that is done beyond it",
		Remedy: "raise offset.metadata.max.bytes to 4096 at the brokers, then restart"},
	{Name: "commit-split", Level: warn, State: true, Message: "the coordinator refused a commit as too large: it is sent in parts",
		Remedy: "nothing; a larger max.message.bytes of __consumer_offsets, and a restart, make it one request again"},
	{Name: "commit-stripped", Level: fail, State: true, Message: "the coordinator refuses a partition's commit as too large with its metadata: only the watermark is committed where there is so much, a kill repeats what is done beyond it",
		Remedy: "raise max.message.bytes of __consumer_offsets above 8192, then restart"},
	{Name: "above-log-end", Level: warn, State: true, Message: "what was read before is above the log's end, and no leader epoch tells why; believed when it has stood so for 30s, since a new leader may lag",
		Remedy: "wait 30s; if it stands, the topic was truncated or made anew", Runbook: "records-dropped"},
	{Name: "partition-parked", Level: fail, State: true, Message: "Kafka no longer has records that were not read (retention); the partition waits for a person, as KAFKA_OFFSET_RESET=none says: set the group's offset and start the replicas again",
		Remedy: "decide what becomes of the gap, stop all replicas, set the group's offset of the partition, start them", Runbook: "records-dropped"},
	{Name: "records-dropped", Level: fail, State: true, Message: "Kafka dropped records before they could be read (retention); reading goes on at the first record there is",
		Remedy: "have the producer send the offsets from to to again", Runbook: "records-dropped"},
	{Name: "log-replaced", Level: fail, State: true, Message: "the log is another one than was read before, from an offset on; reading goes on at the offset next, when all that was read above is finished",
		Remedy: "why says how; have the producer send again what of the offsets from to to had not been sent: docs/moving.md", Runbook: "records-dropped"},
	{Name: "log-replaced-parked", Level: fail, State: true, Message: "the log is another one than was read before, from an offset on; the partition waits for a person, as KAFKA_OFFSET_RESET=none says: set the group's offset and start the replicas again",
		Remedy: "decide where reading goes on, stop all replicas, set the group's offset of the partition, start them", Runbook: "records-dropped"},
	{Name: "log-unverified", Level: warn, Message: "a partition's leader cannot be asked whether its log is the one that was read before; it is not read before",
		Remedy: "read cause: bring back the partition's leader, or grant this user Describe on the topic", Runbook: "not-reading"},

	{Name: "address-passed-over", Level: warn, Message: "a broker's address is passed over for a while, the others are tried: it does not answer, or is another cluster's",
		Remedy: "read error: bring the broker back, or take the address out of KAFKA_BROKERS"},
	{Name: "cluster-replaced", Level: fail, State: true, Message: "for a minute only another cluster has answered: it is taken for ours from now on",
		Remedy: "if the cluster was not set up anew, KAFKA_BROKERS names another one", Runbook: "not-reading"},

	{Name: "leader-missing", Level: warn, Message: "a partition has no leader that is known; it is read when it has",
		Remedy: "read cause: bring back the brokers that hold the partition, or grant this user Describe on the topic", Runbook: "not-reading"},
	{Name: "leader-refuses", Level: warn, Message: "a partition's leader refuses to be its leader; another one is looked for",
		Remedy: "look at the partition's leader and at the controller: they do not agree", Runbook: "not-reading"},
	{Name: "retention-unknown", Level: warn, State: true, Message: "how long Kafka keeps a topic's records cannot be seen: nothing warns before it deletes unfinished ones",
		Remedy: "grant this user DescribeConfigs on the topic", Runbook: "retention-near"},

	{Name: "open-transaction", Level: warn, Message: "an open transaction holds back records: nothing from its first record on can be read until it ends",
		Remedy: "have the producer commit or abort; a transaction that nobody ends any more: kafka-transactions.sh abort", Runbook: "open-transaction"},
	{Name: "open-transaction-over", Level: info, Message: "the open transaction has ended: what it held back is read"},
	{Name: "partition-not-read", Level: warn, Message: "a partition is not read",
		Remedy: "cause says why; failing: look at the partition's leader and the lines before", Runbook: "not-reading"},
	{Name: "partition-read-again", Level: info, Message: "the partition is read again"},
	{Name: "fetch-failed", Level: warn, Message: "fetch failed; it is tried again"},
	{Name: "fetch-refused", Level: warn, Message: "the broker refused to let a partition be read; it is tried again",
		Remedy: "read error: grant this user Read on the topic, or look at the partition's leader", Runbook: "not-reading"},
	{Name: "fetch-throttled", Level: info, Message: "a broker throttles the reading, as the quotas of this user or client say",
		Remedy: "once: nothing; often: raise the quota of KAFKA_CLIENT_ID or of this user"},
	{Name: "log-unreadable", Level: fail, State: true, Message: "the log cannot be read here: this partition stops until it can, the others go on; see the broker's log for a damaged disk, and README.md for passing over the record",
		Remedy: "too large: raise KAFKA_MAX_RECORD_BYTES; damaged: mend the broker's disk, or pass over the record; message format v0 or v1: have it sent again in v2, and pass over it", Runbook: "not-reading"},
	{Name: "record-large", Level: warn, Message: "a record above KAFKA_MAX_RECORD_BYTES is processed, no other such beside it",
		Remedy: "raise KAFKA_MAX_RECORD_BYTES if such records are usual"},

	{Name: "large-unreadable", Level: warn, Message: "a record above KAFKA_MAX_RECORD_BYTES cannot be read again for its try; tried again",
		Remedy: "read cause: look at the partition's leader, or grant this user Read on the topic", Runbook: "not-reading"},
	{Name: "large-dropped", Level: fail, State: true, Message: "Kafka dropped a record above KAFKA_MAX_RECORD_BYTES while it waited to be sent (retention, truncation, or the topic was made anew); it is passed over",
		Remedy: "have the producer send the offset from again", Runbook: "records-dropped"},

	{Name: "circuit-opened", Level: fail, State: true, Message: "circuit opened: the platform accepts nothing; one attempt a second until it does, no dead letters, no commit past what was accepted",
		Remedy: "last says why: refused is the secret or app ID, unreachable or timeout the network or the platform, failed or unreadable: ask the platform, with seqno", Runbook: "platform-refuses-everything"},
	{Name: "circuit-closed", Level: info, State: true, Message: "circuit closed: the platform accepts again"},
	{Name: "delivery-failed", Level: warn, Message: "delivery failed, tried again"},
	{Name: "accepted-late", Level: info, Message: "accepted after it had been held"},
	{Name: "lot-refused", Level: fail, State: true, Message: "lot refused: the platform refuses this lot alone (its secret, app_id or contract); its records wait, the others flow",
		Remedy: "mend the lot's secret, app_id or contract with the platform before LOT_HOLD_MAX is over; then its records become dead letters and must be replayed", Runbook: "lot-refused"},
	{Name: "lot-accepted", Level: info, State: true, Message: "lot accepted again: its records go on"},
	{Name: "storm-began", Level: fail, State: true, Message: "dead-letter storm: so many dead letters in a row with nothing accepted between; written at one a second from now on, look at the producer and at the platform's contract",
		Remedy: "reason and field say what has changed; stopping the replicas keeps the records in the topic", Runbook: "dead-letter-storm"},
	{Name: "storm-over", Level: info, State: true, Message: "dead-letter storm over: something of it was accepted"},
	{Name: "letter-written", Level: warn, Message: "dead letter written"},
	{Name: "letter-blocked", Level: fail, Message: "a dead letter cannot be written: its partition's commit waits for it, tried again",
		Remedy: "read error: create the topic, grant Write, mend in-sync replicas, or raise its max.message.bytes", Runbook: "dead-letters-blocked"},
	{Name: "letter-topic-missing", Level: warn, Message: "the dead-letter topic does not exist, or this user may not describe it; a dead letter would stop its partition's commit",
		Remedy: "create DLQ_TOPIC, or grant this user Describe and Write on it", Runbook: "dead-letters-blocked"},

	{Name: "file-taken-up", Level: info, State: true, Message: "file changed, taken up"},
	{Name: "file-refused", Level: warn, State: true, Message: "file cannot be taken up, what it held before stays in force",
		Remedy: "mend the file: error says what is wrong with it", Runbook: "secret-refused"},
	{Name: "file-mended", Level: info, State: true, Message: "file is as before again"},
	{Name: "credentials-changed", Level: info, State: true, Message: "the changed credentials are in force"},
	{Name: "secret-switched", Level: info, State: true, Message: "the platform takes the other secret of this credential, which stays in use"},

	{Name: "admin-request", Level: warn, Message: "admin server"},
	{Name: "admin-ended", Level: fail, State: true, Message: "the admin server ended", Remedy: "read error; probes and metrics are gone until a restart"},
	{Name: "telemetry-export", Level: warn, Message: "telemetry export failed", Remedy: "look at the collector; deliveries do not wait for it"},
	{Name: "telemetry-dropped", Level: warn, State: true, Message: "telemetry could not be flushed in time; the rest is dropped", Remedy: "look at the collector; deliveries do not wait for it"},
	{Name: "telemetry-setup", Level: warn, State: true, Message: "telemetry set-up", Remedy: "mend the OTEL_ variable that what names"},
	{Name: "scrape-failed", Level: warn, Message: "scrape of metrics failed"},
	{Name: "lines-dropped", Level: warn, Message: "log lines were dropped: nobody reads standard error, or it cannot be written",
		Remedy: "look at who reads this process's standard error, or at its disk; deliveries do not wait for it"},
	{Name: "stray-answer", Level: fail, Message: "a server sent an answer over HTTP/1.1 that no request asked for",
		Remedy: "have the server mended, or the proxy before it, or reach it by HTTP/2: where such an answer comes late it may be taken for that of the next request, and an event for accepted"},
	{Name: "library", Level: warn, Message: "a library says", Remedy: "nothing, unless it comes often: then tell the developers"},
	{Name: "suppressed", Level: info, State: true, Message: "log lines suppressed"},
}

// byMessage finds the event of a line.
var byMessage = func() map[string]*Event {
	found := map[string]*Event{}
	for i := range events {
		found[events[i].Message] = &events[i]
	}
	return found
}()

// named adds to each line the name of its event, and where the event has one the
// remedy and the runbook.
type named struct{ slog.Handler }

func (h named) Handle(ctx context.Context, r slog.Record) error {
	e := byMessage[r.Message]
	if e == nil {
		return h.Handler.Handle(ctx, r)
	}
	r = r.Clone() // its attributes may be shared with other handlers
	r.AddAttrs(slog.String(eventKey, e.Name))
	if e.Remedy != "" && !bringsRemedy(r) {
		r.AddAttrs(slog.String("remedy", e.Remedy))
	}
	if e.Runbook != "" {
		r.AddAttrs(slog.String("runbook", e.Runbook))
	}
	return h.Handler.Handle(ctx, r)
}

// bringsRemedy tells whether a line knows better than its event what to do.
func bringsRemedy(r slog.Record) (brings bool) {
	r.Attrs(func(a slog.Attr) bool { brings = brings || a.Key == "remedy"; return !brings })
	return brings
}

func (h named) WithAttrs(attrs []slog.Attr) slog.Handler { return named{h.Handler.WithAttrs(attrs)} }
func (h named) WithGroup(name string) slog.Handler       { return named{h.Handler.WithGroup(name)} }

// LogReference returns the table of events as Markdown, for docs/logs.md.
func LogReference() string {
	var out strings.Builder
	out.WriteString("| event | level | message | what to do | runbook |\n| --- | --- | --- | --- | --- |\n")
	for _, e := range events {
		name := "`" + e.Name + "`"
		if e.State {
			name += " *"
		}
		runbook := ""
		if e.Runbook != "" {
			runbook = "[" + e.Runbook + "](../deployments/runbooks/" + e.Runbook + ".md)"
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", name, strings.ToLower(e.Level.String()), e.Message, e.Remedy, runbook)
	}
	return out.String()
}
