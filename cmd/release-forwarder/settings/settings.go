package settings

import (
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"release-forwarder/consumer"
	"release-forwarder/consumer/membership"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
)

// Group names a part of the settings. A command loads just the groups it uses;
// what is wrong or missing in the others does not concern it.
type Group string

// The groups, in the order in which they are printed.
const (
	GroupKafka       Group = "Kafka"
	GroupDeadLetters Group = "dead letters"
	GroupReceipts    Group = "receipts"
	GroupCredential  Group = "credential"
	GroupUpstream    Group = "platform"
	GroupRetry       Group = "held records"
	GroupConsumer    Group = "consumer"
	GroupEvent       Group = "event"
	GroupAdmin       Group = "admin server"
	GroupLog         Group = "log"
)

// Settings is the whole configuration. Each field is one setting; its tags are
//
//	envconfig  the variable's name
//	type       one of the kinds in kinds.go, which parse it
//	need       "true": wrong when it is not set (envconfig's own `required` would
//	           stop at the first one missing)
//	default    taken when it is not set
//	unset      what the table shows for a setting without a default; else "none"
//	own        "true": replicas of one group may differ in it, see [Settings.Hash]
//	min, max   inclusive bounds of a number, size or duration; a duration without
//	           min must be above 0
//	meaning    one sentence for the operator
type Settings struct {
	Kafka       Kafka       `group:"Kafka"`
	DeadLetters DeadLetters `group:"dead letters"`
	Receipts    Receipts    `group:"receipts"`
	Credential  Credential  `group:"credential"`
	Upstream    Upstream    `group:"platform"`
	Retry       Retry       `group:"held records"`
	Consumer    Consumer    `group:"consumer"`
	Event       Event       `group:"event"`
	Admin       Admin       `group:"admin server"`
	Log         Log         `group:"log"`

	// shown holds, for each setting of the groups loaded, what Print writes as the
	// value in force.
	shown map[string]string
	// differs holds the settings of these groups whose value is not the default's.
	differs map[string]bool
	// outside holds what is in force of variables that are no settings of ours.
	outside []Shown
}

// Kafka holds how the cluster is reached and what is read from it.
type Kafka struct {
	Brokers           []string             `envconfig:"KAFKA_BROKERS" type:"list of host:port" need:"true" meaning:"host:port of the brokers to ask first, and again when no known broker answers; one that hangs costs one time-out; name three or more"`
	Topics            []string             `envconfig:"KAFKA_TOPIC" type:"list of topics" need:"true" meaning:"topic of the events, or several: each is read while it exists, and order holds within a partition of each; with several DLQ_TOPIC is required"`
	ReplayTopic       string               `envconfig:"KAFKA_REPLAY_TOPIC" type:"topic name" meaning:"replayed dead letters: read beside KAFKA_TOPIC in the same group, so that other readers of the events see none twice"`
	GroupID           string               `envconfig:"KAFKA_GROUP_ID" type:"text" need:"true" meaning:"consumer group; no default, so that two deployments never share one by accident"`
	ClientID          string               `envconfig:"KAFKA_CLIENT_ID" type:"text" own:"true" default:"release-forwarder" meaning:"client ID in quotas and in the brokers' logs"`
	GroupProtocol     membership.Protocol  `envconfig:"KAFKA_GROUP_PROTOCOL" type:"choice" default:"classic" meaning:"how the replicas share the partitions: classic (cooperative, KIP-429), or consumer (KIP-848, Kafka 4.0 and later), where the brokers assign and set the heartbeats' interval and the session time-out; docs/explanation/group.md says how to change it"`
	ClientRack        string               `envconfig:"KAFKA_CLIENT_RACK" type:"text" own:"true" meaning:"the rack, zone or room of this replica: events are read from a broker there where brokers offer it (KIP-392: broker.rack and replica.selector.class are theirs to set); empty: from the leader"`
	OffsetReset       consumer.OffsetReset `envconfig:"KAFKA_OFFSET_RESET" type:"choice" default:"earliest" meaning:"where to go on when a committed offset is not in the log: at the first record there is, or nowhere until a person decides"`
	MaxRecordBytes    int64                `envconfig:"KAFKA_MAX_RECORD_BYTES" type:"size" min:"1KiB" max:"128MiB" default:"1MiB" meaning:"largest record handled without a log line; larger ones are processed too, one at a time"`
	SessionTimeout    time.Duration        `envconfig:"KAFKA_SESSION_TIMEOUT" type:"duration" min:"1s" max:"30m" default:"30s" meaning:"after this long without a heartbeat a replica loses its partitions"`
	HeartbeatInterval time.Duration        `envconfig:"KAFKA_HEARTBEAT_INTERVAL" type:"duration" max:"10m" default:"3s" meaning:"time between two heartbeats; at most a third of KAFKA_SESSION_TIMEOUT"`
	RebalanceTimeout  time.Duration        `envconfig:"KAFKA_REBALANCE_TIMEOUT" type:"duration" min:"5s" max:"1h" default:"60s" meaning:"time a replica has to give up its partitions"`
	TLS               TLS
	SASL              SASL
}

