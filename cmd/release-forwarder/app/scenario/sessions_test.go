package scenario

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"release-forwarder/cmd/release-forwarder/admin"
	"release-forwarder/cmd/release-forwarder/app/apptest"
	"release-forwarder/cmd/testkit/oauth"
	"release-forwarder/cmd/testkit/platform"
)

const (
	tokenURL     = "http://127.0.0.1:8080/token"
	clientSecret = "a-client-secret-that-is-shown-nowhere"
)

// guarded puts sessions before the brokers.
func (w *world) guarded(s *oauth.Sessions) *oauth.Sessions {
	brokers := w.Cluster.ListenAddrs()
	s.ClientID = "release-forwarder"
	w.Net.OnAccept(func(address string, there net.Conn) net.Conn {
		if !slices.Contains(brokers, address) {
			return there
		}
		return s.Wrap(there)
	})
	return s
}

// provided starts a provider of tokens that live so long, and makes the brokers take no other log-in.
func (w *world) provided(life time.Duration) (*oauth.Provider, *oauth.Sessions) {
	w.T.Helper()
	given := &oauth.Provider{ClientID: "forwarder", Secret: clientSecret, Life: life}
	l, err := w.Net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		w.T.Fatal(err)
	}
	server := &http.Server{Handler: given}
	go func() { _ = server.Serve(l) }()
	w.T.Cleanup(func() { server.Close() })
	return given, w.guarded(&oauth.Sessions{Takes: given.Left})
}

// byToken are the settings of a log-in by tokens of the provider.
var byToken = []string{
	"KAFKA_SASL_MECHANISM", "OAUTHBEARER", "KAFKA_SASL_ALLOW_PLAINTEXT", "true",
	"KAFKA_SASL_OAUTH_TOKEN_URL", tokenURL, "KAFKA_SASL_USERNAME", "forwarder", "KAFKA_SASL_PASSWORD", clientSecret,
}

// Sessions that end every few seconds cost nothing: no request comes after its session's end, none is lost or repeated,
// and the group does not notice.
func TestSessionsThatEndCostNothing(t *testing.T) {
	const life, records = 5 * time.Second, 300
	for name, login := range map[string]func(w *world) (*oauth.Sessions, []string){
		"by a token": func(w *world) (*oauth.Sessions, []string) {
			_, sessions := w.provided(life)
			return sessions, byToken
		},
		"by a token, with a bound of the broker's": func(w *world) (*oauth.Sessions, []string) {
			_, sessions := w.provided(time.Hour)
			sessions.Life = life
			return sessions, byToken
		},
		"by a password, with a bound of the broker's": func(w *world) (*oauth.Sessions, []string) {
			return w.guarded(&oauth.Sessions{Life: life}), []string{
				"KAFKA_SASL_MECHANISM", "SCRAM-SHA-512", "KAFKA_SASL_USERNAME", "forwarder", "KAFKA_SASL_PASSWORD", clientSecret,
			}
		},
	} {
		for _, protocol := range protocols {
			t.Run(fmt.Sprintf("%s, %s", name, protocol), func(t *testing.T) {
				inVirtualTimeWith(t, 4, platform.Config{}, func(w *world) {
					sessions, settings := login(w)
					settings = append(slices.Clone(settings), "KAFKA_GROUP_PROTOCOL", string(protocol))
					first, second := w.Start(settings...), w.Start()
					w.Until("both have partitions", func() bool {
						return len(first.Snapshot().Engine.Partitions) == 2 && len(second.Snapshot().Engine.Partitions) == 2
					})
					quiet, rebalances := w.Log.Lines(), first.Sample("release_forwarder_rebalances_total")
					began := sessions.Logins()
					for n := range records {
						value := apptest.Event(n, n)
						if n%50 == 0 {
							value = "not an event" // a dead letter needs a connection too
						}
						w.Produce(int32(n%4), value)
						time.Sleep(time.Second)
					}
					w.Until("the last commit", w.AllCommitted(4, records/4))
					if n := sessions.Killed(); n != 0 {
						t.Errorf("%d requests came after their session's end", n)
					}
					if n := sessions.Logins() - began; n < int(records*time.Second/life) {
						t.Errorf("only %d sessions began: nothing was tested", n)
					}
					if s := w.Platform.Stats(); s.Accepted != records*49/50 || s.Received != s.Accepted {
						t.Errorf("%d accepted, %d received, of %d", s.Accepted, s.Received, records)
					}
					if n := w.DeadLetterCount(); n != records/50 {
						t.Errorf("%d dead letters", n)
					}
					if n := first.Sample("release_forwarder_rebalances_total"); n != rebalances {
						t.Errorf("%s rebalances, before %s", n, rebalances)
					}
					// One line a dead letter, and nothing else.
					for line := range strings.Lines(strings.Join(strings.SplitAfter(w.Log.String(), "\n")[quiet:], "")) {
						if !strings.Contains(line, "dead letter") {
							t.Errorf("logged: %s", line)
						}
					}
					if strings.Contains(w.Log.String(), clientSecret) {
						t.Error("the secret is logged")
					}
					w.End(first)
					w.End(second)
				}, kfakeWith(life)...)
			})
		}
	}
}

