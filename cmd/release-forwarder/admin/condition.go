package admin

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Kind names what the service is doing, or what is wrong: one of the rows of
// [Conditions]. It is stable, for programs that read /status.json.
type Kind string

// The conditions, by what they say of the service.
const (
	Well                Kind = "well"
	Standby             Kind = "standby"
	Unassigned          Kind = "unassigned"
	PartitionsUnowned   Kind = "partitions-unowned"
	Starting            Kind = "starting"
	Stopping            Kind = "stopping"
	ReadingPaused       Kind = "reading-paused"
	Stuck               Kind = "stuck"
	NotJoined           Kind = "not-joined"
	Rebalancing         Kind = "rebalancing"
	OutsideGroup        Kind = "outside-group"
	CoordinatorSilent   Kind = "coordinator-silent"
	LoginFails          Kind = "login-fails"
	NoDeadLetterTopic   Kind = "no-dead-letter-topic"
	DeadLettersRefused  Kind = "dead-letters-refused"
	DeadLettersBlocked  Kind = "dead-letters-blocked"
	ReceiptsLate        Kind = "receipts-late"
	PartitionParked     Kind = "partition-parked"
	PartitionUnreadable Kind = "partition-unreadable"
	CircuitOpen         Kind = "circuit-open"
	LotsRefused         Kind = "lots-refused"
	LotsUnlisted        Kind = "lots-unlisted"
	Storm               Kind = "storm"
	ManyDeadLetters     Kind = "many-dead-letters"
	CommitsFail         Kind = "commits-fail"

	// PartitionCommitRefused is of some partitions alone.
	PartitionCommitRefused Kind = "partition-commit-refused"

	OpenTransaction Kind = "open-transaction"
	TopicsMissing   Kind = "topics-missing"
	RecordsDropped  Kind = "records-dropped"
)

// Condition is a kind with its facts. Which of them a kind's sentence names
// stands in the table; the others are not looked at. Names must be sanitized:
// see package telemetry.
type Condition struct {
	Kind  Kind
	Count int64
	Of    int64  // of how many Count is a part; how many records wait
	Name  string // a topic, a lot, topics or partitions with their cause, or what is stuck
	// Advice is what to do, where the cause alone tells: English, as in the log.
	Advice string
	Since  time.Time // told in its own zone: see In
	For    time.Duration
}

// sentence is what a kind says, in each language, with {count}, {of}, {name},
// {since}, {for} and {advice} in place of the facts and {one|many} for words that go by the count,
// and what a person should do about it.
type sentence struct {
	kind    Kind
	level   Level
	says    phrase
	remedy  phrase
	runbook string // a page of deployments/runbooks, without its suffix
}

// Conditions lists the kinds there are.
func Conditions() []Kind {
	kinds := make([]Kind, len(sentences))
	for i, s := range sentences {
		kinds[i] = s.kind
	}
	return kinds
}

// Level is how the condition is to be taken.
func (c Condition) Level() Level { return c.row().level }

// String is the sentence in English.
func (c Condition) String() string { return c.fill(english, c.row().says) }

// In is the condition with its time in a zone; nil: UTC.
func (c Condition) In(zone *time.Location) Condition {
	if !c.Since.IsZero() {
		c.Since = c.Since.In(cmp.Or(zone, time.UTC))
	}
	return c
}

// Remedy says in English what a person should do; "" for nothing.
func (c Condition) Remedy() string { return c.fill(english, c.row().remedy) }

// Runbook is the name of the page in deployments/runbooks; "" for none.
func (c Condition) Runbook() string { return c.row().runbook }

func (c Condition) row() sentence {
	for _, s := range sentences {
		if s.kind == c.Kind {
			return s
		}
	}
	return sentence{level: LevelTrouble, says: phrase{string(c.Kind), string(c.Kind)}}
}

// numbered is a choice of words by the count.
var numbered = regexp.MustCompile(`\{([^{}|]+)\|([^{}|]+)\}`)

// ofNumber chooses the words that go with the number.
func ofNumber(one bool, text string) string {
	if one {
		return numbered.ReplaceAllString(text, "$1")
	}
	return numbered.ReplaceAllString(text, "$2")
}

func (c Condition) fill(l language, text phrase) string {
	return strings.NewReplacer("{count}", strconv.FormatInt(c.Count, 10), "{of}", strconv.FormatInt(c.Of, 10), "{name}", c.Name,
		"{advice}", c.Advice, "{since}", clock(c.Since, c.Since.Location()), "{for}", l.span(c.For)).Replace(ofNumber(c.Count == 1, text[l]))
}