// Verify says how far a broker's certificate is checked.
type Verify string

// The values of KAFKA_TLS_VERIFY. There is no none.
const (
	VerifyFull  Verify = "full"  // chain and name
	VerifyChain Verify = "chain" // the chain but not the name
)

// Choices are the values.
func (Verify) Choices() []string { return []string{string(VerifyFull), string(VerifyChain)} }

// TLS holds TLS towards Kafka. All fields but Enabled and Verify are empty
// unless Enabled.
type TLS struct {
	Enabled    bool   `envconfig:"KAFKA_TLS_ENABLED" type:"boolean" default:"false" meaning:"TLS towards the brokers"`
	CAFile     string `envconfig:"KAFKA_TLS_CA_FILE" type:"file" unset:"the system's" meaning:"PEM certificates that the brokers' are checked against; reloaded when changed"`
	CertFile   string `envconfig:"KAFKA_TLS_CERT_FILE" type:"file" meaning:"PEM client certificate for mutual TLS; reloaded when changed"`
	KeyFile    string `envconfig:"KAFKA_TLS_KEY_FILE" type:"file" meaning:"PEM key of the client certificate"`
	ServerName string `envconfig:"KAFKA_TLS_SERVER_NAME" type:"text" unset:"the broker's host" meaning:"name that the brokers' certificates must carry"`
	Verify     Verify `envconfig:"KAFKA_TLS_VERIFY" type:"choice" default:"full" meaning:"full; or chain, only with KAFKA_TLS_CA_FILE: the chain but not the name, for managed services whose certificates carry another"`
}

// Mechanism is a SASL mechanism (RFC 4616, RFC 5802, RFC 7628).
type Mechanism string

// The values of KAFKA_SASL_MECHANISM.
const (
	NoSASL      Mechanism = "none"
	Plain       Mechanism = "PLAIN"
	ScramSHA256 Mechanism = "SCRAM-SHA-256"
	ScramSHA512 Mechanism = "SCRAM-SHA-512"
	OAuthBearer Mechanism = "OAUTHBEARER"
)

// Choices are the values.
func (Mechanism) Choices() []string {
	return []string{string(NoSASL), string(Plain), string(ScramSHA256), string(ScramSHA512), string(OAuthBearer)}
}

// SASL holds the log-in to Kafka.
type SASL struct {
	Mechanism      Mechanism `envconfig:"KAFKA_SASL_MECHANISM" type:"choice" default:"none" meaning:"how to log in to the brokers"`
	Username       string    `envconfig:"KAFKA_SASL_USERNAME" type:"text" meaning:"user name at the brokers; with KAFKA_SASL_OAUTH_TOKEN_URL the client ID there"`
	Password       Secret    `envconfig:"KAFKA_SASL_PASSWORD" type:"secret" meaning:"password, or the client ID's secret; or name a file with it"` // read from PasswordFile where that is set
	PasswordFile   string    `envconfig:"KAFKA_SASL_PASSWORD_FILE" type:"file" meaning:"file with the password or secret; a changed one is used from the next connection, or request for a token, on"`
	AllowPlaintext bool      `envconfig:"KAFKA_SASL_ALLOW_PLAINTEXT" type:"boolean" default:"false" meaning:"allow PLAIN and OAUTHBEARER without TLS, which send the password or token in clear"`
	OAuth          OAuth
}

