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
	// Probe says that this delivery tries whether the platform, or the lot,
	// accepts again.
	Probe bool
	// Params are the API's parameters but app_id and sign, which are the
	// client's own: if they are among them they are left out. Ascending by name
	// spares a copy.
	Params []Param
	// Quick allows quick retries: this is the record's first delivery. Without
	// it a delivery is one attempt.
	Quick bool
	// Proceed is asked before each quick retry, and again when its wait is over;
	// nil means yes.
	Proceed func() bool
}

// Client delivers records to the platform. It is safe for concurrent use; how
// many deliveries run at once is for a Gate to say.
type Client struct {
	config      Config
	endpoint    *url.URL
	connections *connections
	http        *retryablehttp.Client
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
		wrapped:       config.Wrap != nil,
		rules:         rules{config.SuccessCodes, config.PermanentCodes},
		retryAfterMax: config.RetryAfterMax,
		onAnswer:      config.OnAnswer,
	}
	if config.Wrap != nil {
		chain = config.Wrap(chain)
	}
	c.http = &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     &bounded{chain, config.Timeout, config.OnAttempt},
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

// delivery is the state of one Deliver, which retryablehttp's hooks find in the
// request's context. All of them run in Deliver's goroutine.
type delivery struct {
	request Request
	secret  string
	ctx     context.Context // the caller's
	answer  Answer          // of the last attempt
	waiting bool            // between two attempts
}

type deliveryKey struct{}

func deliveryFrom(ctx context.Context) *delivery { return ctx.Value(deliveryKey{}).(*delivery) }

// begin starts the next attempt.
func (d *delivery) begin() *attempt {
	now := time.Now()
	first := d.answer.FirstAttempt
	if first.IsZero() {
		first = now
	}
	return &attempt{
		delivery: d.ctx,
		secret:   d.secret,
		answer:   Answer{Attempts: d.answer.Attempts + 1, FirstAttempt: first, LastAttempt: now},
	}
}

// HasCredential tells whether there is a credential for a lot. Without one
// nothing may be delivered for it.
func (c *Client) HasCredential(_ string) bool { return true }

// Deliver sends one record, with quick retries where the request allows them,
// and returns what the last attempt was told. When ctx ends before an answer is
// whole, or between two attempts, the verdict is Cut; an answer that had come
// wholly stands.
func (c *Client) Deliver(ctx context.Context, r Request) Answer {
	credential := c.config.Credential()
	d := &delivery{request: r, secret: credential.Secret.Reveal(), ctx: ctx}
	if ctx.Err() == nil {
		// The delivery knows better than resp and err how its attempts ended.
		resp, err := c.http.Do(c.newRequest(ctx, d, credential.AppID))
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	if d.answer.Verdict == Unknown || d.waiting {
		d.answer.Verdict = Cut
		d.answer.Err = &Error{Cut, "given up before the next attempt"}
	}
	return d.answer
}

func (c *Client) newRequest(ctx context.Context, d *delivery, appID string) *retryablehttp.Request {
	params := withAppID(d.request.Params, appID)
	body, contentType := c.config.Encoding.encode(params, signCanonical(params, d.secret))
	plain := &http.Request{
		Method: http.MethodPost,
		URL:    c.endpoint, // nobody below changes it
		Host:   c.endpoint.Host,
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Content-Type": {contentType},
			"Accept":       {"application/json"},
			"User-Agent":   {"release-forwarder"},
		},
	}
	req := &retryablehttp.Request{Request: plain.WithContext(context.WithValue(ctx, deliveryKey{}, d))}
	_ = req.SetBody(body) // takes any []byte
	return req
}

var errStopped = errors.New("no quick retry")

// checkRetry is asked after each attempt. The verdict alone decides, and with
// it those who may forbid a retry.
func (c *Client) checkRetry(ctx context.Context, _ *http.Response, _ error) (bool, error) {
	d := deliveryFrom(ctx)
	d.waiting = d.retryable() && d.answer.Attempts <= c.config.RetryMax && c.allowed(d)
	return d.waiting, nil
}

// prepareRetry is asked when the wait is over: the circuit may have opened, or
// a drain begun, since.
func (c *Client) prepareRetry(req *http.Request) error {
	d := deliveryFrom(req.Context())
	d.waiting = false
	if !c.allowed(d) {
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
	default:
		return false
	}
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
