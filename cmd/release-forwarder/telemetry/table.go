package telemetry

import "strings"

// prefix is before the name of every metric of the service on /metrics.
const prefix = "release_forwarder_"

// Kind is what an instrument measures.
type Kind string

// The kinds of instruments.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Label is a dimension of a metric. Values is its closed list; nil where the
// values are partitions or facts of the build.
type Label struct {
	Name   string
	Values []string
}

// Instrument is a row of the table of metrics.
type Instrument struct {
	Name    string // as on /metrics, without the prefix
	Kind    Kind
	Unit    string // UCUM, as OpenTelemetry writes it; "" for a truth value or a fact
	Labels  []Label
	Meaning string
}

// FullName is the metric's name on /metrics.
func (i Instrument) FullName() string { return prefix + i.Name }

// otelName is the name in OTLP, from which the Prometheus exporter makes
// FullName again by adding the unit and _total.
func (i Instrument) otelName() string {
	name := i.Name
	if i.Kind == Counter {
		name = strings.TrimSuffix(name, "_total")
	}
	if i.Unit == unitSeconds {
		name = strings.TrimSuffix(name, "_seconds")
	}
	return "release_forwarder." + name
}

const unitSeconds = "s"

// other is the value under which a word that is on no list is counted. It shows
// only where this package and its caller have parted.
const other = "other"

// The closed lists.
var (
	// MappingReasons and UpstreamReasons are the reasons of dead letters by stage.
	MappingReasons  = []string{"empty", "invalid-json", "duplicate-key", "bad-text", "missing-field", "wrong-type", "bad-time", "too-long", "unknown-code", "no-profile"}
	UpstreamReasons = []string{"refused", "budget-exhausted", "lot-refused", "by-operator"}
	// Verdicts are what an attempt's answer can mean.
	Verdicts = []string{"accepted", "permanent", "refused", "throttled", "failed", "unreadable", "timeout", "unreachable"}
	// HeldReasons say why a record waits: the verdict of its last delivery, or
	// dead-letter where its dead letter could not be written yet, or unlisted where
	// its lot is not in the lookup file.
	HeldReasons = []string{"refused", "throttled", "failed", "unreadable", "timeout", "unreachable", "dead-letter", "storm", "unlisted"}
	// CommitResults: ok; stale, refused by Kafka since the replica no longer owns
	// the partition; failed, not answered or refused otherwise.
	CommitResults = []string{"ok", "stale", "failed"}
	// Suspicions are the kinds of events that are sent although something in
	// them looks wrong.
	Suspicions = []string{"future", "leave-before-enter", "unknown-plate-color", "unknown-car-type"}
	// Bounds are what can pause the reading of a partition.
	Bounds = []string{"records", "bytes", "gaps"}
	// BlockedBy are what can keep a partition from being read, beside its bounds.
	BlockedBy = []string{"transaction", "failing", "unreadable", "lost", "parked", "starting"}
	// ReloadedFiles are the settings whose files are reloaded without a restart.
	ReloadedFiles = []string{
		"KAFKA_TLS_CA_FILE", "KAFKA_TLS_CERT_FILE", "KAFKA_TLS_KEY_FILE", "KAFKA_SASL_PASSWORD_FILE",
		"KAFKA_SASL_OAUTH_TOKEN_FILE", "KAFKA_SASL_OAUTH_CA_FILE",
		"UPSTREAM_APP_SECRET_FILE", "UPSTREAM_CREDENTIALS_FILE", "UPSTREAM_TLS_CA_FILE",
		"MAPPING_FILE", // its lookup files
		"RECEIPTS_KEY_FILE",
	}
)

var byPartition = []Label{{Name: "topic"}, {Name: "partition"}}

// deliveryBuckets, in seconds, reach from a healthy answer to an outage of days. The SDK's
// default ones are for milliseconds.
var deliveryBuckets = []float64{
	0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 10800, 43200, 86400, 259200,
}

// drainBuckets, in seconds, reach from nothing open to the longest drain that is allowed.
var drainBuckets = []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 300, 900, 3600}