// OAuth holds where the token of OAUTHBEARER comes from. One of TokenFile and TokenURL is set with that
// mechanism, none with another.
type OAuth struct {
	TokenFile  string            `envconfig:"KAFKA_SASL_OAUTH_TOKEN_FILE" type:"file" meaning:"file with the token of OAUTHBEARER, kept new by another program; read again at each new connection"`
	TokenURL   *url.URL          `envconfig:"KAFKA_SASL_OAUTH_TOKEN_URL" type:"https URL" meaning:"where a token is asked for by client credentials, with KAFKA_SASL_USERNAME and its password"`
	Scope      string            `envconfig:"KAFKA_SASL_OAUTH_SCOPE" type:"text" meaning:"scopes to ask for at KAFKA_SASL_OAUTH_TOKEN_URL, separated by blanks"`
	CAFile     string            `envconfig:"KAFKA_SASL_OAUTH_CA_FILE" type:"file" unset:"the system's" meaning:"additional CA for KAFKA_SASL_OAUTH_TOKEN_URL; reloaded when changed"`
	Extensions map[string]string `envconfig:"KAFKA_SASL_OAUTH_EXTENSIONS" type:"list of name=value" meaning:"SASL extensions for the brokers (KIP-342), such as logicalCluster=lkc-1,identityPoolId=pool-1"`
}

// DeadLetters holds where permanent failures go.
type DeadLetters struct {
	Topic      string    `envconfig:"DLQ_TOPIC" type:"topic name" unset:"<KAFKA_TOPIC>.dlq" meaning:"the dead-letter topic; it must exist; required with several topics in KAFKA_TOPIC"`
	HeldBefore time.Time `envconfig:"DLQ_HELD_BEFORE" type:"time" meaning:"a person's decision: a held record older than this RFC 3339 time is dead-lettered at its next failure, whatever else is set; a timestamp outside of 2000 to 2099 counts as older"`
	StormLimit int       `envconfig:"DLQ_STORM_LIMIT" type:"number" min:"0" max:"1000000" default:"100" meaning:"after this many consecutive dead letters of a lot, or of all, at most one a second is written until one of its records is accepted; 0: no limit"`
}

// Receipts holds where a receipt of each finished event goes. KeyFile is set where Topic is.
type Receipts struct {
	Topic    string `envconfig:"RECEIPTS_TOPIC" type:"topic name" meaning:"topic for a receipt of each finished event (docs/reference/receipts.md); it must exist; none: there are no receipts"`
	KeyFile  string `envconfig:"RECEIPTS_KEY_FILE" type:"file" meaning:"file with the keys of the receipts' digests, one a line, 32 characters or more: the newest first, old ones after it; reloaded within 5s of a change"`
	Required bool   `envconfig:"RECEIPTS_REQUIRED" type:"boolean" default:"false" meaning:"false: a receipt that is not written in 5s, or at the end of a drain, is counted as missing; true: the commit waits for it, however long"`

	Keys []Secret // of KeyFile, the newest first
}

// Credential signs the requests to the platform.
type Credential struct {
	AppID           string `envconfig:"UPSTREAM_APP_ID" type:"text" unset:"empty" meaning:"sent and signed when set"`
	AppSecret       Secret `envconfig:"UPSTREAM_APP_SECRET" type:"secret" unset:"this or one of the files is required" meaning:"signs the requests; never sent"` // read from AppSecretFile where that is set
	AppSecretFile   string `envconfig:"UPSTREAM_APP_SECRET_FILE" type:"file" meaning:"file with the secret, and perhaps the next one in a second line; reloaded within 5s of a change"`
	CredentialsFile string `envconfig:"UPSTREAM_CREDENTIALS_FILE" type:"file" meaning:"JSON file with the credentials of lots that have their own, and * for the others; reloaded within 5s of a change"`

	NextAppSecret Secret                           // the second line of AppSecretFile; zero: none
	ByLot         map[string]credential.Credential // of CredentialsFile
}

