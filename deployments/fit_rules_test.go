package deployments

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"release-forwarder/cmd/release-forwarder/cli/deadletters"
)

// The objects that the rules are about.
const (
	deploymentName   = "Deployment/release-forwarder"
	containerName    = "Container/release-forwarder/release-forwarder"
	budgetName       = "PodDisruptionBudget/release-forwarder"
	scaledObjectName = "ScaledObject/release-forwarder"
	checkName        = "CronJob/release-forwarder-dlq-check"
	podMonitorName   = "PodMonitor/release-forwarder"
)

// nodesShare is what the kubelet may need of the grace period before and after the process.
const nodesShare = 5 * time.Second

// Kafka's own bounds of a classic member's session time-out where a broker's settings say nothing else
// (group.min.session.timeout.ms, group.max.session.timeout.ms).
const leastSession, longestSession = 6 * time.Second, 30 * time.Minute

var stopRules = []rule{
	{
		name: "grace-period", why: "The pod is killed while it drains: nothing is lost, more is repeated.",
		relations: func(f fit) []relation {
			longest := f.drain().plus(duration(exitMargin)).plus(duration(nodesShare))
			return []relation{{f.value(deploymentName, "spec/template/spec/terminationGracePeriodSeconds", seconds), "≥", longest}}
		},
		breaks: []change{{deploymentName, "spec/template/spec/terminationGracePeriodSeconds", 34}},
	},
	{
		name: "drain-and-rebalance", why: "A drain ends earlier than CONSUMER_DRAIN_TIMEOUT says, and cuts requests.",
		relations: func(f fit) []relation {
			return []relation{{f.drain(), "<", f.rebalance().less(f.code("cmd/release-forwarder/settings/settings.go", "drainMargin", seconds))}}
		},
		breaks: []change{{inSettings, "KAFKA_REBALANCE_TIMEOUT", "22s"}},
	},
	{
		name: "drain-and-request", why: "A slow platform has its open requests cut at each stop, and their records sent again.",
		relations: func(f fit) []relation {
			return []relation{{f.drain(), "≥", f.setting("UPSTREAM_TIMEOUT", seconds)}}
		},
		breaks: []change{{inSettings, "UPSTREAM_TIMEOUT", "21s"}},
	},
	{
		name: "heartbeats", why: "Two lost heartbeats cost a replica its partitions; the settings are refused.",
		relations: func(f fit) []relation {
			return []relation{{f.setting("KAFKA_HEARTBEAT_INTERVAL", seconds).times(number(3)), "≤", f.session()}}
		},
		breaks: []change{{inSettings, "KAFKA_HEARTBEAT_INTERVAL", "11s"}},
	},
	{
		name: "session-and-broker", why: "The brokers refuse the replica (INVALID_SESSION_TIMEOUT), unless their own settings allow it.",
		relations: func(f fit) []relation {
			return []relation{
				{f.session(), "≥", duration(leastSession).called("group.min.session.timeout.ms")},
				{f.session(), "≤", duration(longestSession).called("group.max.session.timeout.ms")},
			}
		},
		breaks: []change{{inSettings, "KAFKA_SESSION_TIMEOUT", "5s"}, {inSettings, "KAFKA_HEARTBEAT_INTERVAL", "1s"}},
	},
}

