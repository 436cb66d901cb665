package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"release-forwarder/cmd/release-forwarder/cli/console"
	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/consumer/fetch"
	"release-forwarder/consumer/topic"
	"release-forwarder/consumer/wire"
	"release-forwarder/dlq"
	"release-forwarder/dlq/ledger"
	"release-forwarder/dlq/replay"
	"release-forwarder/mapping"
	"release-forwarder/upstream/credential"
)

// CredentialOf returns the credential that signs a lot's requests, and whether it has one. If no secret is set at all
// it still holds the app ID, which is signed whatever the secret will be.
func CredentialOf(book *credential.Set, s settings.Credential, lot string) (c credential.Credential, has bool) {
	c, has = book.For(lot)
	if !has && book.Source("") == credential.NoSource && len(s.ByLot) == 0 {
		c.AppID = s.AppID
	}
	return c, has
}

// SourceWords say where a lot's credential comes from.
var SourceWords = map[credential.Source]string{
	credential.NoSource: "none for this lot",
	credential.OwnEntry: "the lot's entry in UPSTREAM_CREDENTIALS_FILE",
	credential.AnyEntry: "* in UPSTREAM_CREDENTIALS_FILE",
	credential.Fallback: "UPSTREAM_APP_SECRET or UPSTREAM_APP_SECRET_FILE",
}

// Session is one run of a command on Kafka: its screen, settings, connection, and the reader and replayer of dead
// letters. It is valid only while [Open] runs the command's work.
type Session struct {
	console.Screen
	Settings *settings.Settings
	Mapper   *mapping.Mapper
	Wire     *wire.Client
	Reader   *dlq.Reader
	To       string // --to, the topic to replay to; "": not given

	LedgerConfig ledger.Config
	Replayer     *replay.Replayer
}

// Ledger reads the whole ledger: what was decided about dead letters. It keeps the whole entries of those in watch, of
// others only the state. A missing ledger is empty.
func (r *Session) Ledger(ctx context.Context, watch ...dlq.ID) (*ledger.Ledger, error) {
	return ledger.Open(ctx, r.LedgerConfig, watch...)
}

// Open loads the settings of groups besides Kafka's, the dead letters' and the events', connects, runs work, and closes the
// connection. A nil dial is the network. Its error is a *settings.Invalid for wrong settings, console.ErrStopped after a
// stop, else work's, with the setting to look at.
func Open(ctx context.Context, sc console.Screen, dial connect.DialFunc, allGroups bool, to string, groups []settings.Group, work func(*Session) error) error {
	s, warnings, err := settings.Load(append([]settings.Group{settings.GroupKafka, settings.GroupDeadLetters, settings.GroupEvent}, groups...)...)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		sc.Say("warning: %s", w)
	}
	topics := append(s.Topics(), s.DeadLetters.Topic, ledger.Topic(s.DeadLetters.Topic))
	for _, more := range []string{to, s.Receipts.Topic} {
		if more != "" {
			topics = append(topics, more)
		}
	}
	slices.Sort(topics)
	connected, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	k, err := connect.New(connected, connect.Config{Kafka: s.Kafka, Topics: slices.Compact(topics), Dial: dial})
	if err != nil {
		return err
	}
	defer k.Wire.Close()
	// The transport retries indefinitely, and its errors do not distinguish a wrong
	// password from a closed connection.
	if err := k.Reach(ctx); err != nil {
		return fmt.Errorf("Kafka cannot be reached: %w", err) //nolint:staticcheck // a name begins it
	}
	group := s.Kafka.GroupID
	if allGroups {
		group = ""
	}
	mapper, err := s.Event.Mapper()
	if err != nil {
		return err
	}
	r := &Session{Screen: sc, Settings: s, Mapper: mapper, To: to, Wire: k.Wire}
	r.Reader = dlq.NewReader(dlq.ReaderConfig{
		Wire: r.Wire, ClientID: s.Kafka.ClientID, Topic: s.DeadLetters.Topic, Group: group, Replays: Target(s, ""),
		Lot: r.Lot,
	})
	r.LedgerConfig = ledger.Config{
		Wire: r.Wire, ClientID: s.Kafka.ClientID, Brokers: s.Kafka.Brokers, Topic: s.DeadLetters.Topic, By: whoami(),
		Large: func(entries int64) {
			sc.Say("reading what was decided of dead letters before: up to %s entries of %s", console.Number(entries), ledger.Topic(s.DeadLetters.Topic))
		},
	}
	r.Replayer = replay.New(replay.Config{Wire: r.Wire, ClientID: s.Kafka.ClientID, Reader: r.Reader, Ledger: r.LedgerConfig, OrderKey: func(s *dlq.Stored, value []byte) string { return mapper.OrderKey(Mapped(s, value)) }})
	return r.explain(work(r))
}