// Upstream holds how the platform is reached and what its answers mean.
type Upstream struct {
	URL            *url.URL          `envconfig:"UPSTREAM_URL" type:"URL" need:"true" meaning:"the platform's endpoint, whole; no default, so that no one posts to production by accident"`
	Timeout        time.Duration     `envconfig:"UPSTREAM_TIMEOUT" type:"duration" max:"10m" default:"10s" meaning:"limit of one request, from connecting to the last byte"`
	MaxInFlight    int               `envconfig:"UPSTREAM_MAX_IN_FLIGHT" type:"number" min:"1" max:"10000" default:"64" meaning:"requests open at once, per replica"`
	MaxRate        float64           `envconfig:"UPSTREAM_MAX_RATE" type:"rate" min:"0" max:"1000000" default:"0" meaning:"requests a second of the whole group, every HTTP attempt counted; decimals allowed; 0: no limit"`
	SuccessCodes   []string          `envconfig:"UPSTREAM_SUCCESS_CODES" type:"list of codes" default:"1001" meaning:"body codes that count as accepted"`
	PermanentCodes []string          `envconfig:"UPSTREAM_PERMANENT_CODES" type:"list of codes" default:"400" meaning:"body codes that dead-letter at once"`
	Encoding       upstream.Encoding `envconfig:"UPSTREAM_ENCODING" type:"choice" default:"form" meaning:"form (application/x-www-form-urlencoded) or multipart (multipart/form-data)"`
	TLSCAFile      string            `envconfig:"UPSTREAM_TLS_CA_FILE" type:"file" unset:"the system's" meaning:"additional CA for the platform or a proxy; reloaded when changed"`
	RetryMax       int               `envconfig:"UPSTREAM_RETRY_MAX" type:"number" min:"0" max:"100" default:"2" meaning:"quick retries inside a record's first delivery"`
	RetryWaitMin   time.Duration     `envconfig:"UPSTREAM_RETRY_WAIT_MIN" type:"duration" max:"10m" default:"100ms" meaning:"least wait before a quick retry"`
	RetryWaitMax   time.Duration     `envconfig:"UPSTREAM_RETRY_WAIT_MAX" type:"duration" max:"10m" default:"1s" meaning:"longest wait before a quick retry"`
	Proxy          Proxy             // of HTTPS_PROXY, HTTP_PROXY and NO_PROXY
}

// Retry holds how records that were not accepted are tried again.
type Retry struct {
	Budget     int           `envconfig:"RETRY_BUDGET" type:"number" min:"0" max:"1000000" default:"20" meaning:"how often a record may fail on its own, while others are accepted, before it is dead-lettered; 0: never"`
	BackoffMin time.Duration `envconfig:"RETRY_BACKOFF_MIN" type:"duration" max:"24h" default:"1s" meaning:"least wait before the next delivery of a held record"`
	BackoffMax time.Duration `envconfig:"RETRY_BACKOFF_MAX" type:"duration" max:"24h" default:"30s" meaning:"longest such wait; a longer Retry-After is cut to it"`
	LotHoldMax time.Duration `envconfig:"LOT_HOLD_MAX" type:"duration" max:"8760h" default:"24h" meaning:"how long the records of a lot that alone is refused wait before they are dead-lettered; a rebalance does not restart the wait, a move of the partition to another replica does"`
}

// Consumer holds the bounds of the engine.
type Consumer struct {
	MaxPending      int           `envconfig:"CONSUMER_MAX_PENDING" type:"number" min:"1" max:"1000000" default:"4096" meaning:"unfinished records in memory for each partition; reading pauses there"`
	MaxPendingBytes int64         `envconfig:"CONSUMER_MAX_PENDING_BYTES" type:"size" min:"1KiB" max:"64GiB" default:"16MiB" meaning:"the same in bytes for all partitions together, each an equal share"`
	CommitInterval  time.Duration `envconfig:"CONSUMER_COMMIT_INTERVAL" type:"duration" max:"1h" default:"1s" meaning:"time between two commits; a killed replica may repeat what it did since the last"`
	DrainTimeout    time.Duration `envconfig:"CONSUMER_DRAIN_TIMEOUT" type:"duration" max:"1h" default:"20s" meaning:"time for open requests to end at a stop or rebalance"`
}

