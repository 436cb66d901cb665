package settings

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"release-forwarder/cmd/release-forwarder/settings/lookup"
	"release-forwarder/mapping"
)

// judge checks what no field shows alone: files, and settings that belong together.
// Each part checks only groups that are loaded.
func (l *loader) judge() {
	if l.loads(GroupKafka) {
		l.judgeMembership()
		l.judgeTLS()
		l.judgeSASL()
	}
	l.judgeTopics()
	l.judgeCredential()
	l.judgeDeadLetters()
	l.judgeReceipts()
	l.judgeMapping()
	if l.loads(GroupUpstream) {
		l.judgePlatform()
		l.judgeProxy()
	}
	if l.all {
		l.judgeRuntime()
	}
	l.judgeOrder("RETRY_BACKOFF_MIN", l.s.Retry.BackoffMin, "RETRY_BACKOFF_MAX", l.s.Retry.BackoffMax)
	l.judgeTimes()
}

// judgeMembership holds the heartbeat to what the group protocol needs: two may
// be lost before the session ends.
func (l *loader) judgeMembership() {
	const heartbeat, session = "KAFKA_HEARTBEAT_INTERVAL", "KAFKA_SESSION_TIMEOUT"
	k := &l.s.Kafka
	if l.right(heartbeat, session) && k.HeartbeatInterval > k.SessionTimeout/3 {
		l.refuseOrder(heartbeat, k.HeartbeatInterval, "a third of ", session, k.SessionTimeout)
	}
}

func (l *loader) judgeTLS() {
	tls := &l.s.Kafka.TLS
	const ca, cert, key, name = "KAFKA_TLS_CA_FILE", "KAFKA_TLS_CERT_FILE", "KAFKA_TLS_KEY_FILE", "KAFKA_TLS_SERVER_NAME"
	const verify = "KAFKA_TLS_VERIFY"
	if !tls.Enabled {
		if l.right("KAFKA_TLS_ENABLED", verify) && tls.Verify == VerifyChain {
			l.refuse(verify, "is chain while TLS is off; set KAFKA_TLS_ENABLED=true, or unset this")
		}
		for _, n := range []string{ca, cert, key, name} {
			if l.right("KAFKA_TLS_ENABLED") && l.given(n) {
				l.refuse(n, "is set while TLS is off; set KAFKA_TLS_ENABLED=true, or unset this")
			}
		}
		if l.right("KAFKA_TLS_ENABLED", "KAFKA_BROKERS") && slices.ContainsFunc(l.s.Kafka.Brokers, elsewhere) {
			l.warn("KAFKA_TLS_ENABLED", "is off and a broker is not on this host: plates and names travel in clear, and whoever is on the path can change them; use TLS")
		}
		return
	}
	l.judgeCA(ca, tls.CAFile)
	switch {
	case !l.right(verify) || tls.Verify != VerifyChain:
	case !l.given(ca):
		// Anybody gets a certificate from one of the system's authorities.
		l.refuse(verify, "chain needs %s: without it any certificate of a public authority is taken for the broker's; name the file of the brokers' own authority, or set %s and leave %s at full",
			ca, name, verify)
	default:
		l.warn(verify, "chain does not check names: whoever has a certificate of an authority in %s is taken for a broker and gets the log-in; where the brokers' certificates carry one name, set %s and %s=full instead",
			ca, name, verify)
	}
	switch {
	case l.given(cert) && l.given(key):
		certPEM, ok := l.file(cert, tls.CertFile)
		keyPEM, ok2 := l.file(key, tls.KeyFile)
		if _, err := ParseKeyPair(certPEM, keyPEM); ok && ok2 && err != nil {
			l.refuse(cert, "%s", err)
		}
	case l.given(cert):
		l.refuse(cert, "is set without %s; set both or none", key)
	case l.given(key):
		l.refuse(key, "is set without %s; set both or none", cert)
	}
}

// judgeCA refuses a file of authorities that cannot be used.
func (l *loader) judgeCA(name, path string) {
	if !l.given(name) {
		return
	}
	contents, ok := l.file(name, path)
	if _, err := ParseCA(nil, contents); ok && err != nil {
		l.refuse(name, "%s", err)
	}
}

