package upstream_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
)

// The platform's double accepts the request in both encodings.
func TestRequestAsThePlatformSeesIt(t *testing.T) {
	for _, encoding := range []upstream.Encoding{"", upstream.Form, upstream.Multipart} {
		for _, appID := range []string{"", "op1234567723122"} {
			t.Run(fmt.Sprint(encoding, "/", appID), func(t *testing.T) {
				var got url.Values
				var head *http.Request
				server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
					if err := r.ParseMultipartForm(1 << 20); err != nil && !errors.Is(err, http.ErrNotMultipart) {
						t.Error(err)
					}
					got, head = r.PostForm, r
					_, _ = io.WriteString(w, `{"code":"1001","message":"OK","seqno":"abc6c253b93cc940"}`)
				})
				c := config(server.URL + "/gate/1.0/parking/internal/update")
				c.Encoding = encoding
				c.Credential = func() credential.Credential {
					return credential.Credential{AppID: appID, Secret: credential.NewSecret(secretText)}
				}
				answer := client(t, c).Deliver(t.Context(), upstream.Request{Params: release})
				if answer.Verdict != upstream.Accepted || answer.Seqno != "abc6c253b93cc940" || answer.Message != "OK" || answer.Code != "1001" {
					t.Errorf("%+v", answer)
				}
				want := release
				if appID != "" {
					want = append([]upstream.Param{{Name: "app_id", Value: appID}}, release...)
				}
				if len(got) != len(want)+1 || got.Get("sign") != upstream.Sign(want, secretText) {
					t.Errorf("sent %v", got)
				}
				for _, p := range want {
					if got.Get(p.Name) != p.Value {
						t.Errorf("%s is %q", p.Name, got.Get(p.Name))
					}
				}
				if head.Method != http.MethodPost || head.URL.Path != "/gate/1.0/parking/internal/update" || head.ContentLength <= 0 {
					t.Errorf("%s %s, %d bytes", head.Method, head.URL, head.ContentLength)
				}
				if kind := head.Header.Get("Content-Type"); encoding != upstream.Multipart && kind != "application/x-www-form-urlencoded; charset=UTF-8" {
					t.Errorf("content type %s", kind)
				}
			})
		}
	}
}

func TestEachDeliveryUsesTheSecretInForce(t *testing.T) {
	var signs []string
	server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
		signs = append(signs, r.PostFormValue("sign"))
		_, _ = io.WriteString(w, `{"code":"1001"}`)
	})
	secret := "one"
	c := config(server.URL)
	c.Credential = func() credential.Credential { return credential.Credential{Secret: credential.NewSecret(secret)} }
	deliverer := client(t, c)
	deliverer.Deliver(t.Context(), upstream.Request{Params: release})
	secret = "two"
	deliverer.Deliver(t.Context(), upstream.Request{Params: release})
	if want := []string{upstream.Sign(release, "one"), upstream.Sign(release, "two")}; fmt.Sprint(signs) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", signs, want)
	}
}

