package upstream_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"release-forwarder/upstream"
)

// An error names what came instead of an answer, in fixed words and without the platform's
// text.
func TestWhatCameInsteadIsNamed(t *testing.T) {
	c, pool := certificate(t, "platform.test", bubbleBegins.AddDate(1, 0, 0))
	moved := func(to string) func(*side) {
		return answer("HTTP/1.1 301 Moved hunter2\r\nLocation: " + to + "\r\nContent-Length: 7\r\n\r\nhunter2")
	}
	status := func(status, body string) func(*side) { return answer(whole(status, body)) }
	const alert = "\x15\x03\x01\x00\x02\x02\x46" // protocol_version, as OpenSSL answers what is no TLS
	speaks := func(text string) func(*side) {
		return func(s *side) { s.say(text); _, _ = io.Copy(io.Discard, s.in) }
	}
	for name, row := range map[string]struct {
		serve func(*side)
		url   string // http://platform.test/update?token=hunter2 where empty
		proxy string
		says  string
	}{
		"a port of TLS":                     {serve: then(alert, nil), says: "unreachable: the platform speaks TLS: use https://"},
		"a port of TLS that waits":          {serve: then(alert, (*side).waits), says: "timeout: no whole answer in time: the platform speaks TLS: use https://"},
		"a port of TLS that says so, Go":    {serve: status("400 Bad Request", "Client sent an HTTP request to an HTTPS server.\n"), says: "the platform speaks TLS: use https://"},
		"a port of TLS that says so, nginx": {serve: status("400 Bad Request", "<html>hunter2 The plain HTTP request was sent to HTTPS port</html>"), says: "the platform speaks TLS: use https://"},
		"a port of plain HTTP": {url: "https://platform.test/", says: "use http://",
			serve: func(s *side) { _, _ = s.in.ReadByte(); s.say(whole("400 Bad Request", "hunter2")) }},
		"a port of HTTP/2 without TLS": {serve: speaks("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"), says: "HTTP/2 without TLS"},
		"a port of something else":     {serve: speaks("SSH-2.0-hunter2\r\n"), says: "does not speak HTTP"},
		"no protocol in common": {url: "https://platform.test/", says: "no application protocol", serve: func(s *side) {
			_ = tls.Server(s.Conn, &tls.Config{Certificates: []tls.Certificate{c}, NextProtos: []string{"hunter2"}}).Handshake()
			_, _ = io.Copy(io.Discard, s.Conn)
		}},
		"a proxy that wants a name, plain":  {serve: status("407 Who Are You", "hunter2"), says: "the proxy wants a name and a password"},
		"a proxy that wants a name, tunnel": {serve: status("407 Who Are You", "hunter2"), url: "https://platform.test/", proxy: "http://proxy.test", says: "the proxy wants a name and a password"},
		"redirected to https":               {serve: moved("https://platform.test/update?token=hunter2"), says: "HTTP 301: the body is not one JSON object with one code: redirected to https://"},
		"redirected to https, another port": {serve: moved("https://platform.test:8443/hunter2"), says: "use https://"},
		"redirected to https elsewhere":     {serve: moved("https://hunter2.test/update"), says: "redirected to another host"},
		"redirected to another path":        {serve: moved("/update/?hunter2"), says: "redirected to another path of the same host"},
		"redirected to a host":              {serve: moved("http://hunter2.test/"), says: "redirected to another host"},
		"redirected to nowhere":             {serve: moved("http://[hunter2"), says: "HTTP 301: the body is not one JSON object with one code"},
		"redirected without a body":         {serve: answer("HTTP/1.1 308 Permanent Redirect\r\nLocation: https://platform.test/\r\nContent-Length: 0\r\n\r\n"), says: "HTTP 308: the body is empty: redirected to https://"},
		"a byte order mark":                 {serve: status("200 OK", "\xEF\xBB\xBF"+code1001), says: "byte order mark (BOM)"},
		"UTF-16 with a mark":                {serve: status("200 OK", "\xFF\xFE{\x00}\x00"), says: "UTF-16"},
		"UTF-16 without a mark":             {serve: status("200 OK", "\x00{\x00}"), says: "UTF-16"},
		"HTML":                              {serve: status("200 OK", "\r\n <!DOCTYPE html>hunter2"), says: "HTML or XML"},
		"XML":                               {serve: status("502 Bad Gateway", "<?xml version='1.0'?><code>1001</code>"), says: "HTTP 502: the body is not one JSON object with one code: it is HTML or XML"},
		"an array":                          {serve: status("200 OK", "["+code1001+"]"), says: "JSON array"},
		"compressed, and nothing says so":   {serve: status("200 OK", "\x1F\x8B\x08"), says: "compressed"},
		"compressed in a way of its own":    {serve: answer("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 7\r\n\r\nhunter2"), says: "Content-Encoding"},
		"two objects":                       {serve: status("200 OK", code1001+code1001), says: "not one JSON object with one code"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{t: t}
				t.Cleanup(w.servers.Wait)
				s := strange{serve: row.serve, config: func(c *upstream.Config, w *world) {
					trust(pool)(c, w)
					if c.URL = row.url; row.url == "" {
						c.URL = "http://platform.test/update?token=hunter2"
					}
					if row.proxy != "" {
						c.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(row.proxy) }
					}
				}}
				if strings.Contains(name, "TLS") || strings.Contains(name, "protocol") || strings.Contains(name, "something else") {
					serve := s.serve // a socket's writes do not wait
					s.serve = func(there *side) {
						out := buffer(there.Conn)
						defer out.flush()
						serve(&side{Conn: out, in: bufio.NewReader(out), world: there.world})
					}
				}
				a := client(t, s.reach(t, w)).Deliver(t.Context(), upstream.Request{Params: release})
				if a.Verdict == upstream.Accepted || a.Err == nil {
					t.Fatal(a.Verdict, a.Err)
				}
				if text := a.Err.Error(); !strings.Contains(text, row.says) || strings.Contains(text, "hunter2") {
					t.Errorf("%q, want %q and nothing of the platform's", text, row.says)
				}
			})
		})
	}
}