func (l *loader) judgeSASL() {
	sasl := &l.s.Kafka.SASL
	const mechanism, user, password, file = "KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD", "KAFKA_SASL_PASSWORD_FILE"
	l.secret(password, &sasl.Password, file, sasl.PasswordFile)
	if !l.right(mechanism) {
		return
	}
	if sasl.Mechanism != OAuthBearer {
		l.needless(oauthSettings, mechanism+"=OAUTHBEARER")
	}
	switch sasl.Mechanism {
	case NoSASL:
		l.needless([]string{user, password, file}, mechanism)
		return
	case ScramSHA256, ScramSHA512:
	case Plain:
		l.judgeClear(Plain, "password", ", choose a SCRAM mechanism")
	case OAuthBearer:
		l.judgeClear(OAuthBearer, "token", "")
		if !l.judgeOAuth() {
			return
		}
	}
	if !l.given(user) {
		l.refuse(user, "is required with %s; set it", mechanism)
	}
	if !l.given(password) && !l.given(file) {
		l.refuse(password, "is required with %s; set it, or %s", mechanism, file)
	}
}

// needless refuses settings that mean nothing without another.
func (l *loader) needless(names []string, without string) {
	for _, n := range names {
		if l.given(n) {
			l.refuse(n, "is set without %s; set that, or unset this", without)
		}
	}
}

// judgeClear refuses, or warns of, a mechanism that sends a secret in clear where there is no TLS.
func (l *loader) judgeClear(m Mechanism, secret, choice string) {
	const allow = "KAFKA_SASL_ALLOW_PLAINTEXT"
	switch clear := l.right("KAFKA_TLS_ENABLED", allow) && !l.s.Kafka.TLS.Enabled; {
	case clear && !l.s.Kafka.SASL.AllowPlaintext:
		l.refuse("KAFKA_SASL_MECHANISM", "%s without TLS sends the %s in clear; set KAFKA_TLS_ENABLED=true%s, or allow it with %s=true", m, secret, choice, allow)
	case clear:
		l.warn(allow, "%s without TLS sends the %s in clear to every broker", m, secret)
	}
}

const (
	oauthTokenFile = "KAFKA_SASL_OAUTH_TOKEN_FILE"
	oauthTokenURL  = "KAFKA_SASL_OAUTH_TOKEN_URL"
	oauthScope     = "KAFKA_SASL_OAUTH_SCOPE"
	oauthCAFile    = "KAFKA_SASL_OAUTH_CA_FILE"
)

var oauthSettings = []string{oauthTokenFile, oauthTokenURL, oauthScope, oauthCAFile, "KAFKA_SASL_OAUTH_EXTENSIONS"}

// judgeOAuth demands one source of tokens. It returns whether that needs a user and a password.
func (l *loader) judgeOAuth() (asks bool) {
	oauth := &l.s.Kafka.SASL.OAuth
	switch {
	case l.given(oauthTokenFile) && l.given(oauthTokenURL):
		l.refuse(oauthTokenFile, "is set and so is %s; unset one", oauthTokenURL)
		return false
	case l.given(oauthTokenURL):
		l.judgeCA(oauthCAFile, oauth.CAFile)
		return true
	case l.given(oauthTokenFile):
		if contents, ok := l.file(oauthTokenFile, oauth.TokenFile); ok {
			if _, err := ParseToken(contents); err != nil {
				l.refuse(oauthTokenFile, "%s", err)
			}
		}
	default:
		l.refuse(oauthTokenFile, "is required with KAFKA_SASL_MECHANISM=OAUTHBEARER; set it, or %s", oauthTokenURL)
	}
	l.needless([]string{"KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD", "KAFKA_SASL_PASSWORD_FILE", oauthScope, oauthCAFile}, oauthTokenURL)
	return false
}

