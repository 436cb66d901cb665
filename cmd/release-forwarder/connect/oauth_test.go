package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"release-forwarder/cmd/release-forwarder/settings"
	"release-forwarder/cmd/testkit/memnet"
	"release-forwarder/cmd/testkit/oauth"
	"release-forwarder/consumer/wire"
)

const (
	clientID = "lane"
	secret   = "a-secret-that-is-shown-nowhere"
	tokenURL = "http://127.0.0.1:8080/token?tenant=a-tenant-that-is-shown-nowhere"
)

// idp is a provider, and a way to Kafka with tokens of it, in virtual time.
type idp struct {
	*oauth.Provider
	net    *memnet.Net
	logged *bytes.Buffer
	t      *testing.T
}

// withProvider runs a test in virtual time.
func withProvider(t *testing.T, test func(t *testing.T, p *idp)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &idp{&oauth.Provider{ClientID: clientID, Secret: secret, Life: time.Hour}, &memnet.Net{}, &bytes.Buffer{}, t}
		l, err := p.net.Listen("tcp", "127.0.0.1:8080")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: p}
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		test(t, p)
	})
}

// asking makes the settings ask the provider, with further changes.
func asking(changes ...func(*settings.SASL)) func(*settings.Kafka) {
	return func(k *settings.Kafka) {
		u, _ := url.Parse(tokenURL)
		k.SASL = settings.SASL{
			Mechanism: settings.OAuthBearer, Username: clientID, Password: settings.NewSecret(secret), OAuth: settings.OAuth{TokenURL: u},
		}
		for _, change := range changes {
			change(&k.SASL)
		}
	}
}

