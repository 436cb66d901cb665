package settings

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"release-forwarder/consumer"
	"release-forwarder/upstream"
)

// environment clears the program's names, the proxies and what this machine trusts, and sets
// those of env.
func environment(t *testing.T, env map[string]string) {
	t.Helper()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		ours := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
		if ours || strings.HasSuffix(strings.ToUpper(name), "_PROXY") || strings.HasPrefix(name, "SSL_CERT_") {
			t.Setenv(name, "")
		}
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
}

// with returns the least environment that runs, changed by pairs of name and
// value.
func with(pairs ...string) map[string]string {
	env := map[string]string{
		"KAFKA_BROKERS":       "localhost:9092",
		"KAFKA_TOPIC":         "releases",
		"KAFKA_GROUP_ID":      "forwarder",
		"UPSTREAM_URL":        "https://platform.example/update",
		"UPSTREAM_APP_SECRET": "s3cret",
	}
	for pair := range slices.Chunk(pairs, 2) {
		env[pair[0]] = pair[1]
	}
	return env
}

func file(t *testing.T, contents string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(contents), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate is that of an authority, in PEM form.
func certificate(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, NotAfter: time.Now().Add(time.Hour)}
	made, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}))
}

func TestDefaults(t *testing.T) {
	environment(t, with())
	s, warnings, err := Load()
	if err != nil || len(warnings) > 0 {
		t.Fatalf("error %v, warnings %v", err, warnings)
	}
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"KAFKA_CLIENT_ID", s.Kafka.ClientID, "release-forwarder"},
		{"KAFKA_OFFSET_RESET", s.Kafka.OffsetReset, consumer.ResetEarliest},
		{"KAFKA_MAX_RECORD_BYTES", s.Kafka.MaxRecordBytes, int64(1 << 20)},
		{"KAFKA_SESSION_TIMEOUT", s.Kafka.SessionTimeout, 30 * time.Second},
		{"KAFKA_HEARTBEAT_INTERVAL", s.Kafka.HeartbeatInterval, 3 * time.Second},
		{"KAFKA_REBALANCE_TIMEOUT", s.Kafka.RebalanceTimeout, time.Minute},
		{"KAFKA_TLS_ENABLED", s.Kafka.TLS.Enabled, false},
		{"KAFKA_TLS_VERIFY", s.Kafka.TLS.Verify, VerifyFull},
		{"KAFKA_SASL_MECHANISM", s.Kafka.SASL.Mechanism, NoSASL},
		{"DLQ_TOPIC", s.DeadLetters.Topic, "releases.dlq"},
		{"UPSTREAM_APP_ID", s.Credential.AppID, ""},
		{"UPSTREAM_APP_SECRET", s.Credential.AppSecret.Reveal(), "s3cret"},
		{"UPSTREAM_URL", s.Upstream.URL.String(), "https://platform.example/update"},
		{"UPSTREAM_TIMEOUT", s.Upstream.Timeout, 10 * time.Second},
		{"UPSTREAM_MAX_IN_FLIGHT", s.Upstream.MaxInFlight, 64},
		{"UPSTREAM_MAX_RATE", s.Upstream.MaxRate, 0.0},
		{"UPSTREAM_SUCCESS_CODES", strings.Join(s.Upstream.SuccessCodes, " "), "1001"},
		{"UPSTREAM_PERMANENT_CODES", strings.Join(s.Upstream.PermanentCodes, " "), "400"},
		{"UPSTREAM_ENCODING", s.Upstream.Encoding, upstream.Form},
		{"UPSTREAM_RETRY_MAX", s.Upstream.RetryMax, 2},
		{"UPSTREAM_RETRY_WAIT_MIN", s.Upstream.RetryWaitMin, 100 * time.Millisecond},
		{"UPSTREAM_RETRY_WAIT_MAX", s.Upstream.RetryWaitMax, time.Second},
		{"RETRY_BUDGET", s.Retry.Budget, 20},
		{"RETRY_BACKOFF_MIN", s.Retry.BackoffMin, time.Second},
		{"RETRY_BACKOFF_MAX", s.Retry.BackoffMax, 30 * time.Second},
		{"CONSUMER_MAX_PENDING", s.Consumer.MaxPending, 4096},
		{"CONSUMER_MAX_PENDING_BYTES", s.Consumer.MaxPendingBytes, int64(16 << 20)},
		{"CONSUMER_COMMIT_INTERVAL", s.Consumer.CommitInterval, time.Second},
		{"CONSUMER_DRAIN_TIMEOUT", s.Consumer.DrainTimeout, 20 * time.Second},
		{"EVENT_TIMEZONE", s.Event.Location.String(), "Asia/Shanghai"},
		{"EVENT_REQUIRED_FIELDS", strings.Join(s.Event.Required, ","), "park_uuid,flow_no,parking_serial,plate"},
		{"ADMIN_ADDR", s.Admin.Addr, ":8081"},
		{"LOG_LEVEL", s.Log.Level, slog.LevelInfo},
		{"LOG_FORMAT", s.Log.Format, FormatJSON},
	} {
		if c.got != c.want {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestValues(t *testing.T) {
	environment(t, with(
		"KAFKA_BROKERS", " a:1 ,, [::1]:9093,a:1, ",
		"KAFKA_OFFSET_RESET", "none",
		"KAFKA_MAX_RECORD_BYTES", "512KiB",
		"CONSUMER_MAX_PENDING_BYTES", "2097152",
		"KAFKA_SASL_MECHANISM", "scram-sha-512",
		"KAFKA_SASL_USERNAME", "u",
		"KAFKA_SASL_PASSWORD", "p",
		"UPSTREAM_SUCCESS_CODES", "1001, 1000,200",
		"UPSTREAM_MAX_IN_FLIGHT", "10000",
		"UPSTREAM_TIMEOUT", "1m30s",
		"UPSTREAM_MAX_RATE", "0.25",
		"UPSTREAM_ENCODING", "Multipart",
		"RETRY_BUDGET", "0",
		"EVENT_TIMEZONE", "America/St_Johns",
		"EVENT_REQUIRED_FIELDS", "plate,park_uuid,flow_no,parking_serial,operator",
		"ADMIN_ADDR", "none",
		"ADMIN_HOSTS", "forwarder, Status.example.com.,my_host",
		"LOG_LEVEL", "WARN",
		"KAFKA_CLIENT_ID", "   ",
	))
	s, _, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"a list is trimmed, without empty and repeated elements", strings.Join(s.Kafka.Brokers, " "), "a:1 [::1]:9093"},
		{"a choice", s.Kafka.OffsetReset, consumer.ResetNone},
		{"a size with a unit", s.Kafka.MaxRecordBytes, int64(512 << 10)},
		{"a size in bytes", s.Consumer.MaxPendingBytes, int64(2 << 20)},
		{"a choice in another case", s.Kafka.SASL.Mechanism, ScramSHA512},
		{"codes", strings.Join(s.Upstream.SuccessCodes, " "), "1001 1000 200"},
		{"a number at its bound", s.Upstream.MaxInFlight, 10000},
		{"a duration", s.Upstream.Timeout, 90 * time.Second},
		{"a rate with decimals", s.Upstream.MaxRate, 0.25},
		{"an encoding", s.Upstream.Encoding, upstream.Multipart},
		{"a number that is 0", s.Retry.Budget, 0},
		{"a zone", s.Event.Location.String(), "America/St_Johns"},
		{"fields", strings.Join(s.Event.Required, " "), "plate park_uuid flow_no parking_serial operator"},
		{"no admin server", s.Admin.Addr, ""},
		{"names", strings.Join(s.Admin.Hosts, " "), "forwarder Status.example.com. my_host"},
		{"a level", s.Log.Level, slog.LevelWarn},
		{"blank counts as not set", s.Kafka.ClientID, "release-forwarder"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestSecretsFromFiles(t *testing.T) {
	environment(t, with(
		"UPSTREAM_APP_SECRET", "", "UPSTREAM_APP_SECRET_FILE", file(t, "\nfrom file\n"),
		"KAFKA_SASL_MECHANISM", "SCRAM-SHA-256", "KAFKA_SASL_USERNAME", "u", "KAFKA_SASL_PASSWORD_FILE", file(t, " p \n"),
	))
	s, _, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Credential.AppSecret.Reveal(); got != "from file" {
		t.Errorf("the app secret is %q", got)
	}
	if got := s.Kafka.SASL.Password.Reveal(); got != "p" {
		t.Errorf("the password is %q", got)
	}
}

func TestWrongSettings(t *testing.T) {
	blank, two, three, missing := file(t, " \n"), file(t, "one\ntwo\n"), file(t, "one\ntwo\nthree\n"), filepath.Join(t.TempDir(), "missing")
	aToken := file(t, "abc.def.ghi\n")
	for _, c := range []struct {
		name string
		env  map[string]string
		want string // the line's beginning, and after " … " a part of it
	}{
		{"no brokers", with("KAFKA_BROKERS", ""), "KAFKA_BROKERS: is required"},
		{"brokers of commas", with("KAFKA_BROKERS", " , "), "KAFKA_BROKERS: names no broker"},
		{"a broker without a port", with("KAFKA_BROKERS", "a:1,kafka"), "KAFKA_BROKERS: entry 2 is not host:port"},
		{"a broker's port 0", with("KAFKA_BROKERS", "a:0"), "KAFKA_BROKERS: "},
		{"a broker's port out of range", with("KAFKA_BROKERS", "a:65536"), "KAFKA_BROKERS: "},
		{"a broker with a log-in", with("KAFKA_BROKERS", "kafka-1:9092,user:s3cret@kafka:9092"), "KAFKA_BROKERS: entry 2 is not host:port"},
		{"a broker with a password as its port", with("KAFKA_BROKERS", "kafka:s3cret"), "KAFKA_BROKERS: entry 1 is not host:port"},
		{"a broker with something else before it", with("KAFKA_BROKERS", "password=s3cret;kafka:9092"), "KAFKA_BROKERS: entry 1 is not host:port"},
		{"an admin address with a log-in", with("ADMIN_ADDR", "s3cret@localhost:8081"), "ADMIN_ADDR: … not an address"},
		{"a secret in place of its file", with("UPSTREAM_APP_SECRET", "", "UPSTREAM_APP_SECRET_FILE", "s3cret"), "UPSTREAM_APP_SECRET_FILE: … cannot be read (no such file or directory)"},
		{"a broker as a URL", with("KAFKA_BROKERS", "kafka://a:9092"), "KAFKA_BROKERS: "},
		{"no topic", with("KAFKA_TOPIC", ""), "KAFKA_TOPIC: is required"},
		{"an illegal topic", with("KAFKA_TOPIC", "a b"), "KAFKA_TOPIC: is not a topic's name"},
		{"a topic of dots", with("KAFKA_TOPIC", ".."), "KAFKA_TOPIC: "},
		{"topics of commas", with("KAFKA_TOPIC", " , "), "KAFKA_TOPIC: names no topic"},
		{"an illegal topic of several", with("KAFKA_TOPIC", "a, b c", "DLQ_TOPIC", "d"), "KAFKA_TOPIC: entry 2 is not a topic's name"},
		{"several topics without one for the dead letters", with("KAFKA_TOPIC", "a,b"), "DLQ_TOPIC: is required when KAFKA_TOPIC names several topics; set it"},
		{"the dead letters' topic among several", with("KAFKA_TOPIC", "a,b", "DLQ_TOPIC", "b"), "DLQ_TOPIC: is the same topic as one of KAFKA_TOPIC"},
		{"the replay topic among several", with("KAFKA_TOPIC", "a,b", "DLQ_TOPIC", "d", "KAFKA_REPLAY_TOPIC", "b"), "KAFKA_REPLAY_TOPIC: is the same topic as one of KAFKA_TOPIC"},
		{"no group", with("KAFKA_GROUP_ID", ""), "KAFKA_GROUP_ID: is required"},
		{"a reset that is none of the two", with("KAFKA_OFFSET_RESET", "latest"), "KAFKA_OFFSET_RESET: is not one of earliest, none"},
		{"a size that is none", with("KAFKA_MAX_RECORD_BYTES", "1MB"), "KAFKA_MAX_RECORD_BYTES: … 512KiB"},
		{"a size too large for a number", with("KAFKA_MAX_RECORD_BYTES", "9999999999999GiB"), "KAFKA_MAX_RECORD_BYTES: … out of bounds"},
		{"a negative size", with("CONSUMER_MAX_PENDING_BYTES", "-1"), "CONSUMER_MAX_PENDING_BYTES: "},
		{"a duration without a unit", with("UPSTREAM_TIMEOUT", "10"), "UPSTREAM_TIMEOUT: … is not a duration"},
		{"a duration of 0", with("UPSTREAM_TIMEOUT", "0s"), "UPSTREAM_TIMEOUT: … above 0, at most 10m"},
		{"a negative duration", with("CONSUMER_COMMIT_INTERVAL", "-1s"), "CONSUMER_COMMIT_INTERVAL: … above 0"},
		{"a rebalance below 5s", with("KAFKA_REBALANCE_TIMEOUT", "4.9s"), "KAFKA_REBALANCE_TIMEOUT: … from 5s to 1h"},
		{"a heartbeat above a third of the session", with("KAFKA_HEARTBEAT_INTERVAL", "11s"), "KAFKA_HEARTBEAT_INTERVAL: … KAFKA_SESSION_TIMEOUT 30s"},
		{"a session below three default heartbeats", with("KAFKA_SESSION_TIMEOUT", "6s"), "KAFKA_SESSION_TIMEOUT: … KAFKA_HEARTBEAT_INTERVAL 3s"},
		{"neither true nor false", with("KAFKA_TLS_ENABLED", "yes"), "KAFKA_TLS_ENABLED: … neither true nor false"},
		{"a CA while TLS is off", with("KAFKA_TLS_CA_FILE", blank), "KAFKA_TLS_CA_FILE: … while TLS is off"},
		{"a name while TLS is off", with("KAFKA_TLS_SERVER_NAME", "kafka"), "KAFKA_TLS_SERVER_NAME: … while TLS is off"},
		{"a CA file without a certificate", with("KAFKA_TLS_ENABLED", "true", "KAFKA_TLS_CA_FILE", two), "KAFKA_TLS_CA_FILE: … no certificate"},
		{"a CA file that is missing", with("KAFKA_TLS_ENABLED", "true", "KAFKA_TLS_CA_FILE", missing), "KAFKA_TLS_CA_FILE: … cannot be read"},
		{"a client certificate without its key", with("KAFKA_TLS_ENABLED", "true", "KAFKA_TLS_CERT_FILE", two), "KAFKA_TLS_CERT_FILE: … without KAFKA_TLS_KEY_FILE"},
		{"a key without its certificate", with("KAFKA_TLS_ENABLED", "true", "KAFKA_TLS_KEY_FILE", two), "KAFKA_TLS_KEY_FILE: … without KAFKA_TLS_CERT_FILE"},
		{"a pair that is none", with("KAFKA_TLS_ENABLED", "true", "KAFKA_TLS_CERT_FILE", two, "KAFKA_TLS_KEY_FILE", two), "KAFKA_TLS_CERT_FILE: … not a pair"},
		{"no check of certificates", with("KAFKA_TLS_VERIFY", "none"), "KAFKA_TLS_VERIFY: … full, chain"},
		{"the chain alone by public authorities", with("KAFKA_TLS_ENABLED", "true", "KAFKA_TLS_VERIFY", "chain"), "KAFKA_TLS_VERIFY: chain needs KAFKA_TLS_CA_FILE"},
		{"the same with a name, which chain does not check", with("KAFKA_TLS_ENABLED", "true", "KAFKA_TLS_VERIFY", "Chain", "KAFKA_TLS_SERVER_NAME", "kafka"), "KAFKA_TLS_VERIFY: chain needs KAFKA_TLS_CA_FILE"},
		{"the same with a blank file name", with("KAFKA_TLS_ENABLED", "true", "KAFKA_TLS_VERIFY", "chain", "KAFKA_TLS_CA_FILE", " "), "KAFKA_TLS_VERIFY: chain needs KAFKA_TLS_CA_FILE"},
		{"the chain alone while TLS is off", with("KAFKA_TLS_VERIFY", "chain"), "KAFKA_TLS_VERIFY: … while TLS is off"},
		{"an unknown mechanism", with("KAFKA_SASL_MECHANISM", "GSSAPI"), "KAFKA_SASL_MECHANISM: … SCRAM-SHA-512"},
		{"a user without a mechanism", with("KAFKA_SASL_USERNAME", "u"), "KAFKA_SASL_USERNAME: … without KAFKA_SASL_MECHANISM"},
		{"a mechanism without a user", with("KAFKA_SASL_MECHANISM", "SCRAM-SHA-256", "KAFKA_SASL_PASSWORD", "p"), "KAFKA_SASL_USERNAME: is required"},
		{"a mechanism without a password", with("KAFKA_SASL_MECHANISM", "SCRAM-SHA-256", "KAFKA_SASL_USERNAME", "u"), "KAFKA_SASL_PASSWORD: is required"},
		{
			"a password and its file", with("KAFKA_SASL_MECHANISM", "SCRAM-SHA-256", "KAFKA_SASL_USERNAME", "u", "KAFKA_SASL_PASSWORD", "p", "KAFKA_SASL_PASSWORD_FILE", two),
			"KAFKA_SASL_PASSWORD: is set and so is KAFKA_SASL_PASSWORD_FILE",
		},
		{"PLAIN without TLS", with("KAFKA_SASL_MECHANISM", "PLAIN", "KAFKA_SASL_USERNAME", "u", "KAFKA_SASL_PASSWORD", "p"), "KAFKA_SASL_MECHANISM: PLAIN without TLS … KAFKA_SASL_ALLOW_PLAINTEXT=true"},
		{"a token without a mechanism", with("KAFKA_SASL_OAUTH_TOKEN_FILE", aToken), "KAFKA_SASL_OAUTH_TOKEN_FILE: is set without KAFKA_SASL_MECHANISM=OAUTHBEARER"},
		{
			"a provider with another mechanism", with("KAFKA_SASL_MECHANISM", "SCRAM-SHA-256", "KAFKA_SASL_USERNAME", "u", "KAFKA_SASL_PASSWORD", "p", "KAFKA_SASL_OAUTH_TOKEN_URL", "https://a"),
			"KAFKA_SASL_OAUTH_TOKEN_URL: is set without KAFKA_SASL_MECHANISM=OAUTHBEARER",
		},
		{"OAUTHBEARER without a token", bearing(), "KAFKA_SASL_OAUTH_TOKEN_FILE: is required … KAFKA_SASL_OAUTH_TOKEN_URL"},
		{"OAUTHBEARER with two sources", bearing("KAFKA_SASL_OAUTH_TOKEN_FILE", aToken, "KAFKA_SASL_OAUTH_TOKEN_URL", "https://a"), "KAFKA_SASL_OAUTH_TOKEN_FILE: is set and so is KAFKA_SASL_OAUTH_TOKEN_URL"},
		{"OAUTHBEARER without TLS", bearing("KAFKA_SASL_OAUTH_TOKEN_FILE", aToken, "KAFKA_TLS_ENABLED", ""), "KAFKA_SASL_MECHANISM: OAUTHBEARER without TLS sends the token in clear … KAFKA_SASL_ALLOW_PLAINTEXT=true"},
		{"a token's file that is missing", bearing("KAFKA_SASL_OAUTH_TOKEN_FILE", missing), "KAFKA_SASL_OAUTH_TOKEN_FILE: … cannot be read"},
		{"a token's file that is blank", bearing("KAFKA_SASL_OAUTH_TOKEN_FILE", blank), "KAFKA_SASL_OAUTH_TOKEN_FILE: the file is blank"},
		{"a token's file without a token", bearing("KAFKA_SASL_OAUTH_TOKEN_FILE", file(t, "s3cret words")), "KAFKA_SASL_OAUTH_TOKEN_FILE: the file holds what no token has"},
		{"a token's file that is too long", bearing("KAFKA_SASL_OAUTH_TOKEN_FILE", file(t, strings.Repeat("s3cret", 64<<10))), "KAFKA_SASL_OAUTH_TOKEN_FILE: the file holds more than the 64 KiB"},
		{"a user beside a token's file", bearing("KAFKA_SASL_OAUTH_TOKEN_FILE", aToken, "KAFKA_SASL_USERNAME", "u"), "KAFKA_SASL_USERNAME: is set without KAFKA_SASL_OAUTH_TOKEN_URL"},
		{"a scope beside a token's file", bearing("KAFKA_SASL_OAUTH_TOKEN_FILE", aToken, "KAFKA_SASL_OAUTH_SCOPE", "kafka"), "KAFKA_SASL_OAUTH_SCOPE: is set without KAFKA_SASL_OAUTH_TOKEN_URL"},
		{"a provider without a client ID", bearing("KAFKA_SASL_OAUTH_TOKEN_URL", "https://a", "KAFKA_SASL_PASSWORD", "p"), "KAFKA_SASL_USERNAME: is required"},
		{"a provider without a secret", bearing("KAFKA_SASL_OAUTH_TOKEN_URL", "https://a", "KAFKA_SASL_USERNAME", "u"), "KAFKA_SASL_PASSWORD: is required … KAFKA_SASL_PASSWORD_FILE"},
		{"a provider in clear", provided("KAFKA_SASL_OAUTH_TOKEN_URL", "http://idp.example/token"), "KAFKA_SASL_OAUTH_TOKEN_URL: is http and not on this host"},
		{"a provider with a password in its URL", provided("KAFKA_SASL_OAUTH_TOKEN_URL", "https://u:s3cret@idp.example/token"), "KAFKA_SASL_OAUTH_TOKEN_URL: holds a user"},
		{"a provider without a scheme", provided("KAFKA_SASL_OAUTH_TOKEN_URL", "idp.example/token"), "KAFKA_SASL_OAUTH_TOKEN_URL: is not an absolute https URL"},
		{"a provider's port out of range", provided("KAFKA_SASL_OAUTH_TOKEN_URL", "https://idp.example:70000/token"), "KAFKA_SASL_OAUTH_TOKEN_URL: is not an absolute https URL"},
		{"a provider's CA that is none", provided("KAFKA_SASL_OAUTH_CA_FILE", two), "KAFKA_SASL_OAUTH_CA_FILE: … no certificate"},
		{"an extension without a value", provided("KAFKA_SASL_OAUTH_EXTENSIONS", "a=b,logicalCluster"), "KAFKA_SASL_OAUTH_EXTENSIONS: entry 2 is not name=value"},
		{"an extension named as the token", provided("KAFKA_SASL_OAUTH_EXTENSIONS", "auth=Bearer"), "KAFKA_SASL_OAUTH_EXTENSIONS: entry 1 is named auth"},
		{"an extension twice", provided("KAFKA_SASL_OAUTH_EXTENSIONS", "a=b,a=c"), "KAFKA_SASL_OAUTH_EXTENSIONS: entry 2 has the name"},
		{"dead letters among the events", with("DLQ_TOPIC", "releases"), "DLQ_TOPIC: is the same topic as KAFKA_TOPIC"},
		{"a topic whose dead letters' default is too long", with("KAFKA_TOPIC", strings.Repeat("t", 246)), "DLQ_TOPIC: … too long"},
		{"no secret", with("UPSTREAM_APP_SECRET", ""), "UPSTREAM_APP_SECRET: is required … UPSTREAM_APP_SECRET_FILE"},
		{"a secret and its file", with("UPSTREAM_APP_SECRET_FILE", two), "UPSTREAM_APP_SECRET: is set and so is UPSTREAM_APP_SECRET_FILE"},
		{"a secret of two lines", with("UPSTREAM_APP_SECRET", "s3cret\nnext"), "UPSTREAM_APP_SECRET: … more than one line"},
		{"a secret file that is blank", with("UPSTREAM_APP_SECRET", "", "UPSTREAM_APP_SECRET_FILE", blank), "UPSTREAM_APP_SECRET_FILE: … blank"},
		{"a secret file that is missing", with("UPSTREAM_APP_SECRET", "", "UPSTREAM_APP_SECRET_FILE", missing), "UPSTREAM_APP_SECRET_FILE: … cannot be read"},
		{"a secret file of three lines", with("UPSTREAM_APP_SECRET", "", "UPSTREAM_APP_SECRET_FILE", three), "UPSTREAM_APP_SECRET_FILE: … more than two lines"},
		{"a secret file that is not UTF-8", with("UPSTREAM_APP_SECRET", "", "UPSTREAM_APP_SECRET_FILE", file(t, "s3cret\xff")), "UPSTREAM_APP_SECRET_FILE: … not UTF-8"},
		{"a password file of two lines", with("KAFKA_SASL_MECHANISM", "SCRAM-SHA-256", "KAFKA_SASL_USERNAME", "u", "KAFKA_SASL_PASSWORD_FILE", two), "KAFKA_SASL_PASSWORD_FILE: … more than one line"},
		{"a file of credentials that is missing", with("UPSTREAM_CREDENTIALS_FILE", missing), "UPSTREAM_CREDENTIALS_FILE: … cannot be read"},
		{"a file of credentials that is none", with("UPSTREAM_CREDENTIALS_FILE", two), "UPSTREAM_CREDENTIALS_FILE: the file is not {"},
		{"no URL", with("UPSTREAM_URL", ""), "UPSTREAM_URL: is required"},
		{"a URL without a scheme", with("UPSTREAM_URL", "platform.example/update"), "UPSTREAM_URL: is not an absolute"},
		{"a URL of another scheme", with("UPSTREAM_URL", "ftp://platform.example"), "UPSTREAM_URL: is not an absolute"},
		{"a URL without a host", with("UPSTREAM_URL", "https:///update"), "UPSTREAM_URL: is not an absolute"},
		{"a URL's port out of range", with("UPSTREAM_URL", "https://a:70000/"), "UPSTREAM_URL: has a port"},
		{"no request at once", with("UPSTREAM_MAX_IN_FLIGHT", "0"), "UPSTREAM_MAX_IN_FLIGHT: … 1 to 10000"},
		{"too many requests at once", with("UPSTREAM_MAX_IN_FLIGHT", "10001"), "UPSTREAM_MAX_IN_FLIGHT: … 1 to 10000"},
		{"a number too large for any", with("UPSTREAM_MAX_IN_FLIGHT", "99999999999999999999"), "UPSTREAM_MAX_IN_FLIGHT: … out of bounds"},
		{"a number with a fraction", with("RETRY_BUDGET", "1.5"), "RETRY_BUDGET: … not a whole number"},
		{"codes of commas", with("UPSTREAM_SUCCESS_CODES", ","), "UPSTREAM_SUCCESS_CODES: names no code"},
		{"a code that is none", with("UPSTREAM_SUCCESS_CODES", "1001;1000"), "UPSTREAM_SUCCESS_CODES: … is not a code"},
		{"401 as permanent", with("UPSTREAM_PERMANENT_CODES", "400,401"), "UPSTREAM_PERMANENT_CODES: 401"},
		{"403 as permanent", with("UPSTREAM_PERMANENT_CODES", "403"), "UPSTREAM_PERMANENT_CODES: 403"},
		{"429 as permanent", with("UPSTREAM_PERMANENT_CODES", "429"), "UPSTREAM_PERMANENT_CODES: 429"},
		{"500 as permanent", with("UPSTREAM_PERMANENT_CODES", "500"), "UPSTREAM_PERMANENT_CODES: 500"},
		{"503 as permanent", with("UPSTREAM_PERMANENT_CODES", "503,500"), "UPSTREAM_PERMANENT_CODES: 503"},
		{"a success code as permanent", with("UPSTREAM_PERMANENT_CODES", "400,1001"), "UPSTREAM_PERMANENT_CODES: 1001 is in UPSTREAM_SUCCESS_CODES"},
		{"a platform's CA that is missing", with("UPSTREAM_TLS_CA_FILE", missing), "UPSTREAM_TLS_CA_FILE: … cannot be read"},
		{"a platform's CA that is none", with("UPSTREAM_TLS_CA_FILE", two), "UPSTREAM_TLS_CA_FILE: … no certificate"},
		{"a quick retry's MIN above MAX", with("UPSTREAM_RETRY_WAIT_MIN", "2s"), "UPSTREAM_RETRY_WAIT_MIN: … UPSTREAM_RETRY_WAIT_MAX 1s"},
		{"a backoff's MAX below the default MIN", with("RETRY_BACKOFF_MAX", "500ms"), "RETRY_BACKOFF_MAX: RETRY_BACKOFF_MIN 1s is above"},
		{"an unknown zone", with("EVENT_TIMEZONE", "Asia/Peking"), "EVENT_TIMEZONE: … not a time zone"},
		{"the machine's zone", with("EVENT_TIMEZONE", "Local"), "EVENT_TIMEZONE: "},
		{"a required field left out", with("EVENT_REQUIRED_FIELDS", "park_uuid,flow_no,plate"), "EVENT_REQUIRED_FIELDS: leaves out parking_serial"},
		{"a required field that is none", with("EVENT_REQUIRED_FIELDS", "park_uuid,flow_no,parking_serial,plate,colour"), "EVENT_REQUIRED_FIELDS: entry 5 is not a field"},
		{"an admin address without a port", with("ADMIN_ADDR", "localhost"), "ADMIN_ADDR: … not an address"},
		{"a name with a port", with("ADMIN_HOSTS", "status.example.com, forwarder:8081"), "ADMIN_HOSTS: entry 2 is not a host"},
		{"a URL as a name", with("ADMIN_HOSTS", "http://status.example.com"), "ADMIN_HOSTS: entry 1"},
		{"all names", with("ADMIN_HOSTS", "*"), "ADMIN_HOSTS: entry 1"},
		{"all names of a domain", with("ADMIN_HOSTS", "*.example.com"), "ADMIN_HOSTS: entry 1"},
		{"a name that no client says", with("ADMIN_HOSTS", "状态.example.com"), "ADMIN_HOSTS: entry 1 … without"},
		{"names of commas", with("ADMIN_HOSTS", ","), "ADMIN_HOSTS: names no host"},
		{"an unknown level", with("LOG_LEVEL", "verbose"), "LOG_LEVEL: … debug, info, warn, error"},
		{"an unknown format", with("LOG_FORMAT", "logfmt"), "LOG_FORMAT: … json, text"},
		{"a rate below 0", with("UPSTREAM_MAX_RATE", "-1"), "UPSTREAM_MAX_RATE: … not a number"},
		{"a rate that is not finite", with("UPSTREAM_MAX_RATE", "Inf"), "UPSTREAM_MAX_RATE: … not a number"},
		{"a rate with an exponent", with("UPSTREAM_MAX_RATE", "1e3"), "UPSTREAM_MAX_RATE: … not a number"},
		{"a rate out of bounds", with("UPSTREAM_MAX_RATE", "1000000.1"), "UPSTREAM_MAX_RATE: … 0 to 1000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, c.env)
			_, _, err := Load()
			invalid, is := errors.AsType[*Invalid](err)
			if !is || len(invalid.Settings) != 1 {
				t.Fatalf("got %v, want just one wrong setting", err)
			}
			line, want := invalid.Settings[0].String(), c.want
			if begin, part, two := strings.Cut(want, "…"); two {
				want = begin
				if !strings.Contains(line, strings.TrimSpace(part)) {
					t.Errorf("line is %q, want %q in it", line, strings.TrimSpace(part))
				}
			}
			if !strings.HasPrefix(line, strings.TrimSpace(want)) {
				t.Errorf("line is %q, want it to begin with %q", line, want)
			}
			if strings.ContainsAny(line, "\n\r") || strings.Contains(line, "s3cret") {
				t.Errorf("line is not one, or holds the secret: %q", line)
			}
		})
	}
}

func TestEveryMistakeAtOnce(t *testing.T) {
	environment(t, map[string]string{
		"UPSTREAM_APP_SECRET":      "s3cret",
		"UPSTREAM_APP_SECRET_FILE": filepath.Join(t.TempDir(), "missing"),
		"UPSTREAM_URL":             "/update?token=s3cret",
		"RETRY_BUDGET":             "many",
		"UPSTREAM_TIMEOUT":         "0",
		"KAFKA_TOPCI":              "releases",
		"LOG_LEVEL":                "loud",
	})
	_, _, err := Load()
	invalid, is := errors.AsType[*Invalid](err)
	if !is {
		t.Fatalf("error is %v", err)
	}
	var names []string
	for _, w := range invalid.Settings {
		names = append(names, w.Name)
	}
	want := []string{
		"KAFKA_BROKERS", "KAFKA_TOPIC", "KAFKA_GROUP_ID", "UPSTREAM_APP_SECRET", "UPSTREAM_URL", "UPSTREAM_TIMEOUT",
		"RETRY_BUDGET", "LOG_LEVEL", "KAFKA_TOPCI",
	}
	if !slices.Equal(names, want) {
		t.Errorf("wrong are %v\nwant      %v", names, want)
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != len(want) {
		t.Errorf("%d lines for %d settings:\n%v", len(lines), len(want), err)
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the secret shows in:\n%v", err)
	}
}

// bearing is a right environment with OAUTHBEARER and TLS, which lacks where the token is from.
func bearing(pairs ...string) map[string]string {
	return with(append([]string{"KAFKA_SASL_MECHANISM", "OAUTHBEARER", "KAFKA_TLS_ENABLED", "true"}, pairs...)...)
}

// provided is one whose tokens are a provider's.
func provided(pairs ...string) map[string]string {
	return bearing(append([]string{"KAFKA_SASL_OAUTH_TOKEN_URL", "https://idp.example/token", "KAFKA_SASL_USERNAME", "id", "KAFKA_SASL_PASSWORD", "s3cret"}, pairs...)...)
}

func TestTheSourceOfTokensIsRead(t *testing.T) {
	environment(t, provided("KAFKA_SASL_OAUTH_SCOPE", " kafka  events ", "KAFKA_SASL_OAUTH_EXTENSIONS", "logicalCluster=lkc-1, identityPoolId=pool=1"))
	s, _, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	oauth := s.Kafka.SASL.OAuth
	if s.Kafka.SASL.Mechanism != OAuthBearer || oauth.TokenURL.String() != "https://idp.example/token" || oauth.Scope != "kafka  events" ||
		!maps.Equal(oauth.Extensions, map[string]string{"logicalCluster": "lkc-1", "identityPoolId": "pool=1"}) {
		t.Errorf("read %+v", oauth)
	}
	if got, err := ParseToken([]byte("\uFEFFabc.d-e_f.gh==\r\n")); err != nil || got.Reveal() != "abc.d-e_f.gh==" {
		t.Errorf("a token is read as %q, %v", got.Reveal(), err)
	}
}

func TestWarnings(t *testing.T) {
	authority := file(t, certificate(t))
	mapped := file(t, "profiles:\n  - {name: a, when: {topic: [lanes-a, lanes-c]}, ignore: true}\n  - {name: b, when: {topic: again}, fields: {park_uuid: {from: a}, flow_no: {from: b}, parking_serial: {from: c}, plate: {from: d}}}\n")
	plain := []string{"KAFKA_SASL_MECHANISM", "PLAIN", "KAFKA_SASL_USERNAME", "u", "KAFKA_SASL_PASSWORD", "p", "KAFKA_SASL_ALLOW_PLAINTEXT", "true"}
	for _, c := range []struct {
		name string
		env  map[string]string
		want []string // each warning's beginning
	}{
		{"nothing unusual", with(), nil},
		{"more codes that count as accepted", with("UPSTREAM_SUCCESS_CODES", "1001,200"), []string{"UPSTREAM_SUCCESS_CODES: is 1001,200"}},
		{"a plain-text platform", with("UPSTREAM_URL", "http://platform.example/"), []string{"UPSTREAM_URL: "}},
		{"a plain-text platform on this host", with("UPSTREAM_URL", "http://localhost:8080/"), nil},
		{"a name that only the DNS says is this host", with("UPSTREAM_URL", "http://platform.localhost:8080/"), []string{"UPSTREAM_URL: "}},
		{"the same by address", with("UPSTREAM_URL", "http://127.9.9.9:8080/"), nil},
		{"the same by IPv6", with("UPSTREAM_URL", "http://[::1]:8080/"), nil},
		{"a drain that does not fit into a rebalance", with("CONSUMER_DRAIN_TIMEOUT", "59s"), []string{"CONSUMER_DRAIN_TIMEOUT: 59s does not fit into KAFKA_REBALANCE_TIMEOUT 1m0s; drains end after 58s"}},
		{"a drain that just fits", with("CONSUMER_DRAIN_TIMEOUT", "58s"), nil},
		{"a decision to give up what is old", with("DLQ_HELD_BEFORE", "2024-05-01T00:00:00Z"), []string{"DLQ_HELD_BEFORE: held records with a timestamp before 2024-05-01T00:00:00Z become dead letters"}},
		{"a request that may outlast the drain", with("UPSTREAM_TIMEOUT", "21s"), []string{"UPSTREAM_TIMEOUT: 21s is above the 20s"}},
		{"plain text to a broker elsewhere", with("KAFKA_BROKERS", "localhost:9092,kafka-1:9092"), []string{"KAFKA_TLS_ENABLED: "}},
		{"plain text to brokers of this host", with("KAFKA_BROKERS", "127.0.0.1:9092,[::1]:9092"), nil},
		{"TLS to a broker elsewhere", with("KAFKA_BROKERS", "kafka-1:9092", "KAFKA_TLS_ENABLED", "true"), nil},
		{
			"a token in clear, allowed", bearing("KAFKA_SASL_OAUTH_TOKEN_FILE", file(t, "abc.def.ghi"), "KAFKA_TLS_ENABLED", "", "KAFKA_SASL_ALLOW_PLAINTEXT", "true"),
			[]string{"KAFKA_SASL_ALLOW_PLAINTEXT: OAUTHBEARER"},
		},
		{"a token by TLS", bearing("KAFKA_SASL_OAUTH_TOKEN_FILE", file(t, "abc.def.ghi")), nil},
		{"a provider on this host", provided("KAFKA_SASL_OAUTH_TOKEN_URL", "http://127.0.0.1:8080/token"), nil},
		{"a password in clear, allowed", with(plain...), []string{"KAFKA_SASL_ALLOW_PLAINTEXT: "}},
		{
			"a certificate's name that is not checked", with("KAFKA_TLS_ENABLED", "true", "KAFKA_TLS_VERIFY", "chain", "KAFKA_TLS_CA_FILE", authority),
			[]string{"KAFKA_TLS_VERIFY: chain does not check names: whoever has a certificate of an authority in KAFKA_TLS_CA_FILE"},
		},
		{"a mapped topic that is not read", with("KAFKA_TOPIC", "lanes-a,lanes-b", "DLQ_TOPIC", "d", "KAFKA_REPLAY_TOPIC", "again", "MAPPING_FILE", mapped), []string{"MAPPING_FILE: asks by when for a topic that is neither in KAFKA_TOPIC nor KAFKA_REPLAY_TOPIC, and so is not read: lanes-c; "}},
		{"mapped topics that are read", with("KAFKA_TOPIC", "lanes-a,lanes-c", "DLQ_TOPIC", "d", "KAFKA_REPLAY_TOPIC", "again", "MAPPING_FILE", mapped), nil},
		{"storms without a limit", with("DLQ_STORM_LIMIT", "0"), []string{"DLQ_STORM_LIMIT: is 0"}},
		{
			"names that are no settings", with("KAFKA_COMPRESSION", "x", "UPSTREAM_PROXY", "y", "LOG_COLOUR", ""),
			[]string{"KAFKA_COMPRESSION, UPSTREAM_PROXY: "},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, c.env)
			_, warnings, err := Load()
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) != len(c.want) {
				t.Fatalf("warnings are %v, want %q", warnings, c.want)
			}
			for i, w := range warnings {
				if !strings.HasPrefix(w.String(), c.want[i]) {
					t.Errorf("warning %q, want it to begin with %q", w, c.want[i])
				}
			}
		})
	}
}