// judgeTopics derives DLQ_TOPIC and keeps it apart from the events: dead
// letters in the events' topic would be read as events.
func (l *loader) judgeTopics() {
	const events, deadLetters = "KAFKA_TOPIC", "DLQ_TOPIC"
	topics, topic := l.s.Kafka.Topics, &l.s.DeadLetters.Topic
	if !l.right(events, deadLetters) || len(topics) == 0 {
		return
	}
	switch {
	case l.given(deadLetters):
	case len(topics) > 1:
		l.refuse(deadLetters, "is required when %s names several topics; set it, one for all of them", events)
	default:
		*topic = topics[0] + ".dlq"
		l.s.shown[deadLetters] = *topic
		if !topicName.MatchString(*topic) {
			l.refuse(deadLetters, "its default, %s.dlq, is too long for a topic's name; set it", events)
		}
	}
	among := events
	if len(topics) > 1 {
		among = "one of " + events
	}
	if slices.Contains(topics, *topic) {
		l.refuse(deadLetters, "is the same topic as %s; name another", among)
	}
	const replay = "KAFKA_REPLAY_TOPIC"
	switch {
	case !l.right(replay) || l.s.Kafka.ReplayTopic == "":
	case slices.Contains(topics, l.s.Kafka.ReplayTopic):
		l.refuse(replay, "is the same topic as %s; leave it out, or name another", among)
	case l.s.Kafka.ReplayTopic == *topic:
		l.refuse(replay, "is the same topic as %s; name another", deadLetters)
	}
}

// judgeReceipts demands a key where there are receipts, and a topic of their own.
func (l *loader) judgeReceipts() {
	const topic, file, required = "RECEIPTS_TOPIC", "RECEIPTS_KEY_FILE", "RECEIPTS_REQUIRED"
	if !l.loads(GroupReceipts) || !l.right(topic) {
		return
	}
	r := &l.s.Receipts
	if !l.given(topic) {
		l.needless([]string{file}, topic)
		if r.Required {
			l.refuse(required, "is true without %s; set that, or unset this", topic)
		}
		return
	}
	if slices.Contains(l.s.Kafka.Topics, r.Topic) {
		l.refuse(topic, "is the same topic as one of KAFKA_TOPIC; name another")
	}
	for _, other := range []struct{ name, topic string }{
		{"KAFKA_REPLAY_TOPIC", l.s.Kafka.ReplayTopic},
		{"DLQ_TOPIC", l.s.DeadLetters.Topic}, {"DLQ_TOPIC's ledger", l.s.DeadLetters.Topic + ".ledger"},
	} {
		if r.Topic == other.topic {
			l.refuse(topic, "is the same topic as %s; name another", other.name)
		}
	}
	if !l.all { // a command writes no receipts, and its pod may not have the key
		return
	}
	if !l.given(file) {
		l.refuse(file, "is required with %s; set it", topic)
		return
	}
	var err error
	if r.Keys, err = r.ReadKeys(); err != nil {
		l.refuse(file, "%s", err)
	}
}

// ReadKeys reads KeyFile: see [ParseReceiptKeys]. The error continues a line that begins with the setting's name. It
// repeats neither the path, which may be the key itself, nor anything of the contents.
func (r *Receipts) ReadKeys() ([]Secret, error) {
	if r.KeyFile == "" {
		return nil, errors.New("is not set")
	}
	contents, err := os.ReadFile(r.KeyFile)
	if err != nil {
		return nil, unreadable(err)
	}
	return ParseReceiptKeys(contents)
}

// judgeDeadLetters warns of decisions that must not outlive their reason.
func (l *loader) judgeDeadLetters() {
	if l.right("DLQ_STORM_LIMIT") && l.s.DeadLetters.StormLimit == 0 {
		l.warn("DLQ_STORM_LIMIT", "is 0: nothing slows dead letters when a producer or the platform has changed, and the whole topic may become dead letters before a person has looked; set a number again when the reason is gone")
	}
	if t := l.s.DeadLetters.HeldBefore; !t.IsZero() {
		l.warn("DLQ_HELD_BEFORE", "held records with a timestamp before %s become dead letters at their next failure; unset it when that is done", t.Format(time.RFC3339))
	}
}