// Mapped is what the mapping needs of a dead letter's record with a value.
func Mapped(s *dlq.Stored, value []byte) *mapping.Record {
	topic, _, _ := strings.Cut(s.Origin, "/")
	return &mapping.Record{Topic: topic, Key: s.Key, Value: value, Headers: s.Own()}
}

// RecordOf is what the mapping needs of a record in a topic.
func RecordOf(topic string, rec *fetch.Record) *mapping.Record {
	headers := rec.Headers.All()
	return &mapping.Record{Topic: dlq.FirstTopic(topic, headers), Key: rec.Key, Value: rec.Value, Headers: headers}
}

// Lot is the lot of a dead letter's event, "" if it cannot be read.
func (r *Session) Lot(s *dlq.Stored) string {
	lot, _ := r.Mapper.Identify(Mapped(s, s.Value))
	return lot
}

// Plain is a dead letter's event as the built-in contract has it: see [mapping.Mapper.Plain].
func (r *Session) Plain(s *dlq.Stored) []byte { return r.Mapper.Plain(Mapped(s, s.Value)) }

// Time writes a time for people: in EVENT_TIMEZONE, with its offset. JSON has UTC.
func (r *Session) Time(t time.Time) string {
	return t.In(r.Settings.Event.Location).Format(time.RFC3339)
}

// Local gives a stamp of [redact.Stamp] as Time does, with its milliseconds. Another text stays as it is.
func (r *Session) Local(stamp string) string {
	t, err := time.Parse("2006-01-02T15:04:05.000Z", stamp)
	if err != nil {
		return stamp
	}
	return t.In(r.Settings.Event.Location).Format("2006-01-02T15:04:05.000Z07:00")
}

// whoami names the person for the ledger, as far as the system knows.
func whoami() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if name == "" {
		name = "uid " + strconv.Itoa(os.Getuid())
	}
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	return name + "@" + host
}

// explain adds which setting to look at.
func (r *Session) explain(err error) error {
	if err == context.Canceled { //nolint:errorlint // what wraps it says more
		return console.ErrStopped
	}
	if _, is := errors.AsType[*dlq.OtherGroupError](err); is {
		return fmt.Errorf("%w; set KAFKA_GROUP_ID to it, or give --all-groups", err)
	}
	failed, is := errors.AsType[*topic.Error](err)
	if !is || !errors.Is(err, kafka.UnknownTopicOrPartition) {
		return err
	}
	switch of := failed.Topic; {
	case of == r.To:
		return fmt.Errorf("%w; check --to", err)
	case of == r.Settings.DeadLetters.Topic:
		return fmt.Errorf("%w; check DLQ_TOPIC and KAFKA_TOPIC", err)
	case of == r.Settings.Kafka.ReplayTopic:
		return fmt.Errorf("%w; check KAFKA_REPLAY_TOPIC", err)
	case of == r.Settings.Receipts.Topic:
		return fmt.Errorf("%w; check RECEIPTS_TOPIC", err)
	case slices.Contains(r.Settings.Kafka.Topics, of):
		return fmt.Errorf("%w; check KAFKA_TOPIC", err)
	}
	return err
}

// IDs reads IDs of dead letters as a person gives them: topic/partition/offset, or partition/offset.
func (r *Session) IDs(ctx context.Context, texts []string) ([]dlq.ID, error) {
	spans, err := r.Reader.Spans(ctx)
	if err != nil {
		return nil, err
	}
	var ids []dlq.ID
	for _, text := range texts {
		id, err := dlq.ParseID(text, r.Settings.DeadLetters.Topic, len(spans))
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// Target is where replays go: to if given, else KAFKA_REPLAY_TOPIC, else KAFKA_TOPIC.
func Target(s *settings.Settings, to string) replay.To {
	switch {
	case to != "":
		return replay.To{to}
	case s.Kafka.ReplayTopic != "":
		return replay.To{s.Kafka.ReplayTopic}
	}
	return s.Kafka.Topics
}
