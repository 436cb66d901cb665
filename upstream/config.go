package upstream

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"release-forwarder/upstream/credential"
	"release-forwarder/upstream/gate"
)

// Config says where the platform is and how to speak to it, and holds telemetry's hooks. URL
// and one of Credentials and Credential are required. Other zero values mean the defaults that
// stand behind the semicolons below; they are those of the service's settings. It has many fields:
// one for each setting and each hook, so that a caller sets all of them in one literal.
type Config struct {
	// URL is the whole endpoint: absolute, http or https. User information in it is
	// sent as basic authentication.
	URL string
	// Credentials is called once for each delivery, so that a changed secret is used
	// at once. false means that the lot has none. It must be fast and safe for
	// concurrent use.
	Credentials func(lot string) (credential.Credential, bool)
	// Credential replaces Credentials if all lots have the same.
	Credential func() credential.Credential
	// Encoding of the body; Form.
	Encoding Encoding

	// Timeout bounds one attempt, from the connection to the last byte of the
	// body; 10s.
	Timeout time.Duration
	// MaxInFlight is how many requests the gate allows at once; 64. As many
	// connections are kept.
	MaxInFlight int
	// SuccessCodes are the body codes that count as accepted; 1001.
	SuccessCodes []string
	// PermanentCodes are the body codes that no retry would change; 400.
	PermanentCodes []string
	// Fields names the parameters that a request can have, so that an explanation may
	// name one which the platform signed and we did not send; none.
	Fields []string

	// RetryMax is how many quick retries a delivery may have; 0: none.
	RetryMax int
	// RetryWaitMin and RetryWaitMax bound the wait before each; 100ms and 1s.
	RetryWaitMin, RetryWaitMax time.Duration
	// MayRetry is called before each quick retry; nil means yes. The service forbids
	// quick retries while the circuit is open.
	MayRetry func() bool
	// RetryAfterMax caps what a Retry-After may ask for; 30s.
	RetryAfterMax time.Duration

	// RootCAs returns the authorities trusted for the platform and an https proxy, nil
	// for the system's. It is called for each attempt and must be fast. If it returns
	// another pool than before, new connections use it and the old ones are closed. A
	// nil function means the system's.
	RootCAs func() *x509.CertPool
	// Proxy chooses a proxy for a request; http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)
	// Dial opens connections; a net.Dialer's DialContext.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Wrap may put a round tripper (telemetry) around each attempt. The inner one
	// returns answers without a body, since it has been read, and errors that are safe
	// to log. Wrap must not replace the request's body: net/http treats a reader of
	// another type as a stream and sends the headers separately.
	Wrap func(http.RoundTripper) http.RoundTripper
	// OnAttempt is called at the end of each HTTP attempt.
	OnAttempt func(Verdict)
	// OnAnswer is called once for each HTTP attempt, inside Wrap's round tripper: ctx
	// carries the attempt's span.
	OnAnswer func(ctx context.Context, attempt Attempt)
	// OnSecret is called when the platform has accepted a request of lot with the other
	// of its credential's two secrets. That one is used from then on; next says whether
	// it is Credential.Next.
	OnSecret func(lot string, next bool)
	// Gate gave the deliveries their slots. It learns what each HTTP attempt says about
	// the platform's load, and must allow each attempt after a delivery's first. nil:
	// there is no gate.
	Gate Gate
}

// Gate is what a Client needs of the gate that gave its deliveries their slots; *gate.Gate
// implements it. It is called from many goroutines at once.
type Gate interface {
	// Begin and Observe enclose each HTTP attempt; retry says that it is not the first
	// of its delivery.
	Begin(retry bool) *gate.Attempt
	Observe(attempt *gate.Attempt, load gate.Load, took time.Duration)
	// Retry reserves the next turn for one more attempt of a delivery whose last began
	// at last. It returns the wait for the turn, or false if that is longer than within.
	Retry(last time.Time, within time.Duration) (wait time.Duration, ok bool)
	// Paused reports whether the platform has asked to be left alone. It is asked after
	// the wait.
	Paused() bool
}

// Attempt describes one HTTP attempt to telemetry.
type Attempt struct {
	Number     int // from 1 within its delivery
	Verdict    Verdict
	HTTPStatus int // 0 if no answer came
	// From the body, sanitized (see Sanitize); "" if it had none.
	Code, Seqno string
	Err         error // as in Answer
}

// The errors of a Config. None quotes the URL, which may hold a password.
var (
	ErrURL        = errors.New("upstream: the URL is not an absolute http or https URL")
	ErrCredential = errors.New("upstream: no credential")
	ErrEncoding   = errors.New("upstream: the encoding is neither form nor multipart")
	ErrBounds     = errors.New("upstream: a bound is negative, or a least wait above its most")
	ErrCodes      = errors.New("upstream: a code that is blank, or permanent but a success or one of 401, 403, 429, 500, 503")
)

// complete returns the configuration with its defaults filled in and its URL
// parsed, or an error.
func (c Config) complete() (Config, *url.URL, error) {
	c.Encoding = cmp.Or(c.Encoding, Form)
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, 64)
	c.RetryWaitMin = cmp.Or(c.RetryWaitMin, 100*time.Millisecond)
	c.RetryWaitMax = cmp.Or(c.RetryWaitMax, time.Second)
	c.RetryAfterMax = cmp.Or(c.RetryAfterMax, 30*time.Second)
	c.SuccessCodes = codes(c.SuccessCodes, codeAccepted)
	c.PermanentCodes = codes(c.PermanentCodes, "400")
	if c.MayRetry == nil {
		c.MayRetry = func() bool { return true }
	}
	if one := c.Credential; c.Credentials == nil && one != nil {
		c.Credentials = func(string) (credential.Credential, bool) { return one(), true }
	}
	if c.OnSecret == nil {
		c.OnSecret = func(string, bool) {}
	}
	if c.RootCAs == nil {
		c.RootCAs = func() *x509.CertPool { return nil }
	}
	if c.Proxy == nil {
		c.Proxy = http.ProxyFromEnvironment
	}
	endpoint, err := url.Parse(c.URL)
	switch {
	case err != nil, endpoint.Scheme != "http" && endpoint.Scheme != "https", endpoint.Hostname() == "":
		return c, nil, ErrURL
	case c.Credentials == nil:
		return c, nil, ErrCredential
	case !slices.Contains(c.Encoding.Choices(), string(c.Encoding)):
		return c, nil, ErrEncoding
	case c.Timeout < 0, c.MaxInFlight < 0, c.RetryMax < 0, c.RetryWaitMin < 0, c.RetryWaitMin > c.RetryWaitMax, c.RetryAfterMax < 0:
		return c, nil, ErrBounds
	case !compatible(c.SuccessCodes, c.PermanentCodes):
		return c, nil, ErrCodes
	}
	return c, endpoint, nil
}

// compatible reports whether no code is in both lists.
func compatible(success, permanent []string) bool {
	never := append([]string{"", "401", "403", "429", "500", "503"}, success...)
	return !slices.Contains(success, "") &&
		!slices.ContainsFunc(permanent, func(code string) bool { return slices.Contains(never, code) })
}

// codes returns the codes trimmed, or the default if none are given.
func codes(given []string, byDefault string) []string {
	if len(given) == 0 {
		return []string{byDefault}
	}
	trimmed := make([]string, len(given))
	for i, code := range given {
		trimmed[i] = strings.TrimSpace(code)
	}
	return trimmed
}
