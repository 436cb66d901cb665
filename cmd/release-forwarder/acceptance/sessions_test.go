package acceptance

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	be "encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"release-forwarder/cmd/testkit/oauth"
	"release-forwarder/cmd/testkit/platform"
)

// sessionScenarios: a log-in that ends, at a Kafka that checks tokens by itself.
func sessionScenarios() []scenario {
	return []scenario{
		{name: "sessions: tokens and passwords whose sessions end under load", run: sessionsEnd, notOn: notReal},
		{name: "sessions: a provider that fails and tokens that the broker refuses", run: tokensRefused, notOn: notReal},
	}
}

// Times of the sessions. A connection is replaced at nine tenths of its own: what is left must be longer than a busy
// machine stands still.
const (
	tokenLife     = 24 * time.Second
	reauth        = 20 * time.Second
	sessionsTried = 3
	tokenAudience = "kafka"
	tokenSecret   = plantedSecret + "-of-a-client"
)

// guardedKafka is a broker whose own validator takes tokens of the provider, on a listener on which sessions end.
type guardedKafka struct {
	*realBackend
	*oauth.Provider
	url     string
	address string // of the listener
}

func startGuarded(t *testing.T) *guardedKafka {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	g := &guardedKafka{Provider: &oauth.Provider{Key: key, Audience: tokenAudience, ClientID: "forwarder", Secret: tokenSecret, Life: tokenLife}}
	server := httptest.NewServer(g.Provider)
	t.Cleanup(server.Close)
	keys := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(keys, g.Keys(), 0o600); err != nil {
		t.Fatal(err)
	}
	const listener = "listener.name.sasl_plaintext."
	extra := []string{
		tidy,
		listener + "sasl.enabled.mechanisms=OAUTHBEARER,SCRAM-SHA-512",
		listener + "oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
		listener + "oauthbearer.sasl.server.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler",
		listener + fmt.Sprintf("scram-sha-512.connections.max.reauth.ms=%d", reauth.Milliseconds()),
		listener + fmt.Sprintf("oauthbearer.connections.max.reauth.ms=%d", time.Hour.Milliseconds()), // the token ends first
		"sasl.oauthbearer.jwks.endpoint.url=file://" + keys,
		"sasl.oauthbearer.expected.audience=" + tokenAudience,
	}
	g.realBackend = startAnother(t,
		"KAFKA_EXTRA="+strings.Join(extra, "\n"), "KAFKA_DEBUG=kafka.network.Processor",
		"KAFKA_JVM=-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://"+keys+" -Dorg.apache.kafka.sasl.oauthbearer.allowed.files="+keys,
	)
	g.url, g.address = server.URL, g.listeners["SASL_PLAINTEXT"]
	return g
}

// world is one on the guarded listener; the observers take the open one.
func (g *guardedKafka) world(t *testing.T, settings map[string]string) *world {
	t.Helper()
	c := g.open(t, need{})
	c.settings["KAFKA_BROKERS"] = g.address
	maps.Copy(c.settings, settings)
	w := newWorldOn(t, c, plan{partitions: 4})
	w.platform.script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 100 * time.Millisecond} })
	return w
}

// byProvider and byFile are the settings of a log-in by tokens.
func (g *guardedKafka) byProvider() map[string]string {
	return map[string]string{
		"KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_SASL_ALLOW_PLAINTEXT": "true",
		"KAFKA_SASL_OAUTH_TOKEN_URL": g.url, "KAFKA_SASL_USERNAME": g.ClientID, "KAFKA_SASL_PASSWORD": g.Secret,
	}
}

func byFile(file string) map[string]string {
	return map[string]string{"KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_SASL_ALLOW_PLAINTEXT": "true", "KAFKA_SASL_OAUTH_TOKEN_FILE": file}
}

// killed is how often the broker closed a connection because its session had ended.
func (g *guardedKafka) killed(t *testing.T) int {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(g.run, "1", "log"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(log), "Disconnecting expired channel")
}

// writeToken puts a token into a file as the kubelet does, whole or not at all.
func (g *guardedKafka) writeToken(t *testing.T, file string, ends time.Time, audience string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(g.Token(ends, audience)), 0o600); err != nil {
		t.Error(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Error(err)
	}
}

