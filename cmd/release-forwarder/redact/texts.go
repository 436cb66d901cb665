package redact

import (
	"time"

	"release-forwarder/dlq"
	"release-forwarder/upstream"
)

func Length(b []byte) *int {
	if b == nil {
		return nil
	}
	n := len(b)
	return &n
}

// Sanitize shows lot, code and seqno where they are what they should be.
func Sanitize(text string, reveal bool) string {
	switch {
	case text == "":
		return ""
	case reveal:
		return text
	}
	return upstream.Sanitize(text)
}

// Written is when a dead letter was written, "" where its record has no
// timestamp.
func Written(s *dlq.Stored) string {
	if s.Written == -1 {
		return ""
	}
	return dlq.Stamp(s.Written)
}

// Stamp writes a time in UTC, "" for none.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
