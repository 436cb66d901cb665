package upstream

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"release-forwarder/upstream/credential"
	"release-forwarder/upstream/gate"
)

// Answer is the result of a delivery: the answer to its last attempt.
type Answer struct {
	Verdict Verdict
	// From the body, "" if it was not readable or the value is no string. The
	// platform's texts are personal data (the hint of a 401 holds the plate): only the
	// dead letter may show Message and Hint. Code and Seqno go through Sanitize before
	// they are logged. Each has at most 1,024 bytes of valid UTF-8, with *** for the
	// secret.
	Code, Message, Hint, Seqno string
	// Explanation says what is probably wrong with a refused signature: see Explain.
	// It is safe to log; "" for any other answer.
	Explanation string
	// HTTPStatus is 0 if no answer came.
	HTTPStatus int
	// Attempts counts the HTTP requests of this delivery, from 0. AppID is what they were
	// signed with.
	Attempts int
	AppID    string
	// RetryAfter is the wait that the last answer asked for, 0 to
	// Config.RetryAfterMax. HasRetryAfter distinguishes 0 from none.
	RetryAfter    time.Duration
	HasRetryAfter bool
	// Err says why there is no code. It is an *Error for Unreadable, Timeout,
	// Unreachable and Cut, for Throttled without a readable body, and for Refused
	// without a credential; otherwise nil. It is safe to log.
	Err error
	// Unsent says that no byte of the last attempt's request left this host: no name, no
	// descriptor, no connection, no TLS; or no credential, and so no attempt. Such a
	// failure says nothing about the record.
	Unsent bool
	// When the first and the last attempt began; zero if there was none.
	FirstAttempt, LastAttempt time.Time
}

// maxText bounds each text of an Answer, in bytes, like a header of a dead letter.
const maxText = 1024

// clean makes a text of the platform safe to keep. Secrets are redacted before the text
// is truncated, so that no part of one is left.
func clean(text string, secrets ...credential.Secret) string {
	if text == "" {
		return ""
	}
	for _, s := range secrets {
		if s.IsZero() {
			continue
		}
		secret, redacted := s.Reveal(), s.String()
		text = strings.ReplaceAll(text, secret, redacted)
		if form := url.QueryEscape(secret); form != secret {
			for _, escaped := range []string{form, strings.ReplaceAll(form, "+", "%20"), url.PathEscape(secret)} {
				text = strings.ReplaceAll(text, escaped, redacted)
				text = strings.ReplaceAll(text, lowerHex(escaped), redacted)
			}
		}
	}
	return truncate(strings.ToValidUTF8(text, "\uFFFD"), maxText)
}

// lowerHex writes a percent-encoding with lower-case digits, as some servers do.
func lowerHex(escaped string) string {
	b := []byte(escaped)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
			i += 2
		}
	}
	return string(b)
}

// unsigned reports whether the platform did not take the signature: 401, or a success
// code with a hint. A 403 has another cause.
func (a *Answer) unsigned() bool {
	return a.Verdict == Refused && a.Code != "" && a.Code != "403"
}

// load is what the answer says about the platform's load.
func (a *Answer) load() gate.Load {
	switch a.Verdict {
	case Accepted:
		return gate.LoadServed
	case Permanent:
		return gate.LoadAnswered
	case Timeout:
		return gate.LoadTimedOut
	case Throttled:
		return gate.LoadRefused
	case Failed:
		if a.Code == "503" {
			return gate.LoadRefused
		}
	case Unreadable:
		if a.HTTPStatus == http.StatusServiceUnavailable {
			return gate.LoadRefused
		}
	case Unknown, Refused, Unreachable, Cut:
	}
	return gate.LoadUnknown
}

// truncate cuts valid UTF-8 to at most limit bytes, between code points.
func truncate(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// Sanitize returns s if it is 1 to 64 of A–Z a–z 0–9 . _ - and ? otherwise. Lot, code
// and seqno appear only like this in logs, spans, metrics and pages (P7 of
// docs/explanation/guarantees.md).
func Sanitize(s string) string {
	if len(s) == 0 || len(s) > 64 {
		return "?"
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return "?"
		}
	}
	return s
}

// retryAfter reads the header Retry-After (RFC 9110, 10.2.3): whole seconds, or a date,
// which may have passed. It returns at most limit.
func retryAfter(header http.Header, now time.Time, limit time.Duration) (wait time.Duration, ok bool) {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value == "" {
		return 0, false
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(limit/time.Second) { // err: more than fits
			return limit, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(date.Sub(now), 0), limit), true
}
