package connect

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/consumer/wire"
)

// tokenSource gives the token of each log-in. Its error is a *tokenError, or ctx's.
type tokenSource interface {
	token(ctx context.Context) (string, error)
	// refused says that a broker did not take a token.
	refused(token string)
	// ends is when the token in use ends; zero: not known.
	ends() time.Time
}

// TokenEnds returns when the token of the last log-in by OAUTHBEARER ends; zero: not known, or another mechanism.
func (k *Kafka) TokenEnds() time.Time {
	if b, is := k.Dialer.SASLMechanism.(*bearer); is {
		return b.tokens.ends()
	}
	return time.Time{}
}

// tokenError says why there is no token. It holds no secret and no text of the provider.
type tokenError struct{ why, remedy string }

func (e *tokenError) Error() string { return "no token for the log-in: " + e.why }

// Remedy is what a person should do; package wire shows it.
func (e *tokenError) Remedy() string { return e.remedy }

// bearer is SASL OAUTHBEARER (RFC 7628, KIP-255). One value serves all connections.
type bearer struct {
	tokens     tokenSource
	extensions map[string]string // KIP-342
}

// Name implements [sasl.Mechanism].
func (*bearer) Name() string { return string(settings.OAuthBearer) }

// Start implements [sasl.Mechanism].
func (b *bearer) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	token, err := b.tokens.token(ctx)
	if err != nil {
		return nil, nil, err
	}
	const separator = "\x01"
	var m strings.Builder
	m.WriteString("n,," + separator + "auth=Bearer " + token + separator)
	for _, name := range slices.Sorted(maps.Keys(b.extensions)) {
		m.WriteString(name + "=" + b.extensions[name] + separator)
	}
	m.WriteString(separator)
	return &bearerSession{b.tokens, token, false}, []byte(m.String()), nil
}

// bearerSession is one log-in.
type bearerSession struct {
	tokens  tokenSource
	token   string
	refused bool
}

// Next implements [sasl.StateMachine]. A broker that takes the token answers nothing. Another one says why, waits
// for one byte, and then ends the log-in with an error (RFC 7628, 3.2.3).
func (s *bearerSession) Next(_ context.Context, challenge []byte) (done bool, response []byte, err error) {
	switch {
	case s.refused:
		return false, nil, kafka.SASLAuthenticationFailed
	case len(challenge) == 0:
		return true, nil, nil
	}
	s.refused = true
	s.tokens.refused(s.token)
	return false, []byte{1}, nil
}

// fileToken is a token that another program keeps in a file.
type fileToken struct{ file *Watched[settings.Secret] }

func (f fileToken) token(context.Context) (string, error) {
	token := f.file.Fresh().Reveal()
	if end := expiry(token); !end.IsZero() && time.Since(end) > clockSlack {
		return "", &tokenError{
			"that of KAFKA_SASL_OAUTH_TOKEN_FILE ended at " + end.UTC().Format(time.RFC3339),
			"look at what renews the file (a sidecar, the kubelet), and at this host's clock",
		}
	}
	return token, nil
}

func (fileToken) refused(string) {} // the file is read again anyway

func (f fileToken) ends() time.Time { return expiry(f.file.Get().Reveal()) }

// clockSlack is by how much this host's clock may be ahead: within it a broker decides about a token.
const clockSlack = time.Minute

// Times of a provider.
const (
	// tokenTakes bounds one request for a token. It is less than the wire gives a log-in, so that who waits for
	// it learns why it failed.
	tokenTakes = 8 * time.Second
	// leastTokenWait and mostTokenWait are the waits after a failed request; they double.
	leastTokenWait, mostTokenWait = time.Second, 10 * time.Second
	// refusedAfter is the least age of a token that is replaced because a broker refused it: its key may have
	// been changed. One broker that refuses all tokens must not make a request a second.
	refusedAfter = 30 * time.Second
	// unknownLife is how long a token is kept that does not tell its end.
	unknownLife = 5 * time.Minute
)

// heldToken is a token with its times.
type heldToken struct {
	text       string
	from, ends time.Time
	stale      bool // to be replaced, but good until another one has come
}

func (h *heldToken) good(now time.Time) bool { return h.text != "" && now.Before(h.ends) }

// old reports whether another token should be asked for: at four fifths of its life, as Kafka's own clients do.
func (h *heldToken) old(now time.Time) bool {
	return h.stale || now.After(h.from.Add(h.ends.Sub(h.from)*4/5))
}

// provider asks for tokens by client credentials (RFC 6749, 4.4) and keeps the last. A token that grows old is
// replaced while it is still good, so that no log-in waits and a short outage of the provider goes unnoticed.
type provider struct {
	ctx context.Context // ends a request
	ask func(ctx context.Context) (text string, ends time.Time, err error)
	log *slog.Logger

	mu sync.Mutex
	// The rest is guarded by mu.

	held    heldToken
	request chan struct{} // closes when the request that is under way ends; nil: none is
	err     error         // of the last request; nil: it brought a token
	wait    time.Duration // after the last failure
	next    time.Time     // no request before
}

func (p *provider) token(ctx context.Context) (string, error) {
	for {
		p.mu.Lock()
		now := time.Now()
		good := p.held.good(now)
		if p.request == nil && !now.Before(p.next) && (!good || p.held.old(now)) {
			p.request = make(chan struct{})
			go p.fetch()
		}
		token, request, err := p.held.text, p.request, p.err
		p.mu.Unlock()
		switch {
		case good:
			return token, nil
		case request == nil:
			return "", err
		}
		select {
		case <-request:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// fetch makes one request; those who wait look again when it has ended.
func (p *provider) fetch() {
	ctx, cancel := context.WithTimeout(p.ctx, tokenTakes)
	defer cancel()
	begun := time.Now()
	text, ends, err := p.ask(ctx)
	if err == nil && !ends.After(time.Now()) {
		err = &tokenError{"the one that came has ended already", "look at the clocks of this host and of the provider"}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.request)
	p.request = nil
	before := p.err
	if p.err = err; err != nil {
		p.wait = min(max(2*p.wait, leastTokenWait), mostTokenWait)
		p.next = time.Now().Add(p.wait)
	} else {
		p.wait, p.next = 0, time.Time{}
		p.held = heldToken{text: text, from: begun, ends: ends}
	}
	p.tell(before, err)
}

// tell logs a change; a fault that lasts is logged once.
func (p *provider) tell(before, now error) {
	switch {
	case p.ctx.Err() != nil:
	case now == nil && before != nil:
		eventTokenMended.Log(p.log)
	case now != nil && (before == nil || before.Error() != now.Error()):
		eventTokenFailed.Log(p.log, slog.String("error", now.Error()), slog.String("remedy", wire.Remedy(now)))
	}
}

func (p *provider) refused(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held.text == token && time.Since(p.held.from) > refusedAfter {
		p.held.stale = true
	}
}

func (p *provider) ends() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held.ends
}