var probeRules = []rule{
	{
		name: "restart-and-session", why: "A busy node restarts replicas that would have kept their partitions.",
		relations: func(f fit) []relation {
			return []relation{
				{f.probing("livenessProbe"), "≥", f.session()},
				{f.probing("livenessProbe"), "≥", f.code("consumer/alive.go", "stuckAfter", seconds).called("what /livez itself waits")},
			}
		},
		breaks: []change{{containerName, "livenessProbe/failureThreshold", 2}},
	},
	{
		name: "unready-is-seen", why: "A replica that can write no dead letter counts as ready for longer than /readyz itself waited.",
		relations: func(f fit) []relation {
			waited := f.code("cmd/release-forwarder/app/condition.go", "deadLettersLimit", seconds).called("what /readyz waits for a dead letter")
			return []relation{{f.probing("readinessProbe"), "≤", waited}}
		},
		breaks: []change{{containerName, "readinessProbe/failureThreshold", 7}},
	},
	{
		name: "one-probe-at-a-time", why: "A slow answer overlaps with the next question.",
		relations: func(f fit) (all []relation) {
			for _, probe := range []string{"livenessProbe", "readinessProbe"} {
				all = append(all, relation{
					f.value(containerName, probe+"/timeoutSeconds", seconds).called(probe + ": timeoutSeconds"), "<",
					f.value(containerName, probe+"/periodSeconds", seconds),
				})
			}
			return all
		},
		breaks: []change{{containerName, "livenessProbe/timeoutSeconds", 10}},
	},
	{
		name: "ready-is-asked-twice", why: "An old replica goes before a new one has been found ready a second time.",
		relations: func(f fit) []relation {
			return []relation{{f.minReady(), "≥", f.value(containerName, "readinessProbe/periodSeconds", seconds).called("readinessProbe: periodSeconds")}}
		},
		breaks: []change{{deploymentName, "spec/minReadySeconds", 4}},
	},
	{
		name: "rollout-deadline", why: "A rollout is called failed while a new replica still waits for a dead member and for the others' drains.",
		relations: func(f fit) []relation {
			longest := f.session().plus(f.rebalance()).plus(f.value(deploymentName, "spec/template/spec/terminationGracePeriodSeconds", seconds)).
				plus(f.probing("readinessProbe")).plus(f.minReady())
			return []relation{{f.value(deploymentName, "spec/progressDeadlineSeconds", seconds), "≥", longest}}
		},
		breaks: []change{{deploymentName, "spec/progressDeadlineSeconds", 139}},
	},
}

var replicaRules = []rule{
	{
		name: "nodes-can-be-drained", why: "kubectl drain waits without end.",
		relations: func(f fit) []relation { return []relation{{f.budgeted(), "≥", number(1)}} },
		breaks:    []change{{budgetName, "spec/maxUnavailable", 0}},
	},
	{
		name: "someone-stays", why: "kubectl drain may take all replicas at once.",
		relations: func(f fit) (all []relation) {
			if least := f.leastReplicas(); least.of > 1 { // of a single one the drain takes that one
				all = append(all, relation{f.budgeted(), "<", least})
			}
			return all
		},
		breaks: []change{{budgetName, "spec/maxUnavailable", 2}},
	},
	{
		name: "replicas-and-partitions", why: "The others stand by.",
		relations: func(f fit) (all []relation) {
			if at(f.objects[deploymentName], "spec/replicas") != nil && f.has(f.events()) {
				all = append(all, relation{f.value(deploymentName, "spec/replicas", plain), "≤", f.partitions()})
			}
			return all
		},
		breaks: []change{{deploymentName, "spec/replicas", 13}}, breaksIn: "production",
	},
	{
		name: "most-replicas-are-the-partitions", why: "Above: replicas stand by. Below: partitions share a replica while more could work.",
		relations: scaled(func(f fit) relation {
			return relation{f.value(scaledObjectName, "spec/maxReplicaCount", plain), "=", f.partitions()}
		}),
		breaks: []change{{scaledObjectName, "spec/maxReplicaCount", 11}},
	},
	{
		name: "one-stands-by", why: "Nobody works while the only replica restarts.",
		relations: scaled(func(f fit) relation {
			return relation{f.value(scaledObjectName, "spec/minReplicaCount", plain), "≥", number(2)}
		}),
		breaks: []change{{scaledObjectName, "spec/minReplicaCount", 1}},
	},
	{
		name: "without-data", why: "While Prometheus is away KEDA takes replicas that are needed.",
		relations: scaled(func(f fit) relation {
			return relation{f.value(scaledObjectName, "spec/fallback/replicas", plain).called("fallback: replicas"), "≥", f.leastReplicas()}
		}),
		breaks: []change{{scaledObjectName, "spec/fallback/replicas", 1}},
	},
	{
		name: "threshold-can-be-passed", why: "No backlog brings a replica: with one, half of what is read ahead is the least that a replica holds.",
		relations: scaled(func(f fit) relation {
			ahead := f.code("consumer/ahead.go", "aheadPerWorker", plain)
			inFlight := f.setting("UPSTREAM_MAX_IN_FLIGHT", plain).times(ahead)
			if pending := f.setting("CONSUMER_MAX_PENDING", plain); pending.of < inFlight.of {
				inFlight = pending
			}
			return relation{f.threshold(), "≤", inFlight.times(number(0.5).called("½"))}
		}),
		breaks: []change{{scaledObjectName, "spec/triggers/0/metadata/threshold", "2000"}},
	},
	{
		name: "threshold-is-a-backlog", why: "Requests that are merely open bring replicas.",
		relations: scaled(func(f fit) relation {
			return relation{f.threshold(), "≥", f.setting("UPSTREAM_MAX_IN_FLIGHT", plain).times(number(2))}
		}),
		breaks: []change{{scaledObjectName, "spec/triggers/0/metadata/threshold", "127"}},
	},
	{
		name: "polling-and-scraping", why: "KEDA decides twice on the same numbers.",
		relations: scaled(func(f fit) relation {
			return relation{f.value(scaledObjectName, "spec/pollingInterval", seconds), "≥", f.scraping()}
		}),
		breaks: []change{{scaledObjectName, "spec/pollingInterval", 10}},
	},
	{
		name: "a-step-and-its-rebalance", why: "The next replicas come or go before the group has moved its partitions for the last.",
		relations: func(f fit) (all []relation) {
			for _, way := range []string{"scaleUp", "scaleDown"} {
				path := "spec/advanced/horizontalPodAutoscalerConfig/behavior/" + way + "/policies"
				for i := range f.list(scaledObjectName, path) {
					all = append(all, relation{f.value(scaledObjectName, path+"/"+strconv.Itoa(i)+"/periodSeconds", seconds).called(way + ": periodSeconds"), "≥", f.rebalance()})
				}
			}
			return all
		},
		breaks: []change{{scaledObjectName, "spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleUp/policies/0/periodSeconds", 50}},
	},
}

