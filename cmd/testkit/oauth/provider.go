package oauth

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Provider is a double of an OAuth 2.0 provider: it gives tokens for client credentials (RFC 6749, 4.4).
type Provider struct {
	Key              *rsa.PrivateKey // signs the tokens; nil: they carry a signature that is none
	Audience         string
	ClientID, Secret string
	Life             time.Duration // of a token

	requests, given atomic.Int64

	mu     sync.Mutex
	answer http.HandlerFunc
}

// Answer makes the provider answer by another handler; nil: as it should.
func (p *Provider) Answer(by http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = by
}

// Requests counts the requests that came.
func (p *Provider) Requests() int64 { return p.requests.Load() }

// Given counts the tokens that were given.
func (p *Provider) Given() int64 { return p.given.Load() }

// ServeHTTP answers a request for a token.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.requests.Add(1)
	_ = r.ParseForm() // read to its end, so that a handler that hangs learns when the client goes
	p.mu.Lock()
	by := p.answer
	p.mu.Unlock()
	if by != nil {
		by(w, r)
		return
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method != http.MethodPost || r.FormValue("grant_type") != "client_credentials":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"unsupported_grant_type"}`)
	case id != p.ClientID || secret != p.Secret:
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error":"invalid_client","error_description":%q}`, "not "+id+" with "+secret)
	default:
		p.given.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": p.Token(time.Now().Add(p.Life), p.Audience), "token_type": "Bearer", "expires_in": int64(p.Life / time.Second),
		})
	}
}

const keyID = "test-key"

// Token makes a token that ends at a time, for an audience.
func (p *Provider) Token(ends time.Time, audience string) string {
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	text := part(map[string]string{"alg": "RS256", "kid": keyID, "typ": "JWT"}) + "." + part(map[string]any{
		"iss": "https://provider.test", "sub": p.ClientID, "aud": audience, "iat": time.Now().Unix() - 1, "exp": ends.Unix(), "scope": "kafka",
	})
	if p.Key == nil {
		return text + ".none"
	}
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.Key, crypto.SHA256, digest[:])
	if err != nil {
		panic(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Keys are the public keys of the tokens, as a broker reads them (RFC 7517).
func (p *Provider) Keys() []byte {
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	keys, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": keyID,
		"n": number(p.Key.N), "e": number(big.NewInt(int64(p.Key.E))),
	}}})
	if err != nil {
		panic(err)
	}
	return keys
}

// Left returns for how long a token of [Provider.Token] is good, and false where it has ended or is none. It does not
// look at the signature.
func (*Provider) Left(token string, _ map[string]string) (time.Duration, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct{ Exp int64 }
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return 0, false
	}
	left := time.Until(time.Unix(claims.Exp, 0))
	return left, left > 0
}