// kfakeWith are the options of brokers whose sessions last so long where they log in by themselves.
func kfakeWith(life time.Duration) []kfake.Opt {
	return []kfake.Opt{
		kfake.Superuser("SCRAM-SHA-512", "forwarder", clientSecret),
		kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": fmt.Sprint(life.Milliseconds())}),
	}
}

// While the provider gives no token the page says so, with the cause and the remedy, and nothing of what the provider
// said; then all goes on by itself, and nothing is lost or repeated.
func TestAProviderThatFailsIsSaidAndCostsNothing(t *testing.T) {
	const said = "what-the-provider-says"
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		why    string
	}{
		"hangs":       {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "has not answered within 8s"},
		"answers 500": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, said, http.StatusInternalServerError) }, "answered with status 500"},
		"answers rubbish": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"`+said+`":1}`)
		}, "holds no token"},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, 2, func(w *world) {
				given, _ := w.provided(time.Minute)
				r := w.Start(byToken...)
				w.Produce(0, apptest.Event(1, 1), apptest.Event(2, 2))
				w.Until("the first commit", func() bool { return w.Committed(0) == 2 })
				given.Answer(c.answer)
				time.Sleep(50 * time.Second)
				w.Produce(1, apptest.Event(3, 3))
				w.Until("what the session still carries", func() bool { return w.Committed(1) == 1 }, 5*time.Second)
				time.Sleep(time.Minute)
				w.Produce(0, apptest.Event(4, 4))
				page, status := r.Page("en")
				condition, _ := status["condition"].(map[string]any)
				if r.ConditionKind() != admin.LoginFails || !strings.Contains(page, "Kafka cannot be logged in to") || !strings.Contains(page, c.why) {
					t.Errorf("the page says %v", condition)
				}
				if chinese, _ := r.Page("zh"); !strings.Contains(chinese, "无法登录 Kafka") || !strings.Contains(chinese, c.why) {
					t.Error("the Chinese page does not say it")
				}
				if live, why := r.Live(); !live {
					t.Errorf("not live: %s", why)
				}
				time.Sleep(5 * time.Minute)
				given.Answer(nil)
				w.Until("all is well", func() bool { return r.ConditionKind() == admin.Well })
				w.Until("the last commit", func() bool { return w.Committed(0) == 3 })
				if s := w.Platform.Stats(); s.Accepted != 4 || s.Received != 4 {
					t.Errorf("%d accepted, %d received", s.Accepted, s.Received)
				}
				if n := len(w.LogLines("token-failed")); n != 1 {
					t.Errorf("%d lines of one fault", n)
				}
				for _, never := range []string{said, clientSecret} {
					if strings.Contains(w.Log.String()+page, never) {
						t.Errorf("%q is said", never)
					}
				}
				w.End(r)
			})
		})
	}
}