// source returns where log-ins get their tokens, with what ends it.
func (p *idp) source(changes ...func(*settings.SASL)) (tokenSource, context.CancelFunc) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	k, err := New(ctx, Config{
		Kafka: kafkaSettings(asking(changes...), "broker:9092"), Dial: p.net.Dial, Logger: slog.New(slog.NewTextHandler(p.logged, nil)),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return k.Dialer.SASLMechanism.(*bearer).tokens, cancel
}

func TestALoginSendsTheTokenAndTheExtensions(t *testing.T) {
	b := &bearer{tokens: fixed("t0ken"), extensions: map[string]string{"logicalCluster": "lkc-1", "identityPoolId": "pool-1"}}
	session, first, err := b.Start(t.Context())
	if want := "n,,\x01auth=Bearer t0ken\x01identityPoolId=pool-1\x01logicalCluster=lkc-1\x01\x01"; err != nil || string(first) != want {
		t.Errorf("sent %q, %v\nwant %q", first, err, want)
	}
	if done, response, err := session.Next(t.Context(), nil); !done || len(response) > 0 || err != nil {
		t.Errorf("after an answer of nothing: done %t, %q, %v", done, response, err)
	}
	session, first, _ = (&bearer{tokens: fixed("t0ken")}).Start(t.Context())
	if want := "n,,\x01auth=Bearer t0ken\x01\x01"; string(first) != want {
		t.Errorf("without extensions sent %q", first)
	}
	if done, response, err := session.Next(t.Context(), []byte(`{"status":"invalid_token"}`)); done || string(response) != "\x01" || err != nil {
		t.Errorf("a refused token: done %t, %q, %v", done, response, err)
	}
}

// fixed is always the same token.
type fixed string

func (f fixed) token(context.Context) (string, error) { return string(f), nil }
func (fixed) refused(string)                          {}
func (fixed) ends() time.Time                         { return time.Time{} }

// A token is asked for once, however many log in, and replaced before its end, while log-ins go on with the old one.
func TestATokenIsKeptUntilShortlyBeforeItsEnd(t *testing.T) {
	withProvider(t, func(t *testing.T, p *idp) {
		tokens, end := p.source()
		defer end()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := tokens.token(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := p.Given(); n != 1 {
			t.Errorf("%d tokens for the first log-ins", n)
		}
		first, _ := tokens.token(t.Context())
		time.Sleep(p.Life*4/5 - time.Second)
		if again, _ := tokens.token(t.Context()); again != first || p.Given() != 1 {
			t.Errorf("before four fifths of its life: %d tokens", p.Given())
		}
		p.Answer(hang)
		time.Sleep(2 * time.Second)
		begun := time.Now()
		if again, err := tokens.token(t.Context()); again != first || err != nil || time.Since(begun) > 0 {
			t.Errorf("a log-in waits for the provider although the token is good: %v, %v", time.Since(begun), err)
		}
		p.Answer(nil)
		time.Sleep(time.Minute)
		_, _ = tokens.token(t.Context()) // finds the failure and asks again
		time.Sleep(time.Second)
		if again, err := tokens.token(t.Context()); again == first || err != nil {
			t.Errorf("the token is not replaced: %v", err)
		}
	})
}

// hang answers nothing.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// text answers with a status and a body that is never to be repeated.
func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

const hidden = "what-the-provider-says"

func TestAProviderThatGivesNoTokenIsNamedWithTheRemedy(t *testing.T) {
	for _, c := range []struct {
		name        string
		answer      http.HandlerFunc
		change      func(*settings.SASL)
		why, remedy string // parts
	}{
		{"hangs", hang, nil, "127.0.0.1:8080 has not answered within 8s", "asked again"},
		{"is in trouble", text(500, hidden), nil, "status 500", "look at the provider"},
		{"is overloaded", text(429, hidden), nil, "status 429", "look at the provider"},
		{"knows no such client", nil, func(s *settings.SASL) { s.Username = "stranger" }, "status 401 and invalid_client", "KAFKA_SASL_USERNAME"},
		{"refuses without a code", text(403, hidden), nil, "status 403", "KAFKA_SASL_USERNAME"},
		{"does not allow the scope", text(400, `{"error":"invalid_scope","error_description":"`+hidden+`"}`), nil, "invalid_scope", "KAFKA_SASL_OAUTH_SCOPE"},
		{"has a code of its own", text(400, `{"error":"`+hidden+`"}`), nil, "status 400", "KAFKA_SASL_OAUTH_TOKEN_URL"},
		{"answers with a page", text(200, "<html>"+hidden), nil, "holds no token", "KAFKA_SASL_OAUTH_TOKEN_URL"},
		{"answers without a token", text(200, `{"token":"`+hidden+`"}`), nil, "holds no token", "RFC 6749"},
		{"answers with what no token is", text(200, `{"access_token":"`+hidden+`\u0001auth=x"}`), nil, "holds no token", "RFC 6749"},
		{"answers without an end", flood, nil, "holds no token", "RFC 6749"},
		{"gives one that has ended", ended, nil, "has ended already", "clocks"},
		{"sends elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.test/"+hidden, http.StatusTemporaryRedirect)
		}, nil, "status 307", "KAFKA_SASL_OAUTH_TOKEN_URL"},
		{"is not HTTP", hijacked, nil, "the exchange failed", "KAFKA_SASL_OAUTH_TOKEN_URL"},
		{"is not there", nil, func(s *settings.SASL) { s.OAuth.TokenURL, _ = url.Parse("http://127.0.0.1:9/" + hidden) }, "127.0.0.1:9: dial: ", "the network"},
	} {
		t.Run(c.name, func(t *testing.T) {
			withProvider(t, func(t *testing.T, p *idp) {
				p.Answer(c.answer)
				change := c.change
				if change == nil {
					change = func(*settings.SASL) {}
				}
				tokens, end := p.source(change)
				defer end()
				begun := time.Now()
				token, err := tokens.token(t.Context())
				if err == nil || token != "" {
					t.Fatalf("a token: %q", token)
				}
				if !strings.Contains(err.Error(), c.why) || !strings.Contains(wire.Remedy(err), c.remedy) {
					t.Errorf("%v\n%s", err, wire.Remedy(err))
				}
				if took := time.Since(begun); took > tokenTakes {
					t.Errorf("it took %v", took)
				}
				said := err.Error() + wire.Remedy(err) + p.logged.String()
				for _, never := range []string{hidden, secret, "nowhere", "elsewhere"} {
					if strings.Contains(said, never) {
						t.Errorf("%q is said:\n%s", never, said)
					}
				}
				if n := strings.Count(p.logged.String(), "event=token-failed"); n != 1 {
					t.Errorf("%d log lines", n)
				}
			})
		})
	}
}

func flood(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"access_token":"`)
	for range 100 {
		if _, err := w.Write(bytes.Repeat([]byte("a"), 64<<10)); err != nil {
			return
		}
	}
}

