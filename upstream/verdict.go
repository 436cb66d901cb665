package upstream

import (
	"net/http"
	"slices"
	"strings"
)

// Verdict is what an answer of the platform, or its absence, means for the record.
type Verdict int

// The verdicts, in words of the metric release_forwarder_attempts_total. Only
// Accepted is a yes. A wrong no merely repeats, a wrong yes loses a record: so
// whatever is in doubt is a no.
const (
	// Unknown is the zero value and no verdict: no attempt has ended.
	Unknown Verdict = iota
	// Accepted: a body code that counts as a success.
	Accepted
	// Permanent: a body code that will not change however often it is sent.
	Permanent
	// Refused: 401 or 403, or a success code other than 1001 with a hint, behind
	// which the platform hides a bad signature.
	Refused
	// Throttled: the platform asks to be left alone: 429, or 503 with Retry-After.
	Throttled
	// Failed: any other body code.
	Failed
	// Unreadable: an answer came, but its body is not one JSON object with one code.
	Unreadable
	// Timeout: the attempt was not over within Config.Timeout.
	Timeout
	// Unreachable: no answer, for a reason other than time.
	Unreachable
	// Cut: the caller ended the delivery's context before the answer was whole.
	// Whether the platform took the record is unknown. It is no label of the
	// metric and never to be treated as accepted.
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

// Verdicts returns those that an attempt of a service that runs can have: the
// values of the metric's label, Cut left out.
func Verdicts() []Verdict {
	return []Verdict{Accepted, Permanent, Refused, Throttled, Failed, Unreadable, Timeout, Unreachable}
}

// The platform's code for a success (docs/platform-api.md): the only one that is
// believed beside a hint.
const codeAccepted = "1001"

// rules tell what a body code means. Everything in them is trimmed.
type rules struct{ success, permanent []string }

// judge applies the table of verdicts to an answer that came. readable says
// whether reply could be read from its body; if so, the HTTP status has no say.
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
