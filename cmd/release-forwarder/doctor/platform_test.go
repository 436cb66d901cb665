package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"release-forwarder/cmd/testkit/platform"
	"release-forwarder/mapping"
	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
)

const appSecret = "app-secret-of-nobody"

func signing(secret string) func() credential.Credential {
	return func() credential.Credential { return credential.Credential{Secret: credential.NewSecret(secret)} }
}

func answering(status int, body string, header ...string) func(*platform.Request) *platform.Reply {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return func(*platform.Request) *platform.Reply {
		return &platform.Reply{Status: status, Body: body, Header: h}
	}
}

func TestWhatThePlatformsAnswerTells(t *testing.T) {
	type verdicts struct{ reachable, clock, signature Verdict }
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for _, c := range []struct {
		name   string
		secret string
		lot    string
		script func(*platform.Request) *platform.Reply
		want   verdicts
		says   string
	}{
		{"the signature is right", appSecret, NoLot, nil, verdicts{OK, OK, OK}, "code 400"},
		{"a wrong secret", "wr0ng", NoLot, nil, verdicts{OK, OK, Wrong}, "name one of yours with --lot"},
		{"a wrong secret for a lot of ours", "wr0ng", "lot-1", nil, verdicts{OK, OK, Wrong}, "check the secret"},
		{"access blocked", appSecret, NoLot, answering(403, `{"code":"403"}`), verdicts{OK, OK, Wrong}, "access is blocked"},
		{"a refusal that hides behind a success", appSecret, NoLot, answering(200, `{"code":"200","hint":"plate=粤B12345"}`), verdicts{OK, OK, Wrong}, "code 200"},
		{"a bad signature that is called a bad request", appSecret, NoLot, answering(400, `{"code":"400","hint":"签名验证不通过[plate=粤B12345]"}`), verdicts{OK, OK, Wrong}, "name the signature"},
		{"an acceptance", appSecret, NoLot, answering(200, `{"code":"1001","seqno":"q1"}`), verdicts{OK, OK, Warning}, "code 1001, seqno q1"},
		{"a platform in trouble", appSecret, NoLot, answering(500, `{"code":"500"}`), verdicts{OK, OK, Unknown}, "code 500"},
		{"a platform that wants rest", appSecret, NoLot, answering(429, `{"code":"429"}`), verdicts{OK, OK, Unknown}, "try again later"},
		{"a proxy's page", appSecret, NoLot, answering(200, `<html>plate=粤B12345</html>`), verdicts{Wrong, OK, Unknown}, "what stands in between"},
		{"a clock ahead", appSecret, NoLot, answering(400, `{"code":"400"}`, "Date", at(10*time.Minute)), verdicts{OK, Warning, OK}, "ahead of"},
		{"a clock behind", appSecret, NoLot, answering(400, `{"code":"400"}`, "Date", at(-10*time.Minute)), verdicts{OK, Warning, OK}, "behind"},
		{"no date", appSecret, NoLot, answering(400, `{"code":"400"}`, "Date", ""), verdicts{OK, Unknown, OK}, "no date"},
		{"a connection that is cut", appSecret, NoLot, func(*platform.Request) *platform.Reply { return &platform.Reply{Cut: true} }, verdicts{Wrong, "", Unknown}, "check UPSTREAM_URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			double := platform.New(platform.Config{Secret: appSecret})
			double.Script(c.script)
			server := httptest.NewServer(double)
			defer server.Close()
			announced := ""
			r, err := Platform(t.Context(), upstream.Config{URL: server.URL + "/gate?token=t0ken", Credential: signing(c.secret), RetryMax: 3}, mapping.BuiltIn(), c.lot, func(endpoint string) {
				if announced = endpoint; double.Stats().Received > 0 {
					t.Error("sent before it was said")
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if announced != server.URL+"/gate" {
				t.Errorf("announced %q", announced)
			}
			of := func(check string) Verdict {
				for _, f := range r.find(ThePlatform, check) {
					return f.Verdict
				}
				return ""
			}
			if got := (verdicts{of("reachable"), of("clock"), of("signature")}); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			said := text(t, r)
			for _, never := range []string{appSecret, "粤", "plate=", "t0ken"} {
				if strings.Contains(said, never) {
					t.Errorf("%q is told", never)
				}
			}
			if !strings.Contains(said, c.says) || t.Failed() {
				t.Errorf("want %q in\n%s", c.says, said)
			}
			requests := double.Requests()
			if len(requests) != 1 || requests[0].Params["flow_no"] != "" || requests[0].Params["park_uuid"] != c.lot {
				t.Errorf("requests %+v", requests)
			}
		})
	}
}

func TestAPlatformsCertificateThatEnds(t *testing.T) {
	server := httptest.NewUnstartedServer(platform.New(platform.Config{Secret: appSecret}))
	certificate, ca := certified(t, time.Now(), 10*day)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	defer server.Close()
	contents, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(contents)
	r, err := Platform(t.Context(), upstream.Config{
		URL: server.URL, Credential: signing(appSecret), RootCAs: func() *x509.CertPool { return roots },
	}, mapping.BuiltIn(), NoLot, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if found := r.find(ThePlatform, "tls"); len(found) != 1 || found[0].Verdict != Warning || !strings.Contains(found[0].Text, "127.0.0.1, ends") {
		t.Errorf("%s", text(t, r))
	}
}

// What a 400 says of the signature does not depend on what the service makes of it.
func TestABadRequestIsAnAnswerWhateverIsPermanent(t *testing.T) {
	server := httptest.NewServer(platform.New(platform.Config{Secret: appSecret}))
	defer server.Close()
	r, err := Platform(t.Context(), upstream.Config{URL: server.URL, Credential: signing(appSecret), PermanentCodes: []string{"409"}}, mapping.BuiltIn(), NoLot, func(string) {})
	if err != nil || r.Verdict() != OK || r.Count(Unknown) != 0 {
		t.Errorf("%v\n%s", err, text(t, r))
	}
}

func TestTwoSecretsAreStillOneRequest(t *testing.T) {
	double := platform.New(platform.Config{Secret: appSecret})
	server := httptest.NewServer(double)
	defer server.Close()
	_, err := Platform(t.Context(), upstream.Config{URL: server.URL, Credential: func() credential.Credential {
		return credential.Credential{Secret: credential.NewSecret("wr0ng"), Next: credential.NewSecret(appSecret)}
	}}, mapping.BuiltIn(), NoLot, func(string) {})
	if n := double.Stats().Received; err != nil || n != 1 {
		t.Errorf("%d requests, %v", n, err)
	}
}

func TestALotWithoutACredentialIsNotSentFor(t *testing.T) {
	book := credential.NewSet(map[string]credential.Credential{"lot-1": {Secret: credential.NewSecret(appSecret)}}, credential.Credential{})
	r, err := Platform(t.Context(), upstream.Config{URL: "http://127.0.0.1:1", Credentials: book.For}, mapping.BuiltIn(), "lot-2", func(string) { t.Error("announced") })
	if err != nil || r.Verdict() != Wrong || !strings.Contains(text(t, r), "nothing was sent") {
		t.Errorf("%v, %v", r, err)
	}
}

func TestCredentialsAreListedWithoutSecrets(t *testing.T) {
	secret := credential.NewSecret(appSecret)
	for name, c := range map[string]struct {
		book *credential.Set
		want []string
	}{
		"none":         {credential.NewSet(nil, credential.Credential{}), []string{"warning  any lot  no secret is set"}},
		"one for all":  {credential.NewSet(nil, credential.Credential{AppID: "op1", Secret: secret}), []string{"ok       any lot  a secret; app_id op1"}},
		"some lots":    {credential.NewSet(map[string]credential.Credential{"lot-1": {Secret: secret, Next: secret}}, credential.Credential{}), []string{"lot lot-1      two secrets; no app_id is sent", "any other lot  none: its records wait"}},
		"lots and all": {credential.NewSet(map[string]credential.Credential{"粤": {Secret: secret}, "*": {Secret: secret}}, credential.Credential{}), []string{"lot ?          a secret", "any other lot  a secret"}},
	} {
		said := text(t, Credentials(c.book))
		for _, want := range c.want {
			if !strings.Contains(said, want) {
				t.Errorf("%s: want %q in\n%s", name, want, said)
			}
		}
		if strings.Contains(said, appSecret) || strings.Contains(said, "粤") {
			t.Errorf("%s: too much is told\n%s", name, said)
		}
	}
}
