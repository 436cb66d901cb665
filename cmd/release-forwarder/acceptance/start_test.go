package acceptance

import (
	"net/http"
	"strings"
	"testing"
)

// startScenarios: what a process does about what it finds at its start.
func startScenarios() []scenario {
	return []scenario{
		{name: "event topic missing at the start", run: topicMissing},
		{name: "Kafka away at the start", run: kafkaAway},
		{name: "a wrong configuration: exit 2, every mistake listed", run: wrongConfiguration},
		{name: "requests take the proxy whose address ends in a line end", run: throughProxy},
		{name: "a proxy that cannot be parsed: exit 2, its name without its value", run: wrongProxy},
		{name: "telemetry variables that cannot be used: each is named in a line of JSON, and records flow", run: wrongTelemetry},
		{name: "a first start commits its place before it reads", run: firstCommit},
	}
}

func topicMissing(t *testing.T) {
	w := newWorld(t, plan{noTopic: true})
	f := w.start()
	f.answers("/livez", http.StatusOK)
	f.answers("/readyz", http.StatusServiceUnavailable)
	w.createTopic(w.topic, 2, nil)
	f.ready()
	w.produce(w.releases(20, 2)...)
	w.drained()
	f.stop()
}

func kafkaAway(t *testing.T) {
	w := newWorld(t, plan{})
	f := w.start("KAFKA_BROKERS", freeAddress(t))
	f.answers("/livez", http.StatusOK)
	f.answers("/readyz", http.StatusServiceUnavailable)
	f.stop()
}

func wrongConfiguration(t *testing.T) {
	w := newWorld(t, plan{})
	f := w.start(
		"KAFKA_BROKERS", "", "KAFKA_GROUP_ID", "", "UPSTREAM_URL", "gate/1.0?"+plantedQuery, "UPSTREAM_MAX_IN_FLIGHT", "0", "UPSTREAM_ENCODING", "xml",
		"KAFKA_SASL_MECHANISM", "GSSAPI", "EVENT_TIMEZONE", "Asia/Peking2", "CONSUMER_COMMIT_INTERVAL", "-1s", "LOG_LEVEL", "loud",
		"KAFKA_TOPICS", "typing error", "DLQ_TOPIC", w.topic, "UPSTREAM_APP_SECRET_FILE", "/does/not/exist", "RETRY_BACKOFF_MIN", "40s",
		"UPSTREAM_PERMANENT_CODES", "401", "KAFKA_HEARTBEAT_INTERVAL", "5s", "EVENT_REQUIRED_FIELDS", "plate", "KAFKA_MAX_RECORD_BYTES", "many",
	)
	if code := f.exit(); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	for _, name := range []string{
		"KAFKA_BROKERS", "KAFKA_GROUP_ID", "UPSTREAM_URL", "UPSTREAM_MAX_IN_FLIGHT", "UPSTREAM_ENCODING", "KAFKA_SASL_MECHANISM", "EVENT_TIMEZONE",
		"CONSUMER_COMMIT_INTERVAL", "LOG_LEVEL", "KAFKA_TOPICS", "DLQ_TOPIC", "UPSTREAM_APP_SECRET_FILE", "RETRY_BACKOFF_MIN",
		"UPSTREAM_PERMANENT_CODES", "KAFKA_HEARTBEAT_INTERVAL", "EVENT_REQUIRED_FIELDS", "KAFKA_MAX_RECORD_BYTES",
	} {
		if !strings.Contains(f.out.String(), name) {
			t.Errorf("%s is not listed", name)
		}
	}
	if groups, err := w.admin.ListGroups(w.ctx()); err != nil {
		t.Fatal(err)
	} else if _, there := groups[w.group]; there {
		t.Error("a group was made")
	}
}

// throughProxy has the platform where only the proxy finds it, whose part the
// platform's double plays: no name is resolved.
func throughProxy(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy"} {
		w := newWorld(t, plan{})
		f := w.start("UPSTREAM_URL", "http://platform.invalid/gate/1.0/parking/internal/update?"+plantedQuery,
			name, "http://user:p%25w@"+w.platform.address+"\r\n")
		w.produce(w.releases(5, 1)...)
		w.drained()
		f.stop()
		if strings.Contains(f.out.String(), "p%25w") {
			t.Error("the proxy's password is printed")
		}
	}
}

func wrongProxy(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "https_proxy"} {
		w := newWorld(t, plan{})
		f := w.start(name, "http://user:pass%word@proxy:3128")
		if code := f.exit(); code != 2 {
			t.Errorf("exit code %d, want 2", code)
		}
		if out := f.out.String(); !strings.HasPrefix(out, name+": ") || strings.Contains(out, "word@") {
			t.Errorf("printed %q", out)
		}
	}
}

// wrongTelemetry gives what the SDK and its exporters panic at, take without bound, or
// tell of in plain lines, some of them before main.
func wrongTelemetry(t *testing.T) {
	w := newWorld(t, plan{})
	wrong := map[string]string{
		"OTEL_BSP_MAX_QUEUE_SIZE": "-1", "OTEL_BLRP_MAX_QUEUE_SIZE": "99999999999", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "abc",
		"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": "many", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "collector:4317",
		"OTEL_EXPORTER_OTLP_HEADERS": plantedSecret, "OTEL_TRACES_SAMPLER": "sometimes",
	}
	pairs := []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://" + freeAddress(t)}
	for name, value := range wrong {
		pairs = append(pairs, name, value)
	}
	f := w.start(pairs...)
	w.produce(w.releases(5, 1)...)
	w.drained()
	f.stop()
	for name := range wrong {
		if !strings.Contains(f.out.String(), `"what":"`+name+" cannot be used: ") {
			t.Errorf("%s is not named", name)
		}
	}
	for line := range strings.Lines(f.out.String()) {
		if !strings.HasPrefix(line, "{") {
			t.Errorf("a line that is no JSON object: %.200s", line)
		}
	}
}

// firstCommit looks at a start on a topic with records and a platform that is
// down: the place where reading began is committed all the same.
func firstCommit(t *testing.T) {
	w := newWorld(t, plan{})
	w.platform.close()
	w.produce(w.releases(10, 1)...)
	w.start()
	eventually(t, "the first record's offset is committed", func() error {
		commits, err := w.commits()
		if c, ok := commits[0]; err == nil && (!ok || c.At != 0) {
			return errNone
		}
		return err
	})
	w.platform.open()
	w.drained()
}
