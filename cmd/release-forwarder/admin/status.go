package admin

import (
	"slices"
	"time"
)

// Level is how a status is to be taken; it colours the banner.
type Level string

// The levels.
const (
	LevelOK      Level = "ok"      // all is as it should be
	LevelWaiting Level = "waiting" // nothing to do for a person: starting, draining, an outage that passes
	LevelTrouble Level = "trouble" // a person is needed
)

// Status is a snapshot of the service: what / shows and /status.json serves. Its
// JSON names are public. Lists are bounded by whoever fills them.
type Status struct {
	// State is one sentence: what the service is doing, or waits for. Where the
	// condition is set, State and Level are the condition's.
	State string `json:"state"`
	Level Level  `json:"level"`
	// Condition is what State is made of; the page says it in the reader's language.
	Condition Condition `json:"-"`
	// Kind and Remedy are the condition's, for programs.
	Kind   Kind   `json:"condition,omitempty"`
	Remedy string `json:"remedy,omitempty"`

	// Zone is the one in which the page shows times; nil: UTC.
	Zone *time.Location `json:"-"`

	Version string    `json:"version"`
	Group   string    `json:"group"`
	Now     time.Time `json:"now"`
	Started time.Time `json:"started"`

	// Dropped counts the records that Kafka dropped before they could be read,
	// since the start, DroppedAt is when that was last noticed: what is lost.
	Dropped   int64     `json:"dropped_by_kafka"`
	DroppedAt time.Time `json:"dropped_at,omitzero"`
	// Pending counts the records read and not finished, Oldest is the time of
	// the oldest.
	Pending int64     `json:"pending"`
	Oldest  time.Time `json:"oldest,omitzero"`

	// Unread counts the offsets of this replica's partitions that are in the log and
	// not read, OldestUnread is when the first of them was written, as far as that is
	// known.
	Unread       int64     `json:"unread"`
	OldestUnread time.Time `json:"oldest_unread,omitzero"`

	// MissingTopics are those of the settings that are not read, since they are not there.
	MissingTopics []MissingTopic `json:"missing_topics"`

	Partitions []Partition `json:"partitions"`
	Platform   Platform    `json:"platform"`
	// RefusedLots are refused while others are accepted, or cannot be sent, the longest first.
	RefusedLots []RefusedLot `json:"refused_lots"`
	// Storms counts the dead-letter storms there are.
	Storms int `json:"storms"`

	// Held are the records that wait for their next delivery, the next to be
	// tried first; HeldTotal counts them all.
	Held      []Held `json:"held"`
	HeldTotal int64  `json:"held_total"`

	// DeadLetters counts the dead letters written since the start.
	// DeadLettersWaiting are those that the topic has not taken yet.
	DeadLetters        []DeadLetters `json:"dead_letters"`
	DeadLettersWaiting int64         `json:"dead_letters_waiting"`

	// Credentials are those in force, by lot; no secret is among them. Left out
	// where the list was cut: CredentialsTotal counts them all.
	Credentials      []Credential `json:"credentials"`
	CredentialsTotal int          `json:"credentials_total"`

	// Settings are those in force, secrets redacted.
	Settings []Setting `json:"settings"`
}

// Unknown stands for an offset that is not known (yet).
const Unknown int64 = -1

// MissingTopic is a topic that does not exist, or that the service's user may not describe.
type MissingTopic struct {
	Topic string `json:"topic"`
	Cause string `json:"cause"` // the name of Kafka's error
}

// Partition is one that this replica holds now.
type Partition struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	// Committed is the committed offset, Position the next to be read, End the
	// one after the log's last; each may be [Unknown].
	Committed int64 `json:"committed"`
	Position  int64 `json:"position"`
	End       int64 `json:"end"`
	Lag       int64 `json:"lag"` // End - Committed, or Unknown
	// DoneBeyond counts the offsets from Committed to Position that are finished
	// and stand in the commit's metadata: part of the lag, and not sent again.
	DoneBeyond int64 `json:"done_beyond"`
	Pending    int64 `json:"pending"`
	Held       int64 `json:"held"`
	Unread     int64 `json:"unread"` // End - Position, as far as End is known
	// HeldBack counts those of Unread that an open transaction keeps from being read,
	// HeldBackSince is since when. ProducerID has the transaction, where Kafka reports it.
	HeldBack      int64     `json:"held_back"`
	HeldBackSince time.Time `json:"held_back_since,omitzero"`
	ProducerID    *int64    `json:"producer_id,omitempty"`
	// Paused is the bound that pauses the reading: records, bytes or gaps, or
	// anything else that does; "" while it reads.
	Paused string `json:"paused,omitempty"`
	// Cause is why each try to read the partition, or to learn where to begin, has
	// failed since FailingSince, by the name of Kafka's error; "" where the last one
	// went well.
	Cause        string    `json:"cause,omitempty"`
	FailingSince time.Time `json:"failing_since,omitzero"`
	// CommitRefused is why Kafka has refused each of its commits since
	// CommitRefusedSince; "" where the last one was taken.
	CommitRefused      string    `json:"commit_refused,omitempty"`
	CommitRefusedSince time.Time `json:"commit_refused_since,omitzero"`
}