func TestEchoedSecretIsRedacted(t *testing.T) {
	server := newPlatform(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"code":"401%[1]s","message":"%[1]s and \u0074op-s3cret","hint":"plate=?&app_secret=%[1]s","seqno":"%[1]s"}`, secretText)
	})
	var seen upstream.Attempt
	c := config(server.URL)
	c.OnAnswer = func(_ context.Context, a upstream.Attempt) { seen = a }
	answer := client(t, c).Deliver(t.Context(), upstream.Request{Params: release})
	if all := fmt.Sprintf("%+v %+v", answer, seen); strings.Contains(all, secretText) || !strings.Contains(all, "app_secret=***") {
		t.Error(all)
	}
	if answer.Message != "*** and ***" {
		t.Errorf("message %q", answer.Message)
	}
}

func TestErrorsKeepTheirMouthShut(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	_ = closed.Close()
	server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		hangUp(w, "HTTP/1.1 302 plate=粤B12345 \x01 hunter2\r\nLocation: x?plate=粤B12345\r\nContent-Length: z\r\n\r\n")
	})
	refusing := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "hunter2", http.StatusProxyAuthRequired)
	})
	proxy := func(address string) func(*http.Request) (*url.URL, error) {
		return func(*http.Request) (*url.URL, error) { return url.Parse("http://user:hunter2@" + address) }
	}
	const tail = "/update?plate=粤B12345&token=hunter2#hunter2"
	for name, c := range map[string]struct {
		url   string
		dial  func(context.Context, string, string) (net.Conn, error)
		proxy func(*http.Request) (*url.URL, error)
		says  string
	}{
		"nobody listens":     {url: "http://user:hunter2@" + address + tail, says: "connection refused"},
		"malformed answer":   {url: server.URL + tail, says: "the exchange failed"},
		"strange dial error": {url: server.URL + tail, dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("hunter2") }, says: "unreachable"},
		"no such host": {url: "http://user:hunter2@a.invalid" + tail, dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "a.invalid"}
		}, says: "look up a.invalid: no such host"},
		"not TLS":       {url: strings.Replace(server.URL, "http:", "https:", 1) + tail, says: "tls: first record does not look like a TLS handshake"},
		"proxy away":    {url: "https://platform.test" + tail, proxy: proxy(address), says: "connection refused"},
		"proxy refuses": {url: "https://platform.test" + tail, proxy: proxy(refusing.Listener.Addr().String()), says: "the proxy refused the connection: HTTP 407"},
		"wrong proxy": {url: server.URL + tail, proxy: func(*http.Request) (*url.URL, error) {
			return nil, fmt.Errorf("invalid proxy address %q", "http://user:hunter2@x")
		}, says: "the exchange failed"},
	} {
		t.Run(name, func(t *testing.T) {
			conf := config(c.url)
			conf.Dial = c.dial
			if c.proxy != nil {
				conf.Proxy = c.proxy
			}
			var seen upstream.Attempt
			conf.OnAnswer = func(_ context.Context, a upstream.Attempt) { seen = a }
			deliverer := client(t, conf)
			answer := deliverer.Deliver(t.Context(), upstream.Request{Params: release})
			if answer.Verdict != upstream.Unreachable || answer.Err == nil || !errors.Is(seen.Err, answer.Err) {
				t.Fatalf("%+v", answer)
			}
			text := fmt.Sprintf("%v %+v %#v %s", answer.Err, seen, answer.Err, deliverer.Endpoint())
			for err := answer.Err; err != nil; err = errors.Unwrap(err) {
				text += err.Error()
			}
			for _, leak := range []string{"hunter2", "粤", "plate", "token", "user", base64.StdEncoding.EncodeToString([]byte("user:hunter2"))} {
				if strings.Contains(text, leak) {
					t.Errorf("%q is in %s", leak, text)
				}
			}
			if !strings.Contains(text, c.says) {
				t.Errorf("%s says nothing of %q", text, c.says)
			}
			if failure, ok := errors.AsType[*upstream.Error](answer.Err); !ok || failure.ErrorType() != "unreachable" {
				t.Errorf("error type %T", answer.Err)
			}
		})
	}
}

func TestUserInformationAndQueryAreSent(t *testing.T) {
	var user, password, query string
	server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ = r.BasicAuth()
		query = r.URL.RawQuery
		_, _ = io.WriteString(w, `{"code":"1001"}`)
	})
	deliverer := client(t, config(strings.Replace(server.URL, "//", "//u:p@", 1)+"/x?via=gate"))
	if answer := deliverer.Deliver(t.Context(), upstream.Request{Params: release}); answer.Verdict != upstream.Accepted {
		t.Fatal(answer)
	}
	if user != "u" || password != "p" || query != "via=gate" || deliverer.Endpoint() != server.URL+"/x" {
		t.Error(user, password, query, deliverer.Endpoint())
	}
}

func TestWrongConfigurations(t *testing.T) {
	const good = "https://u:hunter2@platform.test/"
	for name, c := range map[string]struct {
		change func(*upstream.Config)
		want   error
	}{
		"as it should be": {func(*upstream.Config) {}, nil},
		"no URL":          {func(c *upstream.Config) { c.URL = "" }, upstream.ErrURL},
		"relative":        {func(c *upstream.Config) { c.URL = "/hunter2" }, upstream.ErrURL},
		"no host":         {func(c *upstream.Config) { c.URL = "https://:443/hunter2" }, upstream.ErrURL},
		"other scheme":    {func(c *upstream.Config) { c.URL = "ftp://hunter2/" }, upstream.ErrURL},
		"not a URL":       {func(c *upstream.Config) { c.URL = "http://u:hunter2@a b/" }, upstream.ErrURL},
		"no credential":   {func(c *upstream.Config) { c.Credential = nil }, upstream.ErrCredential},
		"encoding":        {func(c *upstream.Config) { c.Encoding = "xml" }, upstream.ErrEncoding},
		"negative":        {func(c *upstream.Config) { c.Timeout = -1 }, upstream.ErrBounds},
		"least above most": {func(c *upstream.Config) { c.RetryWaitMin, c.RetryWaitMax = time.Second, time.Millisecond },
			upstream.ErrBounds},
		"success is permanent":  {func(c *upstream.Config) { c.PermanentCodes = []string{" 1001"} }, upstream.ErrCodes},
		"an outage's code":      {func(c *upstream.Config) { c.PermanentCodes = []string{"400", "503"} }, upstream.ErrCodes},
		"a blank success":       {func(c *upstream.Config) { c.SuccessCodes = []string{"1001", " "} }, upstream.ErrCodes},
		"a strange but own set": {func(c *upstream.Config) { c.SuccessCodes, c.PermanentCodes = []string{"0"}, []string{"404"} }, nil},
	} {
		conf := config(good)
		c.change(&conf)
		_, err := upstream.New(conf)
		if !errors.Is(err, c.want) || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