// Event holds how an event's value is read.
type Event struct {
	Location *time.Location `envconfig:"EVENT_TIMEZONE" type:"time zone" default:"Asia/Shanghai" meaning:"zone of times that name none; the zone database is in the binary"`
	Required []string       `envconfig:"EVENT_REQUIRED_FIELDS" type:"list of fields" default:"park_uuid,flow_no,parking_serial,plate" meaning:"fields an event must have; more may be named, none of the four left out; not with MAPPING_FILE"`
	Mapping  string         `envconfig:"MAPPING_FILE" type:"file" unset:"the built-in contract" meaning:"YAML file that says from where in a record each field comes (docs/how-to/map-a-lane.md); read once at the start, its lookup files again within 5s of a change"`

	File    *mapping.File             // of Mapping; nil: the built-in contract
	Lookups map[string]mapping.Lookup // its lookup files
}

// LookupFile is where a lookup file lies: beside the mapping file.
func (e *Event) LookupFile(name string) string { return filepath.Join(filepath.Dir(e.Mapping), name) }

// Mapper maps events by these settings.
func (e *Event) Mapper() (*mapping.Mapper, error) {
	c := mapping.Config{Location: e.Location, Required: e.Required, File: e.File, Lookups: e.Lookups}
	if e.File != nil {
		c.Required = nil // the file says it
	}
	return mapping.New(c)
}

// Endpoint is what the events are sent to.
func (e *Event) Endpoint() *mapping.Endpoint {
	if e.File == nil {
		return mapping.BuiltIn()
	}
	return e.File.Endpoint
}

// Ignoring are the profiles of the mapping file that say to ignore records.
func (e *Event) Ignoring() []string {
	if e.File == nil {
		return nil
	}
	return e.File.Ignoring
}

// Admin holds the server for probes, metrics and the status page.
type Admin struct {
	Addr  string   `envconfig:"ADMIN_ADDR" type:"address" default:":8081" meaning:"probes, metrics, status page; none: no server"` // empty: no server
	Hosts []string `envconfig:"ADMIN_HOSTS" type:"list of names" meaning:"host names accepted on ADMIN_ADDR, besides IP addresses and localhost; any other Host gets 421"`
}

// Format is the form of log lines.
type Format string

// The values of LOG_FORMAT.
const (
	FormatJSON Format = "json"
	FormatText Format = "text"
)

// Choices are the values.
func (Format) Choices() []string { return []string{string(FormatJSON), string(FormatText)} }

// Log holds what is written to standard error.
type Log struct {
	Level  slog.Level `envconfig:"LOG_LEVEL" type:"level" default:"info" meaning:"lowest level that is written"`
	Format Format     `envconfig:"LOG_FORMAT" type:"choice" default:"json" meaning:"form of a log line"`
}

// Topics returns what is read: the topics of KAFKA_TOPIC, then KAFKA_REPLAY_TOPIC
// where it is set.
func (s *Settings) Topics() []string {
	topics := slices.Clone(s.Kafka.Topics)
	if s.Kafka.ReplayTopic != "" {
		topics = append(topics, s.Kafka.ReplayTopic)
	}
	return topics
}

// drainMargin is what a drain leaves of KAFKA_REBALANCE_TIMEOUT for the last
// commit and the way back into the group.
const drainMargin = 2 * time.Second

// Drain returns how long a drain may take: the least of CONSUMER_DRAIN_TIMEOUT
// and KAFKA_REBALANCE_TIMEOUT − 2s. After the latter the coordinator gives the
// partitions away, whatever this replica still does.
func (s *Settings) Drain() time.Duration {
	return min(s.Consumer.DrainTimeout, s.Kafka.RebalanceTimeout-drainMargin)
}
