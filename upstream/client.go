package upstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"release-forwarder/upstream/credential"
)

// Request is one record on its way to the platform.
type Request struct {
	// Lot is the lot's park_uuid: it chooses the credential.
	Lot string
	// Params are the API's parameters. The client adds app_id and sign itself and
	// ignores them here. Parameters sorted by name save a copy.
	Params []Param
	// Quick allows quick retries, for a record's first delivery. Without it a
	// delivery is one attempt.
	Quick bool
	// Probe says that this delivery tests whether the platform, or the lot, accepts
	// again. Of two secrets it takes the one that was not refused last, and after a
	// 401 it does not try the other.
	Probe bool
	// Traceparent, if set, is sent as the header of that name (W3C Trace Context),
	// unless Config.Wrap sets another.
	Traceparent string
	// Proceed is called before each further attempt, and again after its wait;
	// nil means yes.
	Proceed func() bool
}

// Client delivers records to the platform. It is safe for concurrent use. The gate, not the
// Client, bounds how many deliveries run at once.
type Client struct {
	config      Config
	endpoint    *url.URL
	connections *connections
	http        *retryablehttp.Client
	rotations   credential.Rotations
}

// New checks config and returns a client. It opens no connection. The errors are
// ErrURL, ErrCredential, ErrEncoding, ErrBounds and ErrCodes.
func New(config Config) (*Client, error) {
	config, endpoint, err := config.complete()
	if err != nil {
		return nil, err
	}
	c := &Client{config: config, endpoint: endpoint, connections: &connections{config: config}}
	var chain http.RoundTripper = &reading{
		next:          c.connections,
		rules:         rules{config.SuccessCodes, config.PermanentCodes, config.Fields},
		retryAfterMax: config.RetryAfterMax,
		onAnswer:      config.OnAnswer,
	}
	if config.Wrap != nil {
		chain = config.Wrap(chain)
	}
	c.http = &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     &bounded{chain, config.Timeout, config.OnAttempt, config.Gate},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     config.RetryMax,
		RetryWaitMin: config.RetryWaitMin,
		RetryWaitMax: config.RetryWaitMax,
		CheckRetry:   c.checkRetry,
		Backoff:      backoff,
		PrepareRetry: c.prepareRetry,
		// The result of the last attempt is in the delivery.
		ErrorHandler: func(resp *http.Response, err error, _ int) (*http.Response, error) { return resp, err },
	}
	return c, nil
}

// Endpoint returns the URL in a form that may be shown: without user information,
// query and fragment.
func (c *Client) Endpoint() string {
	shown := *c.endpoint
	shown.User, shown.RawQuery, shown.ForceQuery, shown.Fragment, shown.RawFragment = nil, "", false, "", ""
	return shown.String()
}

// Close closes idle connections. Requests in flight continue.
func (c *Client) Close() { c.connections.close() }

// HasCredential reports whether there is a credential for the lot. Without one
// Deliver makes no request.
func (c *Client) HasCredential(lot string) bool {
	_, has := c.config.Credentials(lot)
	return has
}

// delivery is the state of one Deliver call. It is also the context of its requests:
// retryablehttp's hooks find it there. They all run in Deliver's goroutine.
type delivery struct {
	context.Context // the caller's

	request    Request
	credential credential.Credential
	signed     []Param // as they are sent, app_id among them
	answer     Answer  // of the last attempt
	waiting    bool    // between two attempts
	other      int     // attempts with the other secret: no quick retries
}

type deliveryKey struct{}

// Value returns the delivery itself, or a value of the caller's context. (This saves
// one context for each record.)
func (d *delivery) Value(key any) any {
	if key == (deliveryKey{}) {
		return d
	}
	return d.Context.Value(key)
}

func deliveryFrom(ctx context.Context) *delivery { return ctx.Value(deliveryKey{}).(*delivery) }

// begin starts the next attempt.
func (d *delivery) begin() *attempt {
	now := time.Now()
	first := d.answer.FirstAttempt
	if first.IsZero() {
		first = now
	}
	return &attempt{
		delivery: d,
		answer:   Answer{Attempts: d.answer.Attempts + 1, FirstAttempt: first, LastAttempt: now},
	}
}

// Deliver sends one record, with quick retries where the request allows them,
// and returns the answer to the last attempt. After a 401 it tries the credential's
// other secret, if there is one, at once. If ctx ends before an answer is complete,
// or between two attempts, the verdict is Cut; a complete answer keeps its verdict.
// Without a credential for the lot there is no attempt, and the verdict is Refused.
func (c *Client) Deliver(ctx context.Context, r Request) Answer {
	signing, has := c.config.Credentials(r.Lot)
	if !has {
		return Answer{Verdict: Refused, Unsent: true, Err: &Error{Refused, "there is no credential for the lot"}}
	}
	d := &delivery{request: r, credential: signing, Context: ctx}
	d.signed = withAppID(r.Params, signing.AppID)
	if ctx.Err() == nil {
		choice := c.rotations.Choose(r.Lot, signing, r.Probe)
		c.sign(d, choice)
		if c.mayTryOther(d, choice) {
			d.other++
			c.sign(d, choice.Other())
		}
	}
	if d.answer.Verdict == Unknown || d.waiting {
		d.answer.Verdict = Cut
		d.answer.Err = &Error{Cut, "given up before the next attempt"}
	}
	d.answer.AppID = signing.AppID
	return d.answer
}

