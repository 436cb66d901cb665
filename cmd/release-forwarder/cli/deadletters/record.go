package deadletters

import (
	"encoding/base64"
	"unicode/utf8"

	"release-forwarder/cmd/release-forwarder/cli/session"
	"release-forwarder/cmd/release-forwarder/redact"
	"release-forwarder/dlq"
)

// shownDeadLetter is a dead letter as list and export write it as JSON, one a line.
// Package redact decides what is redacted.
type shownDeadLetter struct {
	ID       string    `json:"id"`
	State    dlq.State `json:"state"`
	Written  string    `json:"written,omitempty"`
	Group    string    `json:"group,omitempty"`
	Source   string    `json:"source,omitempty"` // topic/partition/offset of the record
	Dated    string    `json:"dated,omitempty"`  // the record's timestamp
	Stage    string    `json:"stage,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Field    string    `json:"field,omitempty"`
	Code     string    `json:"code,omitempty"`
	Status   int       `json:"http_status,omitempty"`
	Seqno    string    `json:"seqno,omitempty"`
	Message  string    `json:"message,omitempty"`
	Hint     string    `json:"hint,omitempty"`
	Attempts int       `json:"attempts"`
	First    string    `json:"first_attempt,omitempty"`
	Last     string    `json:"last_attempt,omitempty"`
	Redrives int       `json:"redrives"`
	Origin   string    `json:"origin,omitempty"`
	// ClaimedRedrives and ClaimedOrigin are what a record outside the topic of replays says of
	// itself; redrives and origin are what a record in that topic says.
	ClaimedRedrives int    `json:"redrives_claimed,omitempty"`
	ClaimedOrigin   string `json:"origin_claimed,omitempty"`
	// AsStated names the members here that rest only on what the writer of the record, or of
	// the ledger's entry, states.
	AsStated []string   `json:"as_stated,omitempty"`
	Trace    string     `json:"traceparent,omitempty"`
	Lot      string     `json:"lot,omitempty"`
	Problems []string   `json:"problems,omitempty"`
	Record   *shownData `json:"record,omitempty"` // not in lists
}

// shownData is the record itself.
type shownData struct {
	KeyBytes   *int          `json:"key_bytes"` // null: the key is
	ValueBytes *int          `json:"value_bytes"`
	Headers    []shownHeader `json:"headers,omitempty"`
	// MoreHeaders is how many headers there are beyond those shown.
	MoreHeaders int           `json:"more_headers,omitempty"`
	Event       *redact.Event `json:"event,omitempty"` // absent where the value cannot be parsed
	// Only with --reveal; base64 where it is not UTF-8.
	Key         *string `json:"key,omitempty"`
	KeyBase64   *string `json:"key_base64,omitempty"`
	Value       *string `json:"value,omitempty"`
	ValueBase64 *string `json:"value_base64,omitempty"`
}

type shownHeader struct {
	Name        string  `json:"name"`
	Bytes       *int    `json:"bytes"`
	Value       *string `json:"value,omitempty"`
	ValueBase64 *string `json:"value_base64,omitempty"`
}

func showDeadLetter(r *session.Session, s *dlq.Stored, state dlq.State, reveal, whole bool) shownDeadLetter {
	l := shownDeadLetter{
		ID: s.ID.String(), State: state, Written: redact.Written(s), Dated: s.Dated, Group: s.Group,
		Stage: word(string(s.Stage)), Reason: word(s.Reason), Field: word(s.Field), Code: redact.Sanitize(s.Code, reveal), Status: s.HTTPStatus, Seqno: redact.Sanitize(s.Seqno, reveal),
		Message: redact.ShowText(s.Message, reveal || s.Stage == dlq.StageMapping), Hint: redact.ShowText(s.Hint, reveal),
		Attempts: s.Attempts, First: redact.Stamp(s.First), Last: redact.Stamp(s.Last), Redrives: s.Redrives, Trace: s.Traceparent,
		ClaimedRedrives: s.ClaimedRedrives, ClaimedOrigin: s.ClaimedOrigin,
		Problems: s.Problems,
	}
	if s.Topic != "" {
		l.Source = sourceOf(s)
		l.Origin = s.Origin
	}
	if s.Redrives > 0 {
		l.AsStated = []string{"redrives", "origin"}
	}
	l.Lot = redact.Sanitize(r.Lot(s), reveal)
	if whole {
		l.Record = showData(r, s, reveal)
	}
	return l
}

func showData(r *session.Session, s *dlq.Stored, reveal bool) *shownData {
	d := &shownData{KeyBytes: redact.Length(s.Key), ValueBytes: redact.Length(s.Value)}
	event := s.Value
	if !reveal {
		event = r.Plain(s)
	}
	d.Event, _ = redact.ShowEvent(r.Mapper.Endpoint(), event, reveal) // another value is shown by its length
	for key, value := range s.Own() {
		if len(d.Headers) == dlq.MaxHeaders {
			d.MoreHeaders++
			continue
		}
		shown := shownHeader{Name: string(key[:min(len(key), redact.MaxShown*utf8.UTFMax)]), Bytes: redact.Length(value)}
		if reveal {
			shown.Value, shown.ValueBase64 = exact(value)
		}
		d.Headers = append(d.Headers, shown)
	}
	if reveal {
		d.Key, d.KeyBase64 = exact(s.Key)
		d.Value, d.ValueBase64 = exact(s.Value)
	}
	return d
}

// exact returns bytes as text if they are UTF-8, else in base64.
func exact(b []byte) (text, encoded *string) {
	if b == nil {
		return nil, nil
	}
	if utf8.Valid(b) {
		s := string(b)
		return &s, nil
	}
	s := base64.StdEncoding.EncodeToString(b)
	return nil, &s
}

// word shows a text that should be one of this program's words; another program's dead
// letter can hold anything there.
func word(text string) string { return redact.Sanitize(text, false) }

// sourceOf is the record's own place.
func sourceOf(s *dlq.Stored) string {
	return dlq.ID{Topic: s.Topic, Partition: s.Partition, Offset: s.Offset}.String()
}
