package upstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Request is one record on its way to the platform.
type Request struct {
	// Lot is the lot's park_uuid: it chooses the credential.
	Lot string
	// Params are the API's parameters but app_id and sign, which are the
	// client's own: if they are among them they are left out. Ascending by name
	// spares a copy.
	Params []Param
	// Quick allows quick retries: this is the record's first delivery. Without
	// it a delivery is one attempt.
	Quick bool
	// Probe says that this delivery tries whether the platform, or the lot, accepts
	// again: of two secrets it takes the one that was not refused last, and a 401 is
	// not tried once more.
	Probe bool
	// Traceparent, where set, is sent as the header of that name (W3C Trace
	// Context), unless what Config.Wrap puts around an attempt sets another.
	Traceparent string
	// Proceed is asked before each further attempt, and again when its wait is
	// over; nil means yes.
	Proceed func() bool
}

// Client delivers records to the platform. It is safe for concurrent use; how
// many deliveries run at once is for a Gate to say.
type Client struct {
	config      Config
	endpoint    *url.URL
	connections *connections
	http        *retryablehttp.Client
	rotations   rotations
}

// New checks config and returns a client; it contacts nobody. The errors are
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
		// What the last attempt brought is in the delivery.
		ErrorHandler: func(resp *http.Response, err error, _ int) (*http.Response, error) { return resp, err },
	}
	return c, nil
}

// Endpoint returns the URL as it may be shown: without user information, query
// and fragment.
func (c *Client) Endpoint() string {
	shown := *c.endpoint
	shown.User, shown.RawQuery, shown.ForceQuery, shown.Fragment, shown.RawFragment = nil, "", false, "", ""
	return shown.String()
}

// Close closes the connections that are idle; what is in flight goes on.
func (c *Client) Close() { c.connections.close() }

// HasCredential reports whether there is a credential for the lot. Where there is
// none Deliver makes no request.
func (c *Client) HasCredential(lot string) bool {
	_, has := c.config.Credentials(lot)
	return has
}

// delivery is the state of one Deliver and the context of its requests, by which
// retryablehttp's hooks find it. All of them run in Deliver's goroutine.
type delivery struct {
	context.Context // the caller's

	request    Request
	credential Credential
	signed     []Param // as they are sent, app_id among them
	answer     Answer  // of the last attempt
	waiting    bool    // between two attempts
	other      int     // attempts with the other secret: no quick retries
}

type deliveryKey struct{}

// Value gives the delivery itself, and whatever the caller's context holds. (A value
// in a context of its own would be one more of them for each record.)
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
// and returns what the last attempt was told. A 401 is tried once more, at once,
// with the credential's other secret where it has two. When ctx ends before an
// answer is whole, or between two attempts, the verdict is Cut; an answer that
// had come wholly stands. Without a credential for the lot the verdict is
// Refused, after no attempt.
func (c *Client) Deliver(ctx context.Context, r Request) Answer {
	credential, has := c.config.Credentials(r.Lot)
	if !has {
		return Answer{Verdict: Refused, Unsent: true, Err: &Error{Refused, "there is no credential for the lot"}}
	}
	d := &delivery{request: r, credential: credential, Context: ctx}
	d.signed = withAppID(r.Params, credential.AppID)
	if ctx.Err() == nil {
		choice := c.rotations.choose(r.Lot, credential, r.Probe)
		c.sign(d, choice)
		if c.mayTryOther(d, choice) {
			d.other++
			c.sign(d, choice.other())
		}
	}
	if d.answer.Verdict == Unknown || d.waiting {
		d.answer.Verdict = Cut
		d.answer.Err = &Error{Cut, "given up before the next attempt"}
	}
	return d.answer
}

// sign sends a delivery with one of its credential's secrets, and remembers
// whether that was the right one.
func (c *Client) sign(d *delivery, ch choice) {
	// The delivery knows better than resp and err how its attempts ended.
	resp, err := c.http.Do(c.newRequest(d, ch.secret(d.credential).Reveal()))
	if err == nil {
		_ = resp.Body.Close()
	}
	switch {
	case d.waiting:
	case d.answer.Verdict == Accepted:
		if c.rotations.accept(d.request.Lot, ch) {
			c.config.OnSecret(d.request.Lot, ch.next)
		}
	case d.answer.unsigned():
		c.rotations.refuse(d.request.Lot, ch, d.request.Probe)
	}
}

// mayTryOther reports whether a delivery that was refused is tried once more with
// its credential's other secret, and waits for its turn.
func (c *Client) mayTryOther(d *delivery, ch choice) bool {
	if ch.of == nil || d.request.Probe || d.waiting || !d.answer.unsigned() || !c.allowed(d) {
		return false
	}
	return c.await(d) // if not, the next delivery begins with the other
}

// await waits for leave for one more attempt, and reports whether there is: no pause and no
// other's turn of the rate may stand in its way for longer than RetryWaitMax.
func (c *Client) await(d *delivery) bool {
	if gate := c.config.Gate; gate != nil {
		wait, ok := gate.retry(d.answer.LastAttempt, c.config.RetryWaitMax)
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
			if gate.paused() { // since
				return false
			}
		}
	}
	return d.Err() == nil && c.allowed(d)
}

// Values of headers that all requests share; nobody changes them.
var (
	accept         = []string{"application/json"}
	acceptEncoding = []string{encodingGzip}
	userAgent      = []string{"release-forwarder"}
)

func (c *Client) newRequest(d *delivery, secret string) *retryablehttp.Request {
	body, contentType := c.config.Encoding.encode(d.signed, signCanonical(d.signed, secret))
	plain := &http.Request{
		Method: http.MethodPost,
		URL:    c.endpoint, // nobody below changes it
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

// checkRetry is asked after each attempt. The verdict alone decides, and with
// it those who may forbid a retry.
func (c *Client) checkRetry(ctx context.Context, _ *http.Response, _ error) (bool, error) {
	d := deliveryFrom(ctx)
	d.waiting = d.retryable() && d.answer.Attempts-d.other <= c.config.RetryMax && c.allowed(d)
	return d.waiting, nil
}

// prepareRetry is asked when the wait is over: the circuit may have opened, or
// a drain begun, since. A turn of the rate that is not soon makes no quick retry.
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

// retryable says whether the last attempt's verdict invites a quick retry. A
// time-out has taken long enough; a wait the platform asked for is not quick.
func (d *delivery) retryable() bool {
	switch d.answer.Verdict {
	case Failed, Unreadable, Unreachable:
		return d.request.Quick && d.answer.RetryAfter == 0
	case Unknown, Accepted, Permanent, Refused, Throttled, Timeout, Cut:
	}
	return false
}

// backoff doubles the most that is waited, from twice the least to max, and
// waits at random between least and that. n is 0 before the first retry.
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