var memoryRules = []rule{
	{
		name: "nine-tenths", why: "Below: memory lies idle. Above: the kernel kills before the collector works hard.",
		relations: func(f fit) (all []relation) {
			for _, c := range f.containers("env/name=GOMEMLIMIT") {
				limit := f.value(c, "resources/limits/memory", octets).called("memory limit")
				all = append(all, relation{f.goLimit(c), "=", amount{"9/10 × memory limit", float64(int(limit.of*0.9) >> 20 << 20), octets}})
			}
			return all
		},
		breaks: []change{{containerName, "env/name=GOMEMLIMIT/value", "110MiB"}},
	},
	{
		name: "promised-memory", why: "The kernel kills a replica that takes no more than is promised (P6).",
		relations: func(f fit) []relation {
			return []relation{{f.goLimit(containerName), ">", f.code(".ci/kube/rollout/backlog.go", "mostResident", octets).called("the most that P6 allows")}}
		},
		breaks: []change{{containerName, "env/name=GOMEMLIMIT/value", "90MiB"}, {containerName, "resources/limits/memory", "100Mi"}},
	},
	{
		name: "memory-and-bounds", why: "The bounds of the settings take more than the pod has, and the collector works without end.",
		relations: func(f fit) []relation {
			const source = "cmd/release-forwarder/app/collector.go"
			need := f.code(source, "memoryOfItself", octets).
				plus(f.code(source, "memoryInFlight", octets).times(f.setting("UPSTREAM_MAX_IN_FLIGHT", plain))).
				plus(f.setting("CONSUMER_MAX_PENDING_BYTES", octets).times(number(2)))
			return []relation{{f.goLimit(containerName), "≥", need}}
		},
		breaks: []change{{inSettings, "CONSUMER_MAX_PENDING_BYTES", "64MiB"}},
	},
	{
		name: "requests-and-limits", why: "The API server refuses the pod.",
		relations: func(f fit) (all []relation) {
			for _, c := range f.containers("resources/limits/memory") {
				all = append(all, relation{f.value(c, "resources/requests/memory", octets).called("memory request"), "≤", f.value(c, "resources/limits/memory", octets).called("memory limit")})
			}
			return all
		},
		breaks: []change{{containerName, "resources/requests/memory", "200Mi"}},
	},
}