// Platform is how the platform is seen from here.
type Platform struct {
	// Circuit is closed or open, Since when.
	Circuit       string    `json:"circuit"`
	Since         time.Time `json:"since,omitzero"`
	InFlight      int64     `json:"in_flight"`
	InFlightLimit int64     `json:"in_flight_limit"`
	// PausedUntil is until when the platform asked not to be asked.
	PausedUntil time.Time `json:"paused_until,omitzero"`
	// LastAccepted is when an answer was last an acceptance; zero: none since
	// the start.
	LastAccepted time.Time `json:"last_accepted,omitzero"`
	// LastRefusal is the last answer that was not an acceptance.
	LastRefusal *Refusal `json:"last_refusal,omitempty"`
}

// Refusal is an answer of the platform without its texts.
type Refusal struct {
	At      time.Time `json:"at"`
	Verdict string    `json:"verdict"`
	Error   string    `json:"error,omitempty"` // why no answer came, or none that could be read
	Code    string    `json:"code,omitempty"`
	Seqno   string    `json:"seqno,omitempty"` // what the platform's support asks for
	TraceID string    `json:"trace_id,omitempty"`
}

// Held is a record that waits for its next delivery.
type Held struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	Attempts  int    `json:"attempts"` // HTTP requests; 0: it waits with its lot and was not sent yet
	// Next is when it may be delivered again; zero: when its turn comes.
	Next    time.Time `json:"next,omitzero"`
	Reason  string    `json:"reason"`
	TraceID string    `json:"trace_id,omitempty"`
}

// RefusedLot is a lot in an outage of its own.
type RefusedLot struct {
	Lot   string    `json:"lot"`
	NotIn string    `json:"not_in,omitempty"` // the lookup file that lacks Lot, a vendor's code; "": the platform refuses the lot, or it has no credential
	Since time.Time `json:"since"`
	Next  time.Time `json:"next,omitzero"` // its next attempt; one in the past: now
}

// Credential says which app_id a lot's requests carry.
type Credential struct {
	Lot   string `json:"lot"`    // * for the lots that have none of their own
	AppID string `json:"app_id"` // "": none is sent
	// Next says that there are two secrets, as through a rotation.
	Next bool `json:"two_secrets"`
}

// DeadLetters counts dead letters of one stage and reason: of the last hour, and
// since the start.
type DeadLetters struct {
	Stage    string `json:"stage"`
	Reason   string `json:"reason"`
	LastHour int64  `json:"last_hour"`
	Count    int64  `json:"count"`
}

// Setting is a setting in force.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// HeldBack are the partitions of which an open transaction holds records back.
func (s Status) HeldBack() []Partition {
	return slices.DeleteFunc(slices.Clone(s.Partitions), func(p Partition) bool { return p.HeldBack == 0 })
}

// said takes sentence, level and remedy from the condition.
func (s Status) said() Status {
	s.Condition = s.Condition.In(s.Zone)
	if c := s.Condition; c.Kind != "" {
		s.State, s.Level, s.Kind, s.Remedy = c.String(), c.Level(), c.Kind, c.Remedy()
	}
	return s
}

// orEmpty makes lists of nothing empty rather than null in JSON.
func (s Status) orEmpty() Status {
	s.RefusedLots = list(s.RefusedLots)
	s.MissingTopics = list(s.MissingTopics)
	s.Partitions = list(s.Partitions)
	s.Held = list(s.Held)
	s.DeadLetters = list(s.DeadLetters)
	s.Credentials = list(s.Credentials)
	s.Settings = list(s.Settings)
	return s
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