// The rows. Each is a variable of its own so that the code that feeds an
// instrument names it, and Table lists them all.
var (
	recordsAccepted = Instrument{"records_accepted_total", Counter, "{record}", nil,
		"Records the platform accepted."}
	deadLetters = Instrument{"dead_letters_total", Counter, "{record}",
		[]Label{{"stage", []string{"mapping", "upstream"}}, {"reason", append(append([]string(nil), MappingReasons...), UpstreamReasons...)}},
		"Records written to the dead-letter topic and acknowledged there."}
	attempts = Instrument{"attempts_total", Counter, "{request}", []Label{{"verdict", Verdicts}},
		"HTTP requests to the platform, by what the answer meant."}
	recordsIgnored = Instrument{"records_ignored_total", Counter, "{record}", []Label{{Name: "profile"}},
		"Records that a profile of MAPPING_FILE says to ignore: neither sent nor dead-lettered."}
	recordsDropped = Instrument{"records_dropped_by_kafka_total", Counter, "{record}", byPartition,
		"Records that Kafka dropped before they could be read (retention, truncation, topic recreated: at least one, where the number cannot be known). Any is a loss."}
	pendingRecords = Instrument{"pending_records", Gauge, "{record}", nil,
		"Records read and not yet finished."}
	heldRecords = Instrument{"held_records", Gauge, "{record}", []Label{{"reason", HeldReasons}},
		"Records waiting, by the verdict of their last delivery; dead-letter: for the dead-letter topic to take their dead letter; unlisted: for the lookup file to have their lot."}
	lagRecords = Instrument{"lag_records", Gauge, "{record}", byPartition,
		"Offsets between the commit and the end of the partition, for partitions held now of which both are known: what Kafka's tools show. It overstates what is left: see lag_done_records."}
	lagDone = Instrument{"lag_done_records", Gauge, "{record}", byPartition,
		"Offsets of lag_records that are finished already, beyond a record that is not: the commit waits for that one, they are not sent again."}
	lagHeld = Instrument{"lag_held_records", Gauge, "{record}", byPartition,
		"Records of lag_records that wait for another try, and those behind them in their order keys."}
	assigned = Instrument{"assigned_partitions", Gauge, "{partition}", nil,
		"Partitions this replica holds now; 0 on a standby, while unowned_partitions is 0, and once the group's coordinator has been silent for so long that others may hold them."}
	unowned = Instrument{"unowned_partitions", Gauge, "{partition}", []Label{{Name: "topic"}},
		"Partitions of a topic of the service that no member of the group has owned for a minute, as the group's coordinator reports to each replica: no one reads them. Absent until it has reported, and when its last report is a minute old: in a rebalance that does not end, or where this user may not describe the group."}
	topicMissing = Instrument{"topic_missing", Gauge, "", []Label{{Name: "topic"}},
		"1 while a topic of KAFKA_TOPIC or KAFKA_REPLAY_TOPIC does not exist, or this user may not describe it: it is not read, the others are; else 0."}
	retentionLeft = Instrument{"retention_left_seconds", Gauge, unitSeconds, byPartition,
		"Time until Kafka deletes the oldest unfinished record of a partition held now, by the topic's retention.ms and, where retention.bytes is set, by how fast the log's start moves. What is not read yet counts as in oldest_unfinished_seconds. Absent where nothing has been unfinished for 15 minutes (while reading_blocked_seconds is present: where nothing is unfinished), nothing is ever deleted, or this user may not read the topic's configuration (DescribeConfigs)."}
	oldestUnfinished = Instrument{"oldest_unfinished_seconds", Gauge, unitSeconds, nil,
		"Age of the oldest record that is not finished, read or not; 0 without one. One that is not read yet (behind an open transaction, in a partition that cannot be read, beyond a quota) counts by its timestamp in the log, looked at once a minute where nothing in memory is older; without a usable timestamp, from when this replica first knew of it."}
	deliverySeconds = Instrument{"delivery_seconds", Histogram, unitSeconds, nil,
		"From a record's timestamp to its acceptance."}
	budgetSpent = Instrument{"budget_spent_total", Counter, "{failure}", nil,
		"Failures that counted against a record's RETRY_BUDGET: the platform accepts others and refuses this one."}
	drainSeconds = Instrument{"drain_seconds", Histogram, unitSeconds, nil,
		"How long giving up the partitions took at a rebalance or stop, from its beginning to the last commit."}
	circuitOpen = Instrument{"circuit_open", Gauge, "", nil,
		"1 while the platform counts as down and one attempt a second goes out, else 0."}
	stormGuardActive = Instrument{"storm_guard_active", Gauge, "", nil,
		"1 while dead letters are held to one a second, else 0."}
	refusedLots = Instrument{"refused_lots", Gauge, "{lot}", nil,
		"Lots the platform refuses while it accepts others, and lots without a credential or not in the lookup file."}
	inFlight = Instrument{"in_flight", Gauge, "{request}", nil,
		"Deliveries open at the platform."}
	inFlightLimit = Instrument{"in_flight_limit", Gauge, "{request}", nil,
		"Deliveries that may be open at once now."}
	commits = Instrument{"commits_total", Counter, "{commit}", []Label{{"result", CommitResults}},
		"Offset commits by result; stale is one Kafka refused since the replica no longer owns the partition."}
	rebalances = Instrument{"rebalances_total", Counter, "{rebalance}", nil,
		"Rebalances that changed what this replica owns."}
	suspicious = Instrument{"suspicious_events_total", Counter, "{event}", []Label{{"kind", Suspicions}},
		"Events that were sent although something in them looks wrong."}
	readingPaused = Instrument{"reading_paused", Gauge, "", append(append([]Label(nil), byPartition...), Label{"bound", Bounds}),
		"1 while a partition held now is not read because its unfinished records reached this bound, else 0."}
	readingBlocked = Instrument{"reading_blocked_seconds", Gauge, unitSeconds, append(append([]Label(nil), byPartition...), Label{"cause", BlockedBy}),
		"For how long a partition held now has not been read, where that is at least 30 seconds, by its cause. transaction: one is open, from the time its first record was written or this replica came to it; failing: requests fail, or the partition has no leader; unreadable: a record is too large or damaged; lost: its position is not in the log, or the log was replaced and what was read of the old one is not finished; parked: it waits for a person; starting: its offsets cannot be read. Absent while it is read, or paused at a bound."}
	metadataIgnored = Instrument{"metadata_ignored_total", Counter, "{commit}", nil,
		"Commit metadata that did not fit its commit and was ignored as a whole: records repeat, none is skipped."}
	deadLettersBlocked = Instrument{"dead_letters_blocked", Gauge, "{record}", nil,
		"Dead letters the topic has refused or not acknowledged and that are tried again; their partitions' commits wait."}
	receiptsWritten = Instrument{"receipts_written_total", Counter, "{receipt}", nil,
		"Receipts that RECEIPTS_TOPIC acknowledged."}
	receiptsMissing = Instrument{"receipts_missing_total", Counter, "{receipt}", nil,
		"Finished records whose commit passed without an acknowledged receipt: it was not written in 5 seconds, or not before the end of a drain. Only where RECEIPTS_REQUIRED is false."}
	receiptsBlocked = Instrument{"receipts_blocked", Gauge, "{receipt}", nil,
		"Receipts not acknowledged for more than 5 seconds and tried again; the commits wait for them. Only where RECEIPTS_REQUIRED is true."}
	reloadFailures = Instrument{"reload_failures_total", Counter, "{failure}", []Label{{"file", ReloadedFiles}},
		"Changed files that could not be reloaded, by the setting that names them; what was in force before stays in force."}
	reloads = Instrument{"reloads_total", Counter, "{file}", []Label{{"file", ReloadedFiles}},
		"Changed files that were reloaded without a restart, by the setting that names them."}
	logLinesDropped = Instrument{"log_lines_dropped_total", Counter, "{line}", []Label{{"kind", lineKinds}},
		"Lines that were not written to standard error, because no one reads it, or it cannot be written: state, of changes of state; log, all other log lines; console, of an exporter named console."}
	buildInfo = Instrument{"build_info", Gauge, "", []Label{{Name: "version"}, {Name: "revision"}, {Name: "goversion"}},
		"Always 1; the build is in the labels."}
	settingsInfo = Instrument{"settings_info", Gauge, "", []Label{{Name: "hash"}},
		"Always 1; two replicas with another hash have other settings. Not in it: secrets, names of files, KAFKA_CLIENT_ID, KAFKA_CLIENT_RACK, ADMIN_ and LOG_ settings, and what has its default."}
)

// Table returns every metric of the service, in the order of the reference.
func Table() []Instrument {
	return []Instrument{
		recordsAccepted, recordsIgnored, deadLetters, attempts, recordsDropped, pendingRecords, heldRecords, lagRecords, lagDone, lagHeld,
		assigned, unowned, topicMissing, oldestUnfinished, retentionLeft, deliverySeconds, budgetSpent, drainSeconds, circuitOpen, stormGuardActive, refusedLots, inFlight, inFlightLimit,
		commits, rebalances, suspicious, readingPaused, readingBlocked, metadataIgnored, deadLettersBlocked, receiptsWritten, receiptsMissing, receiptsBlocked, reloads, reloadFailures, logLinesDropped, buildInfo, settingsInfo,
	}
}
