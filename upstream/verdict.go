package upstream

import (
	"net/http"
	"slices"
	"strings"
)

// Verdict is what an answer of the platform, or its absence, means for the record.
type Verdict int

// The verdicts; their names are labels of release_forwarder_attempts_total. Only
// Accepted is a yes. A wrong no only repeats, a wrong yes loses a record, so every doubt
// is a no.
const (
	// Unknown is the zero value and no verdict: no attempt has ended.
	Unknown Verdict = iota
	// Accepted: a body code that counts as a success.
	Accepted
	// Permanent: a body code that no retry would change.
	Permanent
	// Refused: 401 or 403, or a success code other than 1001 with a hint: the platform
	// can answer a wrong signature like that.
	Refused
	// Throttled: the platform asks for a pause: 429, or 503 with Retry-After.
	Throttled
	// Failed: any other body code.
	Failed
	// Unreadable: an answer came, but its body is not one JSON object with one code.
	Unreadable
	// Timeout: the attempt was not over within Config.Timeout.
	Timeout
	// Unreachable: no answer, for another reason than a time-out.
	Unreachable
	// Cut: the caller ended the delivery's context before the answer was complete.
	// It is unknown whether the platform took the record, so never treat it as
	// accepted. It is no label of the metric.
	Cut
)

var verdictNames = [...]string{
	Unknown: "unknown", Accepted: "accepted", Permanent: "permanent", Refused: "refused", Throttled: "throttled",
	Failed: "failed", Unreadable: "unreadable", Timeout: "timeout", Unreachable: "unreachable", Cut: "cut",
}

// String returns the metric's label.
func (v Verdict) String() string {
	if v < 0 || int(v) >= len(verdictNames) {
		return verdictNames[Unknown]
	}
	return verdictNames[v]
}

// Verdicts returns the values of the metric's label: all verdicts but Unknown and Cut.
func Verdicts() []Verdict {
	return []Verdict{Accepted, Permanent, Refused, Throttled, Failed, Unreadable, Timeout, Unreachable}
}

// The platform's code for a success (docs/platform-api.md): the only one that is
// believed beside a hint.
const codeAccepted = "1001"

// rules are the configured body codes, trimmed, and the fields of an event that an explanation
// may name.
type rules struct{ success, permanent, fields []string }

// judge gives the verdict on an answer. readable says whether reply could be read from
// its body; if so, the HTTP status does not matter.
func (r rules) judge(status int, reply reply, readable, retryAfter bool) Verdict {
	if !readable {
		switch {
		case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && retryAfter:
			return Throttled
		default:
			return Unreadable
		}
	}
	code := strings.TrimSpace(reply.code)
	switch {
	case slices.Contains(r.success, code):
		if code != codeAccepted && reply.hinted {
			return Refused
		}
		return Accepted
	case slices.Contains(r.permanent, code):
		return Permanent
	case code == "401", code == "403":
		return Refused
	case code == "429", code == "503" && retryAfter:
		return Throttled
	default:
		return Failed
	}
}