var topicRules = []rule{
	{
		name: "replays-keep-their-partition", why: "Replayed, the parkings of one partition are sent by several replicas, or one has all.",
		relations: onTopics(func(f fit) []relation {
			return []relation{{f.topic("KAFKA_REPLAY_TOPIC", "spec/partitions", plain).called("partitions of KAFKA_REPLAY_TOPIC"), "=", f.partitions()}}
		}),
		breaks: []change{{"KafkaTopic/abnormal-release.replay", "spec/partitions", 6}},
	},
	{
		name: "partitions-of-dead-letters", why: "The partitions beyond stay empty: a dead letter goes to its event's partition modulo theirs.",
		relations: onTopics(func(f fit) []relation {
			return []relation{{f.value(f.deadLetters(), "spec/partitions", plain).called("partitions of DLQ_TOPIC"), "≤", f.partitions()}}
		}),
		breaks: []change{{"KafkaTopic/abnormal-release.dlq", "spec/partitions", 13}},
	},
	{
		name: "a-broker-may-be-away", why: "Nothing can be written while one broker restarts.",
		relations: func(f fit) (all []relation) {
			for _, t := range f.objects.named("KafkaTopic/") {
				all = append(all, relation{f.value(t, "spec/config/min.insync.replicas", plain), "<", f.value(t, "spec/replicas", plain).called("replicas of the topic")})
			}
			return all
		},
		breaks: []change{{"KafkaTopic/abnormal-release", "spec/config/min.insync.replicas", 3}},
	},
	{
		name: "retention-and-waiting", why: "An alert of retention fires for what waits as it should.",
		relations: onTopics(func(f fit) (all []relation) {
			wait := f.alerted("ReleaseForwarderRetentionNear").plus(f.setting("LOT_HOLD_MAX", seconds))
			for _, name := range []string{"KAFKA_TOPIC", "KAFKA_REPLAY_TOPIC"} {
				all = append(all, relation{f.topic(name, "spec/config/retention.ms", millis).called("retention of " + name), "≥", wait})
			}
			return all
		}),
		breaks: []change{{"KafkaTopic/abnormal-release", "spec/config/retention.ms", 2 * 86400000}},
	},
	{
		name: "size-of-dead-letters", why: "A dead letter of a large record is refused, and holds its partition's commit.",
		relations: onTopics(func(f fit) []relation {
			headers := f.code("dlq/letter.go", "maxHeader", octets).times(number(32))
			return []relation{{f.value(f.deadLetters(), "spec/config/max.message.bytes", octets).called("max.message.bytes of DLQ_TOPIC"), "≥", f.setting("KAFKA_MAX_RECORD_BYTES", octets).plus(headers)}}
		}),
		breaks: []change{{"KafkaTopic/abnormal-release.dlq", "spec/config/max.message.bytes", 1 << 20}},
	},
	{
		name: "time-for-dead-letters", why: "When the check fails first, people have less time than the alert gives them for events.",
		relations: onTopics(func(f fit) []relation {
			kept := f.value(f.deadLetters(), "spec/config/retention.ms", millis).called("retention of DLQ_TOPIC")
			left := kept.times(number(1 - f.share()).called("what the check leaves, " + strconv.FormatFloat(1-f.share(), 'g', 2, 64)))
			least := f.alerted("ReleaseForwarderRetentionNear").plus(f.schedule()).plus(f.value(checkName, "spec/jobTemplate/spec/activeDeadlineSeconds", seconds))
			return []relation{{left, "≥", least}}
		}),
		breaks: []change{{"KafkaTopic/abnormal-release.dlq", "spec/config/retention.ms", 7 * 86400000}},
	},
}

var checkRules = []rule{
	{
		name: "a-check-ends-before-the-next", why: "One that hangs keeps the next from starting (concurrencyPolicy Forbid).",
		relations: checked("spec/jobTemplate/spec/activeDeadlineSeconds", "<"),
		breaks:    []change{{checkName, "spec/jobTemplate/spec/activeDeadlineSeconds", 3600}},
	},
	{
		name: "a-late-check-is-made", why: "A check that comes late replaces the one after it.",
		relations: checked("spec/startingDeadlineSeconds", "<"),
		breaks:    []change{{checkName, "spec/startingDeadlineSeconds", 3600}},
	},
	{
		name: "a-failed-check-stays", why: "The failed Job, which is what alerts, goes before the next check has failed.",
		relations: checked("spec/jobTemplate/spec/ttlSecondsAfterFinished", ">"),
		breaks:    []change{{checkName, "spec/jobTemplate/spec/ttlSecondsAfterFinished", 1800}},
	},
}