// sign sends a delivery signed with one of its credential's secrets, and records
// whether the platform took that secret.
func (c *Client) sign(d *delivery, ch credential.Choice) {
	// The delivery has the verdict; resp and err are not needed.
	resp, err := c.http.Do(c.newRequest(d, ch.Secret(d.credential).Reveal()))
	if err == nil {
		_ = resp.Body.Close()
	}
	switch {
	case d.waiting:
	case d.answer.Verdict == Accepted:
		if c.rotations.Accept(d.request.Lot, ch) {
			c.config.OnSecret(d.request.Lot, ch.Next())
		}
	case d.answer.unsigned():
		c.rotations.Refuse(d.request.Lot, ch, d.request.Probe)
	}
}

// mayTryOther reports whether a refused delivery is tried again with its credential's
// other secret. It waits for the rate's turn.
func (c *Client) mayTryOther(d *delivery, ch credential.Choice) bool {
	if !ch.HasOther() || d.request.Probe || d.waiting || !d.answer.unsigned() || !c.allowed(d) {
		return false
	}
	return c.await(d) // if not, the next delivery begins with the other
}

// await waits until one more attempt may go out, and reports whether it may. It returns
// false if the platform's pause or the rate would delay it by more than RetryWaitMax.
func (c *Client) await(d *delivery) bool {
	if g := c.config.Gate; g != nil {
		wait, ok := g.Retry(d.answer.LastAttempt, c.config.RetryWaitMax)
		if !ok {
			return false
		}
		if wait > 0 {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-d.Done():
			}
			if g.Paused() { // meanwhile
				return false
			}
		}
	}
	return d.Err() == nil && c.allowed(d)
}

// Header values that all requests share. They are never changed.
var (
	accept         = []string{"application/json"}
	acceptEncoding = []string{encodingGzip}
	userAgent      = []string{"release-forwarder"}
)

func (c *Client) newRequest(d *delivery, secret string) *retryablehttp.Request {
	body, contentType := c.config.Encoding.encode(d.signed, signCanonical(d.signed, secret))
	plain := &http.Request{
		Method: http.MethodPost,
		URL:    c.endpoint, // not changed by net/http
		Host:   c.endpoint.Host,
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {contentType}, "Accept": accept, "Accept-Encoding": acceptEncoding, "User-Agent": userAgent},
	}
	if parent := d.request.Traceparent; parent != "" {
		plain.Header["Traceparent"] = []string{parent}
	}
	req := &retryablehttp.Request{Request: plain.WithContext(d)}
	_ = req.SetBody(body) // takes any []byte
	return req
}

var errStopped = errors.New("no quick retry")

// checkRetry is called after each attempt. The verdict decides, then RetryMax, MayRetry
// and Proceed.
func (c *Client) checkRetry(ctx context.Context, _ *http.Response, _ error) (bool, error) {
	d := deliveryFrom(ctx)
	d.waiting = d.retryable() && d.answer.Attempts-d.other <= c.config.RetryMax && c.allowed(d)
	return d.waiting, nil
}

// prepareRetry is called after the wait: meanwhile the circuit may have opened, or a
// drain begun. If the rate's next turn is too far away there is no quick retry.
func (c *Client) prepareRetry(req *http.Request) error {
	d := deliveryFrom(req.Context())
	ok := c.await(d)
	d.waiting = d.Err() != nil
	if !ok {
		return errStopped
	}
	return nil
}

func (c *Client) allowed(d *delivery) bool {
	return c.config.MayRetry() && (d.request.Proceed == nil || d.request.Proceed())
}

// retryable reports whether a quick retry may follow the last verdict. There is none
// after a time-out, which took long already, or if the platform asked for a wait.
func (d *delivery) retryable() bool {
	switch d.answer.Verdict {
	case Failed, Unreadable, Unreachable:
		return d.request.Quick && d.answer.RetryAfter == 0
	case Unknown, Accepted, Permanent, Refused, Throttled, Timeout, Cut:
	}
	return false
}

// backoff returns a random wait between least and a bound that doubles with each
// retry, from twice least to most. n is 0 before the first retry.
func backoff(least, most time.Duration, n int, _ *http.Response) time.Duration {
	bound := least
	for range n + 1 {
		if bound >= most/2 {
			bound = most
			break
		}
		bound *= 2
	}
	if bound <= least {
		return least
	}
	return least + rand.N(bound-least+1)
}
