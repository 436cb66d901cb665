package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/upstream"
)

// tokenHeaders bounds the head of a provider's answer; package oauth2 reads at most 1 MiB of its body.
const tokenHeaders = 64 << 10

// endpoint asks one provider for tokens.
type endpoint struct {
	host   string // for texts
	config clientcredentials.Config
	secret func() settings.Secret
	roots  *Watched[*x509.CertPool] // nil: the system's
	dial   DialFunc
}

func newEndpoint(s settings.SASL, secret func() settings.Secret, roots *Watched[*x509.CertPool], dial DialFunc) *endpoint {
	return &endpoint{
		host: s.OAuth.TokenURL.Host, secret: secret, roots: roots, dial: dial,
		config: clientcredentials.Config{ClientID: s.Username, TokenURL: s.OAuth.TokenURL.String(), Scopes: strings.Fields(s.OAuth.Scope)},
	}
}

// ask makes one request, or two where the provider does not take the secret in a header. One caller at a time.
func (e *endpoint) ask(ctx context.Context) (text string, ends time.Time, err error) {
	e.config.ClientSecret = e.secret().Reveal()
	t, err := e.config.Token(context.WithValue(ctx, oauth2.HTTPClient, e.client()))
	if err != nil {
		return "", ends, e.explain(ctx, err)
	}
	if err := settings.JudgeToken(t.AccessToken); err != nil {
		return "", ends, e.rubbish()
	}
	return t.AccessToken, earliest(t.Expiry, expiry(t.AccessToken)), nil
}

// client keeps no connection: there are minutes between two requests, and a changed CA counts from the next on. A
// redirect is not followed: the secret would go with it.
func (e *endpoint) client() *http.Client {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.roots != nil {
		config.RootCAs = e.roots.Fresh()
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: e.dial, TLSClientConfig: config, Proxy: http.ProxyFromEnvironment,
			DisableKeepAlives: true, MaxResponseHeaderBytes: tokenHeaders,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Codes of RFC 6749, 5.2, and the setting to look at.
var refusals = map[string]string{
	"invalid_client":         "check KAFKA_SASL_USERNAME and its password",
	"invalid_grant":          "check KAFKA_SASL_USERNAME and its password",
	"invalid_request":        "check KAFKA_SASL_OAUTH_SCOPE and KAFKA_SASL_OAUTH_TOKEN_URL",
	"invalid_scope":          "check KAFKA_SASL_OAUTH_SCOPE",
	"unauthorized_client":    "allow the client credentials grant to KAFKA_SASL_USERNAME at the provider",
	"unsupported_grant_type": "allow the client credentials grant at the provider, or check KAFKA_SASL_OAUTH_TOKEN_URL",
}

// explain says why a request failed. Of the provider's words only codes of RFC 6749 are repeated.
func (e *endpoint) explain(ctx context.Context, err error) error {
	refused, is := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case is:
		return e.refusal(refused)
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		return &tokenError{e.host + " has not answered within " + tokenTakes.String(), "look at the provider and at the network to it; nothing is lost, it is asked again"}
	case strings.HasPrefix(err.Error(), "oauth2: "): // its texts quote the answer
		return e.rubbish()
	}
	return &tokenError{e.host + ": " + upstream.Reason(err), "check KAFKA_SASL_OAUTH_TOKEN_URL, KAFKA_SASL_OAUTH_CA_FILE, the network to the provider and the proxy (HTTPS_PROXY)"}
}

func (e *endpoint) refusal(r *oauth2.RetrieveError) error {
	status := 0
	if r.Response != nil {
		status = r.Response.StatusCode
	}
	why := fmt.Sprintf("%s answered with status %d", e.host, status)
	if remedy, known := refusals[r.ErrorCode]; known {
		return &tokenError{why + " and " + r.ErrorCode, remedy}
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return &tokenError{why, refusals["invalid_client"]}
	case status >= 500 || status == http.StatusTooManyRequests:
		return &tokenError{why, "look at the provider; nothing is lost, it is asked again"}
	}
	return &tokenError{why, "check KAFKA_SASL_OAUTH_TOKEN_URL: it must be the address that gives tokens, and no page that leads there"}
}

func (e *endpoint) rubbish() error {
	return &tokenError{"the answer of " + e.host + " holds no token", "check KAFKA_SASL_OAUTH_TOKEN_URL: its answer must be as in RFC 6749, 5.1"}
}

// expiry returns the end that a token tells of itself (RFC 7519, exp); zero: it tells none. Only a broker checks
// the token.
func expiry(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var claims struct {
		Exp float64 `json:"exp"`
	}
	const most = 1 << 40 // seconds; more is no time
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Exp <= 0 || claims.Exp > most {
		return time.Time{}
	}
	return time.Unix(int64(claims.Exp), 0)
}

// earliest returns the first of the times that are told; if none is, the end of an unknown life.
func earliest(ends ...time.Time) time.Time {
	ends = slices.DeleteFunc(ends, time.Time.IsZero)
	if len(ends) == 0 {
		return time.Now().Add(unknownLife)
	}
	return slices.MinFunc(ends, time.Time.Compare)
}