var alarmRules = []rule{
	{
		name: "windows-and-scraping", why: "A few failed scrapes leave a window with fewer than two samples: the alert sees nothing.",
		relations: onAlerts(func(f fit, alert string) (all []relation) {
			for _, m := range regexp.MustCompile(`\[([0-9a-z]+)\]`).FindAllStringSubmatch(fmt.Sprint(f.objects[alert]["expr"]), -1) {
				all = append(all, relation{f.amount("a window of "+alert, m[1], seconds), "≥", f.scraping().times(number(4))})
			}
			return all
		}),
		breaks: []change{{"Alert/ReleaseForwarderFileRefused", "expr", "increase(release_forwarder_reload_failures_total[30s]) > 0"}},
	},
	{
		name: "patience-and-scraping", why: "A single sample fires the alert.",
		relations: onAlerts(func(f fit, alert string) (all []relation) {
			if f.objects[alert]["for"] != nil {
				all = append(all, relation{f.value(alert, "for", seconds).called("for of " + alert), "≥", f.scraping().times(number(2))})
			}
			return all
		}),
		breaks: []change{{"Alert/ReleaseForwarderStorm", "for", "20s"}},
	},
	{
		name: "a-rebalance-is-no-alert", why: "On call is woken by a replica that died and whose partitions are about to move.",
		relations: onAlerts(func(f fit, alert string) (all []relation) {
			if alert == "Alert/ReleaseForwarderNoPartitions" {
				all = append(all, relation{f.value(alert, "for", seconds).called("for of " + alert), ">", f.session().plus(f.rebalance())})
			}
			return all
		}),
		breaks: []change{{"Alert/ReleaseForwarderNoPartitions", "for", "90s"}},
	},
	{
		name: "warned-before-woken", why: "On call is woken for what nobody was told of in the morning.",
		relations: func(f fit) (all []relation) {
			for low, high := range map[string]string{"ReleaseForwarderRetentionVeryNear": "ReleaseForwarderRetentionNear", "ReleaseForwarderUndelivered": "ReleaseForwarderUndeliveredLong"} {
				if f.has("Alert/" + low) {
					all = append(all, relation{f.alerted(low), "<", f.alerted(high)})
				}
			}
			return all
		},
		breaks: []change{{"Alert/ReleaseForwarderRetentionVeryNear", "expr", "release_forwarder_retention_left_seconds < 50 * 3600"}},
	},
	{
		name: "told-before-lot-refused", why: "A refused lot's records become dead letters before anybody is told that they wait.",
		relations: func(f fit) (all []relation) {
			if f.has("Alert/ReleaseForwarderUndeliveredLong") {
				all = append(all, relation{f.alerted("ReleaseForwarderUndeliveredLong"), "<", f.setting("LOT_HOLD_MAX", seconds)})
			}
			return all
		},
		breaks: []change{{inSettings, "LOT_HOLD_MAX", "3h"}},
	},
}

func (f fit) drain() amount     { f.Helper(); return f.setting("CONSUMER_DRAIN_TIMEOUT", seconds) }
func (f fit) rebalance() amount { f.Helper(); return f.setting("KAFKA_REBALANCE_TIMEOUT", seconds) }
func (f fit) session() amount   { f.Helper(); return f.setting("KAFKA_SESSION_TIMEOUT", seconds) }
func (f fit) minReady() amount {
	f.Helper()
	return f.value(deploymentName, "spec/minReadySeconds", seconds)
}
func (f fit) budgeted() amount {
	f.Helper()
	return f.value(budgetName, "spec/maxUnavailable", plain).called("PodDisruptionBudget: maxUnavailable")
}

// probing is how long a probe must fail until the kubelet acts.
func (f fit) probing(probe string) amount {
	f.Helper()
	return f.value(containerName, probe+"/periodSeconds", seconds).times(f.value(containerName, probe+"/failureThreshold", plain)).
		called(probe + ": failureThreshold × periodSeconds")
}

// leastReplicas is how many there are at the least.
func (f fit) leastReplicas() amount {
	f.Helper()
	if f.has(scaledObjectName) {
		return f.value(scaledObjectName, "spec/minReplicaCount", plain)
	}
	return f.value(deploymentName, "spec/replicas", plain)
}

