package upstream

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"time"

	"release-forwarder/upstream/gate"
)

// attempt is one HTTP request of a delivery and its context, which ends at the
// attempt's time-out. Only the goroutine of Deliver uses its fields.
type attempt struct {
	context.Context

	delivery *delivery // its context is the caller's and knows no time-out
	// answer is what is known of the answer so far.
	answer Answer
	trace  httptrace.ClientTrace

	// The connection that net/http chose last. wire is nil before that, and for HTTP/2: there
	// requests share a connection, and bytes cannot be attributed to one of them.
	wire   *wire
	shared bool
	plain  bool  // no TLS
	cause  error // why no answer came
}

// given is called by net/http with the connection for the request.
func (a *attempt) given(c httptrace.GotConnInfo) {
	a.wire = beneath(c.Conn)
	if a.wire == nil {
		a.shared = true
		return
	}
	_, a.plain = c.Conn.(*wire)
	a.wire.begin(a, c.Reused)
}

// unsent reports whether it is certain that no byte of the request left this host.
func (a *attempt) unsent() bool { return !a.shared && (a.wire == nil || !a.wire.sent()) }

type attemptKey struct{}

// Value gives the attempt itself, and whatever the delivery's context holds.
func (a *attempt) Value(key any) any {
	if key == (attemptKey{}) {
		return a
	}
	return a.Context.Value(key)
}

// bounded is the outermost round tripper: it gives each attempt its time-out and
// records the result, after the attempt has ended.
type bounded struct {
	next      http.RoundTripper
	timeout   time.Duration
	onAttempt func(Verdict)
	gate      Gate
}

func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	d := deliveryFrom(req.Context())
	a := d.begin()
	// Client.Timeout would start a goroutine for each request, because this round
	// tripper is not an http.Transport.
	var cancel context.CancelFunc
	a.Context, cancel = context.WithTimeout(req.Context(), b.timeout)
	defer cancel()

	var request *gate.Attempt
	if b.gate != nil {
		request = b.gate.Begin(a.answer.Attempts > 1)
	}
	a.trace.GotConn = a.given
	resp, err := b.next.RoundTrip(req.WithContext(httptrace.WithClientTrace(a, &a.trace)))
	if err != nil && a.answer.Verdict == Unknown {
		_ = a.fail(a, err) // the wrapper itself failed
	}
	d.answer = a.answer
	if b.gate != nil {
		b.gate.Observe(request, a.load(), time.Since(a.answer.LastAttempt))
	}
	if b.onAttempt != nil {
		b.onAttempt(a.answer.Verdict)
	}
	return resp, err
}

// reading is the innermost round tripper, inside what Config.Wrap puts around
// it: it reads the whole answer, within bounds and within the attempt's time,
// and judges it.
type reading struct {
	next          http.RoundTripper
	rules         rules
	retryAfterMax time.Duration
	onAnswer      func(context.Context, Attempt)
}

func (r *reading) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	a := ctx.Value(attemptKey{}).(*attempt) // only Deliver calls this
	resp, err := r.exchange(req, a)
	if r.onAnswer != nil {
		r.onAnswer(ctx, a.describe())
	}
	return resp, err
}

func (r *reading) exchange(req *http.Request, a *attempt) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, a.fail(req.Context(), err)
	}
	a.answer.HTTPStatus = resp.StatusCode
	a.answer.RetryAfter, a.answer.HasRetryAfter = retryAfter(resp.Header, time.Now(), r.retryAfterMax)
	location := resp.Header.Get("Location")
	// No layer above may follow a redirect, or see its target.
	resp.Header.Del("Location")

	body, err := readBody(resp)
	if errors.Is(err, errBodyCut) && a.ended(req.Context()) != Unknown {
		return nil, a.fail(req.Context(), err) // out of time while reading
	}
	reply := reply{}
	if err == nil {
		reply, err = parseReply(body)
	}
	if err != nil {
		err = bodyError{err, instead(resp, location, req.URL, body)}
	}
	a.judged(r.rules, reply, err)
	resp.Body, resp.ContentLength = http.NoBody, 0 // no layer above may see the body
	return resp, nil
}

// ended returns the verdict for the context that has ended: Cut, Timeout, or Unknown
// if none has.
func (a *attempt) ended(ctx context.Context) Verdict {
	switch {
	case a.delivery.Err() != nil:
		return Cut
	case ctx.Err() != nil:
		return Timeout
	default:
		return Unknown
	}
}

// fail records that no complete answer came. ctx is the attempt's.
func (a *attempt) fail(ctx context.Context, cause error) error {
	var text string
	a.cause, a.answer.Unsent = cause, a.unsent()
	switch a.answer.Verdict = a.ended(ctx); a.answer.Verdict {
	case Cut:
		text = "given up before the answer was whole"
	case Timeout:
		text = "no whole answer in time"
		if a.otherProtocol() != "" {
			text += ": " + a.otherProtocol()
		}
	case Unknown, Accepted, Permanent, Refused, Throttled, Failed, Unreadable, Unreachable:
		a.answer.Verdict = Unreachable
		text = cmp.Or(a.otherProtocol(), Reason(cause))
	}
	a.answer.Err = &Error{a.answer.Verdict, text}
	return a.answer.Err
}

// otherProtocol names the protocol that was spoken on the connection instead of HTTP/1,
// or "" if it is not known.
func (a *attempt) otherProtocol() string {
	if !a.plain || a.wire == nil {
		return ""
	}
	return notHTTP(a.wire.began())
}

// load says what the attempt tells about the platform's load.
func (a *attempt) load() gate.Load {
	if a.answer.Verdict == Unreachable && overloaded(a.cause) {
		return gate.LoadRefused
	}
	return a.answer.load()
}

// judged records the verdict on an answer. unreadable is nil if reply was read.
func (a *attempt) judged(rules rules, reply reply, unreadable error) {
	a.answer.Verdict = rules.judge(a.answer.HTTPStatus, reply, unreadable == nil, a.answer.HasRetryAfter)
	if unreadable != nil {
		text := "HTTP " + strconv.Itoa(a.answer.HTTPStatus) + ": " + unreadable.Error()
		a.answer.Err = &Error{a.answer.Verdict, text}
		return
	}
	secret, next := a.delivery.credential.Secret, a.delivery.credential.Next
	a.answer.Code = clean(strings.TrimSpace(reply.code), secret, next)
	a.answer.Message = clean(reply.message, secret, next)
	a.answer.Hint = clean(reply.hint, secret, next)
	a.answer.Seqno = clean(reply.seqno, secret, next)
	if a.answer.unsigned() {
		a.answer.Explanation = Explain(a.delivery.signed, reply.hint, rules.fields)
	}
}

func (a *attempt) describe() Attempt {
	sanitize := func(s string) string {
		if s == "" {
			return ""
		}
		return Sanitize(s)
	}
	return Attempt{
		Number: a.answer.Attempts, Verdict: a.answer.Verdict, HTTPStatus: a.answer.HTTPStatus,
		Code: sanitize(a.answer.Code), Seqno: sanitize(a.answer.Seqno), Err: a.answer.Err,
	}
}