func ended(w http.ResponseWriter, _ *http.Request) {
	token := (&oauth.Provider{}).Token(time.Now().Add(-time.Minute), "kafka")
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"expires_in":3600}`, token)
}

func hijacked(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_, _ = io.WriteString(conn, hidden+"\r\n\r\n")
		_ = conn.Close()
	}
}

// A provider that fails is asked again with growing pauses, and log-ins meanwhile fail at once.
func TestAProviderThatFailsIsAskedAgainWithPauses(t *testing.T) {
	withProvider(t, func(t *testing.T, p *idp) {
		tokens, end := p.source()
		defer end()
		p.Answer(text(500, hidden))
		_, _ = tokens.token(t.Context())
		before := p.Requests()
		if _, err := tokens.token(t.Context()); err == nil || p.Requests() != before {
			t.Errorf("asked again at once: %v", err)
		}
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			_, _ = tokens.token(t.Context())
		}
		// 1, 2, 4, 8, then every 10 s; each is two requests, since the provider might want the secret elsewhere.
		if n := p.Requests() - before; n < 12 || n > 20 {
			t.Errorf("%d requests in a minute", n)
		}
		p.Answer(nil)
		time.Sleep(mostTokenWait)
		if _, err := tokens.token(t.Context()); err != nil {
			t.Error(err)
		}
		if logged := p.logged.String(); strings.Count(logged, "event=token-failed") != 1 || strings.Count(logged, "event=token-mended") != 1 {
			t.Errorf("logged\n%s", logged)
		}
	})
}

// A token that a broker refuses is replaced, but one that was just given is not.
func TestARefusedTokenIsReplacedOnceItIsOld(t *testing.T) {
	withProvider(t, func(t *testing.T, p *idp) {
		tokens, end := p.source()
		defer end()
		first, _ := tokens.token(t.Context())
		for range 10 {
			tokens.refused(first)
			_, _ = tokens.token(t.Context())
			synctest.Wait()
		}
		if n := p.Given(); n != 1 {
			t.Errorf("%d tokens", n)
		}
		time.Sleep(refusedAfter + time.Second)
		tokens.refused(first)
		if again, err := tokens.token(t.Context()); again != first || err != nil {
			t.Errorf("a log-in waits although the token may be good: %v", err)
		}
		synctest.Wait()
		if again, _ := tokens.token(t.Context()); again == first || p.Given() != 2 {
			t.Errorf("not replaced: %d tokens", p.Given())
		}
	})
}

func TestTheClientsSecretAndTheCACountFromTheNextRequestOn(t *testing.T) {
	ca := newAuthority(t, "ca")
	served := make(chan string, 10)
	server := &http.Server{TLSConfig: ca.server("127.0.0.1"), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		served <- password
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"t0ken","expires_in":0}`)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.ServeTLS(l, "", "") }()
	t.Cleanup(func() { server.Close() })
	files := mount(t, map[string][]byte{"ca": newAuthority(t, "another").pem, "secret": []byte("old\n")})
	s := settings.SASL{Username: "id", PasswordFile: files.path("secret"), OAuth: settings.OAuth{CAFile: files.path("ca"), Scope: "a b"}}
	s.OAuth.TokenURL, _ = url.Parse("https://" + l.Addr().String())
	k := connected(t, Config{Kafka: kafkaSettings(func(k *settings.Kafka) { k.SASL, k.SASL.Mechanism = s, settings.OAuthBearer }, "broker:9092")})
	p := k.Dialer.SASLMechanism.(*bearer).tokens.(*provider)
	if _, _, err := p.ask(t.Context()); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("another authority: %v", err)
	}
	files.swap(map[string][]byte{"ca": ca.pem, "secret": []byte("new\n")})
	if token, ends, err := p.ask(t.Context()); err != nil || token != "t0ken" || time.Until(ends) < unknownLife-time.Minute {
		t.Errorf("after the change: %q until %v, %v", token, ends, err)
	}
	if got := <-served; got != "new" {
		t.Errorf("asked with %q", got)
	}
}

