package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"time"

	"release-forwarder/mapping"
	"release-forwarder/upstream"
)

// NoLot is the lot of the request if a person names none. No platform knows it.
const NoLot = "release-forwarder-probe"

// Refusable is the request that Platform sends: complete except the repeat key (flow_no), which the API requires, so
// that the platform can only refuse it.
func Refusable(e *mapping.Endpoint, lot string) (params []upstream.Param) {
	for _, name := range e.Required() {
		switch name {
		case e.Order[0]:
			params = append(params, upstream.Param{Name: name, Value: lot})
		case e.Repeat:
		default:
			params = append(params, upstream.Param{Name: name, Value: NoLot})
		}
	}
	return params
}

// clockNotice is how far two clocks may differ before it is reported.
const clockNotice = 30 * time.Second

// Platform sends [Refusable] once, without a retry, and explains the answer. config is the service's; its
// RetryMax and Wrap are replaced. If the lot has no credential it says so and sends nothing. before is called
// with the endpoint before the request is sent.
func Platform(ctx context.Context, config upstream.Config, e *mapping.Endpoint, lot string, before func(endpoint string)) (Report, error) {
	seen := &exchange{}
	config.RetryMax, config.Wrap = 0, seen.wrap
	client, err := upstream.New(config)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	f := &findings{area: ThePlatform, subject: client.Endpoint()}
	if !client.HasCredential(lot) {
		f.wrong("signature", "there is no credential for this lot; nothing was sent", "name a lot that has one with --lot, or set one")
		return f.list, nil
	}
	before(client.Endpoint())
	// Probe: a second secret is not tried, so that it stays one request.
	answer := client.Deliver(ctx, upstream.Request{Lot: lot, Params: Refusable(e, lot), Probe: true})
	f.reached(answer)
	if seen.answered {
		f.platformTLS(seen.tls)
		f.clock(seen.skew())
	}
	f.signature(answer, lot == NoLot)
	return f.list, nil
}

// exchange keeps what an answer says beside its body.
type exchange struct {
	sent, got time.Time
	answered  bool
	date      string
	tls       *tls.ConnectionState
}

func (e *exchange) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		e.sent = time.Now()
		resp, err := next.RoundTrip(req)
		e.got = time.Now()
		if err == nil {
			e.answered, e.date, e.tls = true, resp.Header.Get("Date"), resp.TLS
		}
		return resp, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// skew returns how far at least the platform's clock is ahead of this one: its date has whole seconds, and was
// written at any time of the exchange.
func (e *exchange) skew() (d time.Duration, ok bool) {
	at, err := http.ParseTime(e.date)
	switch {
	case err != nil:
		return 0, false
	case at.After(e.got):
		return at.Sub(e.got), true
	case at.Add(time.Second).Before(e.sent):
		return at.Add(time.Second).Sub(e.sent), true
	}
	return 0, true
}

func (f *findings) reached(a upstream.Answer) {
	const check = "reachable"
	took := ""
	if a.HTTPStatus != 0 {
		took = fmt.Sprintf("HTTP status %d", a.HTTPStatus)
	}
	switch a.Verdict {
	case upstream.Unreachable:
		f.wrong(check, a.Err.Error(), "check UPSTREAM_URL, DNS, the network, a proxy (HTTPS_PROXY) and UPSTREAM_TLS_CA_FILE")
	case upstream.Timeout, upstream.Cut:
		f.wrong(check, a.Err.Error(), "look at the network and the platform; UPSTREAM_TIMEOUT is the limit")
	case upstream.Unreadable:
		f.wrong(check, took+"; "+a.Err.Error(), "the answer is not the platform's: check UPSTREAM_URL, and what stands in between (a proxy, a captive portal)")
	case upstream.Unknown, upstream.Accepted, upstream.Permanent, upstream.Refused, upstream.Throttled, upstream.Failed:
		f.ok(check, "%s", took)
	}
}

func (f *findings) platformTLS(state *tls.ConnectionState) {
	if state == nil || len(state.PeerCertificates) == 0 {
		f.ok("tls", "off")
		return
	}
	leaf := state.PeerCertificates[0]
	end := lasts(state)
	f.expiry("tls", fmt.Sprintf("%s, certificate for %s, %s", tls.VersionName(state.Version), names(leaf), until(end)),
		end, "tell the platform's operator; from then on no connection succeeds")
}

func (f *findings) clock(skew time.Duration, ok bool) {
	const check = "clock"
	switch {
	case !ok:
		f.unknown(check, "the answer has no date", "")
	case skew.Abs() > clockNotice:
		where := "ahead of"
		if skew < 0 {
			where = "behind"
		}
		f.warn(check, fmt.Sprintf("the platform's is at least %s %s this host's", skew.Abs().Truncate(time.Second), where), "keep this host's clock right (NTP)")
	default:
		f.ok(check, "as this host's, within %s", clockNotice)
	}
}

const signatureRemedy = "check the secret, UPSTREAM_APP_ID (with an app_id the secret is the developer's, without one the lot's) and the character set a proxy might change"

// aboutSignature reports whether the platform's texts mention the signature. The texts are never shown.
func aboutSignature(a upstream.Answer) bool {
	said := strings.ToLower(a.Message + a.Hint)
	return strings.Contains(said, "签名") || strings.Contains(said, "signature")
}

// signature says what the code means for the signature: the platform checks it before it checks the fields.
func (f *findings) signature(a upstream.Answer, noLot bool) {
	const check = "signature"
	text := "code " + upstream.Sanitize(a.Code)
	if a.Seqno != "" {
		text += ", seqno " + upstream.Sanitize(a.Seqno)
	}
	lot := ""
	if noLot {
		lot = "; or the made-up lot is the cause: name one of yours with --lot"
	}
	switch {
	case a.Code == "400" && aboutSignature(a):
		f.wrong(check, "not accepted: "+text+", whose texts name the signature", signatureRemedy+lot)
	case a.Code == "400": // whatever UPSTREAM_PERMANENT_CODES says of it
		f.ok(check, "accepted: %s is about the missing flow_no, as it should be", text)
	case a.Code == "403":
		f.wrong(check, text+": access is blocked", "ask the platform about this address, app_id and lot"+lot)
	case a.Verdict == upstream.Refused, a.Code == "200" && a.Hint != "": // it may hide a bad signature
		if a.Explanation != "" {
			text += "; " + a.Explanation
		}
		f.wrong(check, "not accepted: "+text, signatureRemedy+lot)
	case a.Verdict == upstream.Accepted:
		f.warn(check, text+": accepted, although flow_no is missing", "ask the platform's operator what became of it; is UPSTREAM_URL the right endpoint?")
	case a.Verdict == upstream.Throttled, a.Verdict == upstream.Failed:
		f.unknown(check, text+" says nothing about it", "try again later; if it stays so, ask the platform what the code means")
	case a.Verdict == upstream.Permanent:
		f.unknown(check, text+" is in UPSTREAM_PERMANENT_CODES, but its meaning is not known here", "")
	default:
		f.unknown(check, "no answer to judge by", "")
	}
}