// scaled is a rule where KEDA scales.
func scaled(r func(fit) relation) func(fit) []relation {
	return func(f fit) (all []relation) {
		if f.has(scaledObjectName) {
			all = append(all, r(f))
		}
		return all
	}
}

func (f fit) threshold() amount {
	f.Helper()
	return f.value(scaledObjectName, "spec/triggers/0/metadata/threshold", plain).called("KEDA's threshold")
}

func (f fit) scraping() amount {
	f.Helper()
	return f.value(podMonitorName, "spec/podMetricsEndpoints/0/interval", seconds).called("scrape interval")
}

// containers are those that have something at a path.
func (f fit) containers(path string) (found []string) {
	for _, c := range f.objects.named("Container/") {
		if at(f.objects[c], path) != nil {
			found = append(found, c)
		}
	}
	return found
}

func (f fit) goLimit(container string) amount {
	f.Helper()
	return f.value(container, "env/name=GOMEMLIMIT/value", octets).called("GOMEMLIMIT")
}

// onTopics is a rule where the overlay makes the topics.
func onTopics(r func(fit) []relation) func(fit) []relation {
	return func(f fit) []relation {
		if !f.has(f.events()) {
			return nil
		}
		return r(f)
	}
}

func (f fit) events() string { return "KafkaTopic/" + f.settings["KAFKA_TOPIC"] }
func (f fit) deadLetters() string {
	return "KafkaTopic/" + cmp.Or(f.settings["DLQ_TOPIC"], f.settings["KAFKA_TOPIC"]+".dlq")
}

func (f fit) topic(setting, path string, in unit) amount {
	f.Helper()
	return f.value("KafkaTopic/"+f.settings[setting], path, in)
}

func (f fit) partitions() amount {
	f.Helper()
	return f.topic("KAFKA_TOPIC", "spec/partitions", plain).called("partitions of KAFKA_TOPIC")
}

// share is the part of the retention after which `dlq stats --check` fails.
func (f fit) share() float64 {
	f.Helper()
	field, is := reflect.TypeFor[deadletters.StatsCommand]().FieldByName("RetentionShare")
	share, err := strconv.ParseFloat(field.Tag.Get("default"), 64)
	if !is || err != nil {
		f.Fatalf("--retention-share has no default: %v", err)
	}
	return share
}

// schedule is the time between two checks: hourly, every so many hours, or daily.
func (f fit) schedule() amount {
	f.Helper()
	fields := strings.Fields(fmt.Sprint(at(f.objects[checkName], "spec/schedule")))
	every := 24 * time.Hour
	if len(fields) == 5 && fields[1] == "*" {
		every = time.Hour
	} else if n, is := strings.CutPrefix(fields[1], "*/"); is {
		hours, err := strconv.Atoi(n)
		if err != nil {
			f.Fatal(err)
		}
		every = time.Duration(hours) * time.Hour
	}
	return duration(every).called("time between two checks")
}

// checked relates a time of the CronJob to the time between two checks.
func checked(path, rel string) func(fit) []relation {
	return func(f fit) (all []relation) {
		if f.has(checkName) {
			all = append(all, relation{f.value(checkName, path, seconds), rel, f.schedule()})
		}
		return all
	}
}

// onAlerts is a rule for each alert.
func onAlerts(r func(f fit, alert string) []relation) func(fit) []relation {
	return func(f fit) (all []relation) {
		for _, alert := range f.objects.named("Alert/") {
			all = append(all, r(f, alert)...)
		}
		return all
	}
}

var comparison = regexp.MustCompile(`[<>] (\d+)(?: \* (\d+))?\s*$`)

// alerted is the threshold of an alert, in seconds.
func (f fit) alerted(alert string) amount {
	f.Helper()
	m := comparison.FindStringSubmatch(fmt.Sprint(f.objects["Alert/"+alert]["expr"]))
	if m == nil {
		f.Fatalf("%s compares with no number", alert)
	}
	of, _ := strconv.Atoi(m[1])
	times, _ := strconv.Atoi(cmp.Or(m[2], "1"))
	return amount{"threshold of " + alert, float64(of * times), seconds}
}

func compareRoom(a, b relation) int { return cmp.Compare(a.room(), b.room()) }

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}
