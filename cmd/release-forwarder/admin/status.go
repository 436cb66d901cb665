package admin

import "time"

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
	// State is one sentence: what the service is doing, or waits for.
	State string `json:"state"`
	Level Level  `json:"level"`

	Version string    `json:"version"`
	Group   string    `json:"group"`
	Now     time.Time `json:"now"`
	Started time.Time `json:"started"`

	Partitions []Partition `json:"partitions"`
	Platform   Platform    `json:"platform"`

	// Held are the records that wait for their next delivery, the longest
	// waiting first; HeldTotal counts them all.
	Held      []Held `json:"held"`
	HeldTotal int64  `json:"held_total"`

	// DeadLetters counts the letters written since the start. DeadLettersWaiting
	// are those that the topic has not taken yet.
	DeadLetters        []DeadLetters `json:"dead_letters"`
	DeadLettersWaiting int64         `json:"dead_letters_waiting"`

	// Settings are those in force, secrets masked.
	Settings []Setting `json:"settings"`
}

// Unknown stands for an offset that is not known (yet).
const Unknown int64 = -1

// Partition is one that this replica holds now.
type Partition struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	// Committed is the committed offset, Position the next to be read, End the
	// one after the last a committed reader can see; each may be [Unknown].
	Committed int64 `json:"committed"`
	Position  int64 `json:"position"`
	End       int64 `json:"end"`
	Lag       int64 `json:"lag"` // End - Committed, or Unknown
	Pending   int64 `json:"pending"`
	Held      int64 `json:"held"`
	// Paused is the bound that pauses the reading: records, bytes or gaps, or
	// anything else that does; "" while it reads.
	Paused string `json:"paused,omitempty"`
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
	// LastRefusal is the last answer that was not an acceptance.
	LastRefusal *Refusal `json:"last_refusal,omitempty"`
}

// Refusal is an answer of the platform without its texts.
type Refusal struct {
	At      time.Time `json:"at"`
	Verdict string    `json:"verdict"`
	Code    string    `json:"code,omitempty"`
	Seqno   string    `json:"seqno,omitempty"` // what the platform's support asks for
	TraceID string    `json:"trace_id,omitempty"`
}

// Held is a record that waits for its next delivery.
type Held struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	Attempts  int    `json:"attempts"`
	// Next is when it may be delivered again; zero: when its turn comes.
	Next    time.Time `json:"next,omitzero"`
	Reason  string    `json:"reason"`
	TraceID string    `json:"trace_id,omitempty"`
}

// DeadLetters counts letters of one stage and reason.
type DeadLetters struct {
	Stage  string `json:"stage"`
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

// Setting is a setting in force.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Uptime is how long the service has run.
func (s Status) Uptime() time.Duration { return s.Now.Sub(s.Started).Round(time.Second) }

// orEmpty makes lists of nothing empty rather than null in JSON.
func (s Status) orEmpty() Status {
	s.Partitions = list(s.Partitions)
	s.Held = list(s.Held)
	s.DeadLetters = list(s.DeadLetters)
	s.Settings = list(s.Settings)
	return s
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