func TestDrainEndsBeforeTheRebalance(t *testing.T) {
	for _, c := range []struct{ drain, rebalance, want time.Duration }{
		{20 * time.Second, 60 * time.Second, 20 * time.Second},
		{59 * time.Second, 60 * time.Second, 58 * time.Second},
		{20 * time.Second, 5 * time.Second, 3 * time.Second},
	} {
		s := &Settings{Kafka: Kafka{RebalanceTimeout: c.rebalance}, Consumer: Consumer{DrainTimeout: c.drain}}
		if got := s.Drain(); got != c.want {
			t.Errorf("drain %v, rebalance %v: %v, want %v", c.drain, c.rebalance, got, c.want)
		}
	}
}

func TestACommandNeedsOnlyItsGroups(t *testing.T) {
	check := []Group{GroupEvent, GroupCredential}
	for _, c := range []struct {
		name  string
		env   map[string]string
		wrong string // empty: right
	}{
		{"nothing set", nil, ""},
		{"other groups are not looked at", map[string]string{"KAFKA_BROKERS": "nonsense", "UPSTREAM_TIMEOUT": "0", "KAFKA_TOPCI": "x", "KAFKA_REPLAY_TOPIC": "x", "LOT_FOO": "x"}, ""},
		{"its own are", map[string]string{"EVENT_TIMEZONE": "nowhere"}, "EVENT_TIMEZONE"},
		{"typing errors of its own too", map[string]string{"EVENT_TIMEZON": "UTC"}, "EVENT_TIMEZON"},
		{"credentials are not demanded but must be good", map[string]string{"UPSTREAM_CREDENTIALS_FILE": "/does/not/exist"}, "UPSTREAM_CREDENTIALS_FILE"},
		{"a secret is not demanded but must be good", map[string]string{"UPSTREAM_APP_SECRET_FILE": "/does/not/exist"}, "UPSTREAM_APP_SECRET_FILE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, c.env)
			s, warnings, err := Load(check...)
			if len(warnings) > 0 {
				t.Errorf("warnings: %v", warnings)
			}
			invalid, is := errors.AsType[*Invalid](err)
			switch {
			case c.wrong == "" && err != nil:
				t.Fatal(err)
			case c.wrong == "" && (s.Event.Location == nil || s.Kafka.Brokers != nil):
				t.Errorf("loaded %+v", s)
			case c.wrong != "" && (!is || len(invalid.Settings) != 1 || invalid.Settings[0].Name != c.wrong):
				t.Errorf("error is %v, want %s alone", err, c.wrong)
			}
		})
	}
}