// sessionsEnd has three services under load, whose sessions end every few seconds: no request comes too late, and none
// is lost or repeated. At the end one connection is used too long on purpose, so that the log is known to tell it.
func sessionsEnd(t *testing.T) {
	g := startGuarded(t)
	file := filepath.Join(t.TempDir(), "token")
	g.writeToken(t, file, time.Now().Add(tokenLife), tokenAudience)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	every(ctx, tokenLife/3, func() { g.writeToken(t, file, time.Now().Add(tokenLife), tokenAudience) })
	worlds := []*world{
		g.world(t, g.byProvider()), g.world(t, byFile(file)),
		g.world(t, map[string]string{"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": scramUser, "KAFKA_SASL_PASSWORD": scramPassword}),
	}
	var replicas []*forwarder
	var failed []int // joins, by the time that the replica was ready: a new cluster has no coordinator yet
	for _, w := range worlds {
		w.watchCommits()
		f := w.start().ready()
		replicas, failed = append(replicas, f), append(failed, strings.Count(f.out.String(), "join-failed"))
		every(ctx, 100*time.Millisecond, func() { w.produce(w.releases(4, 4)...) })
	}
	for i, from := range []string{"KAFKA_SASL_OAUTH_TOKEN_URL", "KAFKA_SASL_OAUTH_TOKEN_FILE"} {
		if said, code := worlds[i].doctor(nil); code != 0 || !hasLine(said, "ok", "logged in by OAUTHBEARER with a token of "+from+"; it ends in ") {
			t.Errorf("doctor ends with %d:\n%s", code, said)
		}
	}
	begun := time.Now()
	within(t, 2*sessionsTried*tokenLife, "sessions have ended", func() error {
		if age := time.Since(begun); age < sessionsTried*tokenLife || g.Given() < sessionsTried {
			return fmt.Errorf("%d tokens in %v", g.Given(), age)
		}
		return nil
	})
	stop()
	for i, w := range worlds {
		w.drained()
		w.noDeadLetters()
		if n := w.platform.repeated(); n > 0 {
			t.Errorf("%d repeats by log-in %d", n, i)
		}
		replicas[i].stop()
		if out := replicas[i].out.String(); strings.Count(out, "join-failed") > failed[i] || strings.Contains(out, tokenSecret) || strings.Contains(out, "eyJ") {
			t.Errorf("log-in %d: a join failed, or a secret is printed", i)
		}
		t.Logf("log-in %d: %s", i, w.summary())
	}
	if n := g.killed(t); n != 0 {
		t.Errorf("the broker closed %d connections because their sessions had ended", n)
	}
	g.outlives(t)
	if n := g.killed(t); n != 1 {
		t.Errorf("a connection used too long is told of %d times", n)
	}
}

// every does something again and again until ctx ends.
func every(ctx context.Context, interval time.Duration, do func()) {
	tick := time.NewTicker(interval)
	go func() {
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				do()
			case <-ctx.Done():
				return
			}
		}
	}()
}

// outlives logs in with a token of two seconds, and uses the connection until the broker closes it.
func (g *guardedKafka) outlives(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", g.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID("too-long"))
	ask := func(req kmsg.Request) error {
		if _, err := conn.Write(format.AppendRequest(nil, req, 1)); err != nil {
			return err
		}
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return err
		}
		_, err := io.CopyN(io.Discard, conn, int64(be.BigEndian.Uint32(size[:])))
		return err
	}
	handshake, login := kmsg.NewPtrSASLHandshakeRequest(), kmsg.NewPtrSASLAuthenticateRequest()
	handshake.Version, handshake.Mechanism = 1, "OAUTHBEARER"
	login.Version, login.SASLAuthBytes = 1, []byte("n,,\x01auth=Bearer "+g.Token(time.Now().Add(2*time.Second), tokenAudience)+"\x01\x01")
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Version = 1
	for _, req := range []kmsg.Request{handshake, login, metadata} {
		if err := ask(req); err != nil {
			t.Fatalf("%s: %v", kmsg.NameForKey(req.Key()), err)
		}
	}
	eventually(t, "the broker closes a connection whose session has ended", func() error {
		if ask(metadata) == nil {
			return errNone
		}
		return nil
	})
}

// tokensRefused looks at what a person is told while there is no token, or none that the broker takes, and that all
// goes on by itself.
func tokensRefused(t *testing.T) {
	const shortLife = 6 * time.Second // what is refused is seen when a session ends; nothing is counted here
	g := startGuarded(t)
	g.Life = shortLife
	file := filepath.Join(t.TempDir(), "token")
	write := func(ends time.Duration, audience string) func() {
		return func() { g.writeToken(t, file, time.Now().Add(ends), audience) }
	}
	for _, c := range []struct {
		name       string
		settings   map[string]string
		fail, mend func()
		says       string
	}{
		{"the file's token has ended", byFile(file), write(-2*time.Minute, tokenAudience), write(time.Hour, tokenAudience), "KAFKA_SASL_OAUTH_TOKEN_FILE ended at"},
		{"the file's token is for another audience", byFile(file), write(time.Hour, "another"), write(time.Hour, tokenAudience), "SASL_AUTHENTICATION_FAILED"},
		{"the provider answers 500", g.byProvider(), func() { g.Answer(trouble) }, func() { g.Answer(nil) }, "answered with status 500"},
	} {
		write(shortLife, tokenAudience)()
		w := g.world(t, c.settings)
		w.watchCommits()
		f := w.start().ready()
		w.produce(w.releases(40, 4)...)
		eventually(t, c.name+": all is accepted at first", func() error {
			write(shortLife, tokenAudience)() // on a busy machine the first token may not last so long
			left, err := w.unfinished(w.produced())
			if err == nil && len(left) > 0 {
				err = fmt.Errorf("%d of them are not", len(left))
			}
			return err
		})
		w.drained()
		c.fail()
		eventually(t, c.name+": the page says so", func() error {
			_, text, err := f.get("/status.json")
			var page struct{ Condition, State string }
			if err == nil {
				err = json.Unmarshal([]byte(text), &page)
			}
			if err == nil && (page.Condition != "login-fails" || !strings.Contains(page.State, c.says)) {
				err = fmt.Errorf("%s: %s", page.Condition, page.State)
			}
			return err
		})
		w.produce(w.releases(40, 4)...)
		c.mend()
		w.drained()
		w.noDeadLetters()
		if n := w.platform.repeated(); n > 0 {
			t.Errorf("%s: %d repeats", c.name, n)
		}
		f.stays()
		f.stop()
	}
}

// trouble answers as a provider that is down.
func trouble(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, planted, http.StatusInternalServerError)
}