func TestATokensFileIsReadAtEachLogin(t *testing.T) {
	token := func(ends time.Duration) []byte {
		return []byte((&oauth.Provider{}).Token(time.Now().Add(ends), "kafka") + "\n")
	}
	files := mount(t, map[string][]byte{"token": token(time.Hour)})
	var failed []string
	k := connected(t, Config{
		Kafka: kafkaSettings(func(k *settings.Kafka) {
			k.SASL = settings.SASL{Mechanism: settings.OAuthBearer, OAuth: settings.OAuth{TokenFile: files.path("token")}}
		}, "broker:9092"),
		ReloadFailed: func(setting string) { failed = append(failed, setting) },
	})
	tokens := k.Dialer.SASLMechanism.(*bearer).tokens
	first, err := tokens.token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files.swap(map[string][]byte{"token": token(2 * time.Hour)})
	second, err := tokens.token(t.Context())
	if err != nil || second == first {
		t.Errorf("the changed file is not read: %v", err)
	}
	files.swap(map[string][]byte{"token": []byte("no token: it has blanks")})
	if again, err := tokens.token(t.Context()); err != nil || again != second || !slices.Equal(failed, []string{"KAFKA_SASL_OAUTH_TOKEN_FILE"}) {
		t.Errorf("a file without a token: %v, told of %v", err, failed)
	}
	files.swap(map[string][]byte{"token": token(-2 * clockSlack)})
	_, err = tokens.token(t.Context())
	if err == nil || !strings.Contains(err.Error(), "KAFKA_SASL_OAUTH_TOKEN_FILE ended at 2") || !strings.Contains(wire.Remedy(err), "renews the file") {
		t.Errorf("an old token: %v", err)
	}
	files.swap(map[string][]byte{"token": []byte("opaque")})
	if again, err := tokens.token(t.Context()); err != nil || again != "opaque" {
		t.Errorf("a token that tells no end: %q, %v", again, err)
	}
}

// A broker of the tests takes the tokens of the provider, and says so by both ways to it.
func TestLoginByAToken(t *testing.T) {
	withProvider(t, func(t *testing.T, p *idp) {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "events"), kfake.ListenFn(p.net.Listen))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		broker := cluster.ListenAddrs()[0]
		sessions := &oauth.Sessions{ClientID: "test", Takes: func(token string, extensions map[string]string) (time.Duration, bool) {
			left := time.Until(expiry(token))
			return left, left > 0 && extensions["logicalCluster"] == "lkc-1"
		}}
		p.net.OnAccept(func(address string, there net.Conn) net.Conn {
			if address != broker {
				return there
			}
			return sessions.Wrap(there)
		})
		for _, c := range []struct {
			name       string
			extensions map[string]string
			secret     string
			fault      string // a part of the remedy; "": none
		}{
			{"a good token", map[string]string{"logicalCluster": "lkc-1"}, secret, ""},
			{"a token for another cluster", map[string]string{"logicalCluster": "lkc-2"}, secret, "the broker refused the token"},
			{"no token", map[string]string{"logicalCluster": "lkc-1"}, "wr0ng", "KAFKA_SASL_USERNAME"},
		} {
			ctx, end := context.WithCancel(t.Context())
			k, err := New(ctx, Config{Kafka: kafkaSettings(asking(func(s *settings.SASL) {
				s.OAuth.Extensions, s.Password = c.extensions, settings.NewSecret(c.secret)
			}), broker), Topics: []string{"events"}, Dial: p.net.Dial})
			if err != nil {
				t.Fatal(err)
			}
			err = k.Reach(ctx)
			asking, cancel := context.WithTimeout(ctx, time.Minute)
			_, err2 := k.Wire.MetadataOf(asking, []string{"events"})
			cancel()
			fails := k.Wire.LoginFails()
			fault, is := errors.AsType[*ReachError](err)
			switch {
			case c.fault == "" && (err != nil || err2 != nil || fails.Err != nil):
				t.Errorf("%s: %v, %v, %v", c.name, err, err2, fails.Err)
			case c.fault != "" && (!is || fault.Fault != BadLogin || !strings.Contains(fault.Remedy, c.fault) || err2 == nil || fails.Since.IsZero()):
				t.Errorf("%s: %v, %v, %v", c.name, err, err2, fails.Err)
			}
			if err != nil && (strings.Contains(err.Error(), "wr0ng") || strings.Contains(err.Error(), "tenant")) {
				t.Errorf("%s: a secret shows: %v", c.name, err)
			}
			end()
			k.Wire.Close()
			time.Sleep(time.Minute)
		}
	})
}

func TestANewWayWithoutAGoodFileIsRefused(t *testing.T) {
	u, _ := url.Parse("https://idp.test/token")
	for name, s := range map[string]settings.SASL{
		"KAFKA_SASL_OAUTH_TOKEN_FILE": {OAuth: settings.OAuth{TokenFile: "/does/not/exist"}},
		"KAFKA_SASL_OAUTH_CA_FILE":    {OAuth: settings.OAuth{TokenURL: u, CAFile: os.DevNull}},
		"KAFKA_SASL_PASSWORD_FILE":    {OAuth: settings.OAuth{TokenURL: u}, PasswordFile: "/does/not/exist"},
	} {
		s.Mechanism = settings.OAuthBearer
		_, err := New(t.Context(), Config{Kafka: kafkaSettings(func(k *settings.Kafka) { k.SASL = s }, "broker:9092")})
		if err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
