package redact

import (
	"time"

	"release-forwarder/dlq"
	"release-forwarder/upstream"
)

// Length returns the number of bytes, nil for nil bytes (a null key or value).
func Length(b []byte) *int {
	if b == nil {
		return nil
	}
	n := len(b)
	return &n
}

// Sanitize shows a lot, code or seqno: all of it with reveal, else as [upstream.Sanitize] does, and "" for "".
func Sanitize(text string, reveal bool) string {
	switch {
	case text == "":
		return ""
	case reveal:
		return text
	}
	return upstream.Sanitize(text)
}

// Written is when a dead letter was written, in RFC 3339; "" if its record has no
// timestamp.
func Written(s *dlq.Stored) string {
	if s.Written == -1 {
		return ""
	}
	return dlq.Stamp(s.Written)
}

// Stamp writes a time in RFC 3339, UTC, with milliseconds; "" for the zero time.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