// judgeMapping reads the mapping file. Each of its mistakes is a line of its own.
func (l *loader) judgeMapping() {
	const file, required = "MAPPING_FILE", "EVENT_REQUIRED_FIELDS"
	if !l.given(file) {
		return
	}
	if l.given(required) {
		l.refuse(required, "is set and so is %s; unset this, and write required: true into that file", file)
	}
	contents, ok := l.file(file, l.s.Event.Mapping)
	if !ok {
		return
	}
	parsed, err := mapping.Parse(contents)
	if l.mistakes(file, "", err) {
		return
	}
	l.s.Event.File, l.s.Event.Lookups = parsed, map[string]mapping.Lookup{}
	for _, name := range parsed.Lookups {
		contents, err := os.ReadFile(l.s.Event.LookupFile(name))
		if err != nil {
			l.refuse(file, "%s, which lies beside it, cannot be read (%v); is it mounted and readable?", name, reason(err))
			continue
		}
		table, err := lookup.Parse(contents)
		l.mistakes(file, name+": ", err)
		l.s.Event.Lookups[name] = table
	}
	l.judgeMappedTopics(parsed)
	if parsed.Endpoint != mapping.BuiltIn() {
		l.judgeEndpoint(parsed.Endpoint)
	}
}

// judgeMappedTopics warns of topics in the mapping file from which nothing is read.
func (l *loader) judgeMappedTopics(f *mapping.File) {
	const events, replay = "KAFKA_TOPIC", "KAFKA_REPLAY_TOPIC"
	if !l.right(events, replay) {
		return
	}
	strange := slices.DeleteFunc(f.Topics, func(topic string) bool { return slices.Contains(l.s.Topics(), topic) })
	if len(strange) > 0 {
		l.warn("MAPPING_FILE", "asks by when for a topic that is neither in %s nor %s, and so is not read: %s; correct its name there, or add it to %s",
			events, replay, strings.Join(strange, ", "), events)
	}
}

// mistakes refuses a setting for each mistake in its file, and reports whether there are any.
func (l *loader) mistakes(setting, in string, err error) bool {
	wrong, are := errors.AsType[*mapping.FileError](err)
	if are {
		for _, m := range wrong.Mistakes {
			l.wrong = append(l.wrong, Wrong{Name: setting, Text: in + m.String()})
		}
	}
	return are
}

// judgeEndpoint takes the codes of an endpoint that stands in the mapping file.
func (l *loader) judgeEndpoint(e *mapping.Endpoint) {
	const file = "MAPPING_FILE"
	for _, name := range []string{"UPSTREAM_SUCCESS_CODES", "UPSTREAM_PERMANENT_CODES"} {
		if l.given(name) {
			l.refuse(name, "is set and so is the endpoint in %s; unset this, or leave the endpoint out of that file", file)
		}
	}
	l.s.Upstream.SuccessCodes, l.s.Upstream.PermanentCodes = e.Success, e.Permanent
}

// judgeCredential demands a secret only where requests are sent.
func (l *loader) judgeCredential() {
	if !l.loads(GroupCredential) {
		return
	}
	const secret, file, byLot = "UPSTREAM_APP_SECRET", "UPSTREAM_APP_SECRET_FILE", "UPSTREAM_CREDENTIALS_FILE"
	c := &l.s.Credential
	switch {
	case l.given(secret) && l.given(file):
		l.refuse(secret, "is set and so is %s; unset one", file)
	case l.given(file):
		if contents, ok := l.file(file, c.AppSecretFile); ok {
			var err error
			if c.AppSecret, c.NextAppSecret, err = ParseSecrets(contents); err != nil {
				l.refuse(file, "%s", err)
			}
		}
	}
	if l.given(byLot) {
		if contents, ok := l.file(byLot, c.CredentialsFile); ok {
			var err error
			if c.ByLot, err = ParseCredentials(contents); err != nil {
				l.refuse(byLot, "%s", err)
			}
		}
	}
	if l.loads(GroupUpstream) && !l.given(secret) && !l.given(file) && !l.given(byLot) {
		l.refuse(secret, "is required; set it, or %s, or %s", file, byLot)
	}
}

