package settings

import "testing"

func TestReplicasOfOneConfigurationHaveOneHash(t *testing.T) {
	hash := func(pairs ...string) string {
		environment(t, with(pairs...))
		s, _, err := Load()
		if err != nil {
			t.Fatal(err)
		}
		for name := range with(pairs...) {
			t.Setenv(name, "")
		}
		return s.Hash()
	}
	plain := hash()
	if len(plain) != 12 {
		t.Errorf("the hash is %q", plain)
	}
	for _, same := range [][]string{
		{"KAFKA_CLIENT_ID", "pod-7"},
		{"KAFKA_CLIENT_RACK", "zone-b"},
		{"ADMIN_ADDR", ":9000"},
		{"LOG_LEVEL", "debug"},
		{"UPSTREAM_APP_SECRET", "another"},
		{"UPSTREAM_APP_SECRET", "", "UPSTREAM_APP_SECRET_FILE", file(t, "s3cret")},
		{"RETRY_BUDGET", "20"}, // the default
	} {
		if got := hash(same...); got != plain {
			t.Errorf("with %v it is %s, not %s", same, got, plain)
		}
	}
	seen := map[string]string{plain: "nothing"}
	for _, other := range [][]string{
		{"KAFKA_BROKERS", "localhost:9093"},
		{"DLQ_TOPIC", "elsewhere"},
		{"UPSTREAM_URL", "https://platform.example/other"},
		{"UPSTREAM_APP_ID", "a"},
		{"RETRY_BUDGET", "7"},
		{"CONSUMER_DRAIN_TIMEOUT", "19s"},
		{"EVENT_TIMEZONE", "UTC"},
		{"EVENT_TIMEZONE", "UTC", "RETRY_BUDGET", "7"},
	} {
		got := hash(other...)
		if before, known := seen[got]; known {
			t.Errorf("with %v it is the same as with %s", other, before)
		}
		seen[got] = other[0]
	}
}