func TestNamesInTheEnvironment(t *testing.T) {
	for name, near := range map[string]string{
		"KAFKA_BROKER":          "KAFKA_BROKERS",  // a letter missing
		"KAFKA_BROKRES":         "KAFKA_BROKERS",  // two swapped
		"KAFKA_TOPICS":          "KAFKA_TOPIC",    // one too many
		"KAFKA_GRUOP_IT":        "KAFKA_GROUP_ID", // two errors
		"UPSTREAM_APPSECRET":    "UPSTREAM_APP_SECRET",
		"LOG_LVEL":              "LOG_LEVEL",
		"RETRY_BUGDET":          "RETRY_BUDGET",
		"CONSUMER_MAX_PENDINGS": "CONSUMER_MAX_PENDING",
		"ADMIN_ADDRES":          "ADMIN_ADDR",
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, with(name, "x"))
			_, _, err := Load()
			invalid, is := errors.AsType[*Invalid](err)
			if !is || len(invalid.Settings) != 1 || invalid.Settings[0].String() != "unknown setting "+name+"; did you mean "+near+"?" {
				t.Errorf("error is %v, want %s taken for %s", err, name, near)
			}
		})
	}
}

func TestWhatKubernetesInjectsIsNotLookedAt(t *testing.T) {
	env := with()
	for _, service := range []string{"KAFKA", "KAFKA_BOOTSTRAP", "KAFKA_TOPI", "UPSTREAM", "DLQ", "LOG", "ADMIN_ADD"} {
		for _, suffix := range []string{
			"_SERVICE_HOST", "_SERVICE_PORT", "_SERVICE_PORT_TLS", "_SERVICE_PORT_HTTP_ADMIN", "_PORT",
			"_PORT_9092_TCP", "_PORT_9092_TCP_PROTO", "_PORT_9092_TCP_PORT", "_PORT_9092_TCP_ADDR", "_PORT_53_UDP_ADDR",
		} {
			env[service+suffix] = "tcp://10.0.0.1:9092"
		}
	}
	maps.Copy(env, map[string]string{"OTEL_SERVICE_NAME": "x", "PATH_TO_KAFKA": "x", "LOGNAME": "x", "KAFKA": "x"})
	environment(t, env)
	if _, warnings, err := Load(); err != nil || len(warnings) > 0 {
		t.Errorf("error %v, warnings %v", err, warnings)
	}
}