func (l *loader) judgePlatform() {
	u := &l.s.Upstream
	const permanent, success = "UPSTREAM_PERMANENT_CODES", "UPSTREAM_SUCCESS_CODES"
	if l.right(permanent, success) {
		for _, code := range u.PermanentCodes {
			switch {
			case slices.Contains(mapping.ProtectedCodes(), code):
				l.refuse(permanent, "%s is no verdict on a record; leave it out", code)
			case slices.Contains(u.SuccessCodes, code):
				l.refuse(permanent, "%s is in %s too; leave it out of one", code, success)
			}
		}
	}
	if l.right(success) && !slices.Equal(u.SuccessCodes, []string{"1001"}) {
		name, says := success, "is"
		if !l.given(success) {
			name, says = "MAPPING_FILE", "takes for a success"
		}
		l.warn(name, "%s %s; the platform's documented acceptance is 1001 alone, and whatever else counts here is lost if it was none",
			says, strings.Join(u.SuccessCodes, ","))
	}
	if u.URL != nil && u.URL.Scheme == "http" && !loopback(u.URL.Hostname()) {
		l.warn("UPSTREAM_URL", "is http and not on this host: plates and names travel in clear; use https")
	}
	l.judgeCA("UPSTREAM_TLS_CA_FILE", u.TLSCAFile)
	l.judgeOrder("UPSTREAM_RETRY_WAIT_MIN", u.RetryWaitMin, "UPSTREAM_RETRY_WAIT_MAX", u.RetryWaitMax)
}

// judgeOrder refuses a MIN above its MAX.
func (l *loader) judgeOrder(minName string, least time.Duration, maxName string, most time.Duration) {
	if l.right(minName, maxName) && least > most {
		l.refuseOrder(minName, least, "", maxName, most)
	}
}

// refuseOrder refuses the first of two settings for being above a part of the second,
// or the second where the operator has set that alone. The line begins with the name of
// the one refused, and does not say it again.
func (l *loader) refuseOrder(lesser string, least time.Duration, part, greater string, most time.Duration) {
	if l.given(greater) && !l.given(lesser) {
		l.refuse(greater, "%s %v is above %s%v; lower the one or raise the other", lesser, least, part, most)
		return
	}
	l.refuse(lesser, "%v is above %s%s %v; lower the one or raise the other", least, part, greater, most)
}

// judgeTimes warns of times that do not fit one another. They are never refused:
// the program keeps to the lesser.
func (l *loader) judgeTimes() {
	const drain, rebalance, timeout = "CONSUMER_DRAIN_TIMEOUT", "KAFKA_REBALANCE_TIMEOUT", "UPSTREAM_TIMEOUT"
	if !l.right(drain, rebalance) {
		return
	}
	if l.s.Consumer.DrainTimeout > l.s.Drain() {
		l.warn(drain, "%v does not fit into %s %v; drains end after %v", l.s.Consumer.DrainTimeout, rebalance, l.s.Kafka.RebalanceTimeout, l.s.Drain())
	}
	if l.right(timeout) && l.s.Upstream.Timeout > l.s.Drain() {
		l.warn(timeout, "%v is above the %v of a drain: requests still open then are cut and their records sent again", l.s.Upstream.Timeout, l.s.Drain())
	}
}

// secret resolves a secret that may stand in a variable or in a file.
func (l *loader) secret(name string, value *Secret, fileName, path string) {
	switch {
	case l.given(name) && l.given(fileName):
		l.refuse(name, "is set and so is %s; unset one", fileName)
	case l.given(fileName):
		contents, ok := l.file(fileName, path)
		if !ok {
			return
		}
		s, err := ParseSecret(contents)
		if err != nil {
			l.refuse(fileName, "%s", err)
			return
		}
		*value = s
	}
}

// file reads what a setting names.
func (l *loader) file(name, path string) (contents []byte, ok bool) {
	contents, err := os.ReadFile(path)
	if err != nil {
		l.refuse(name, "%v", unreadable(err))
		return nil, false
	}
	return contents, true
}

// unreadable says why a setting's file cannot be read. It does not repeat the path: that may be the secret itself.
func unreadable(err error) error {
	return fmt.Errorf("the file that it names cannot be read (%w); is it mounted and readable?", reason(err))
}

// elsewhere reports whether an address is another host's.
func elsewhere(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && !loopback(host)
}

func loopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" { // not a name under it: Go asks the DNS for that
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
