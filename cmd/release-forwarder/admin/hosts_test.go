package admin

import (
	"bufio"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// ask sends a request as it stands and returns the answer.
func ask(t *testing.T, s *Server, request string) *http.Response {
	t.Helper()
	g := visit(t, s, "127.0.0.1")
	defer g.Close()
	g.say(request)
	method, _, _ := strings.Cut(request, " ")
	r, err := http.ReadResponse(bufio.NewReader(g.Conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	return r
}

func TestIsAskedByAddressLocalhostOrAKnownNameAlone(t *testing.T) {
	s := serving(t, 100, "forwarder", "Status.Example.com.", "release-forwarder.parking.svc.cluster.local", "my_forwarder")
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:8081": 200, "10.244.3.17:8081": 200, "0.0.0.0": 200, "192.168.1.1:": 200,
		"[::1]": 200, "[::1]:8081": 200, "[fe80::1%25eth0]:8081": 200, "[::ffff:127.0.0.1]:1": 200,
		"localhost": 200, "localhost:18081": 200, "LOCALHOST": 200, "localhost.": 200, "LocalHost.:8081": 200,
		"forwarder": 200, "forwarder:8081": 200, "FORWARDER.": 200, "status.example.com": 200, "STATUS.example.COM:443": 200, "my_forwarder:8081": 200,
		"release-forwarder.parking.svc.cluster.local:8081": 200,

		"evil.example.com": 421, "evil.example.com:8081": 421, "localhost.evil.example.com": 421, "evil.localhost": 421,
		"127.0.0.1.evil.example.com": 421, "127.0.0.1.nip.io:8081": 421, "7f000001.rbndr.us": 421, "localtest.me": 421,
		"xforwarder": 421, "forwarder.evil": 421, "release-forwarder.parking.svc": 421, "x.status.example.com": 421,
		"localhost..": 421, ".localhost": 421, ".": 421, ":8081": 421, "": 421, "localhost:8081:8081": 421, "localhost:evil": 421, "localhost:99999": 421,
		"2130706433": 421, "0x7f.1": 421, "127.1": 421, "0177.0.0.1": 421, "127.0.0.256": 421, "%6cocalhost": 421, "localhost%00": 421,
		"[localhost]": 421, "[127.0.0.1]": 421, "[::1].evil.example.com": 421, "[::1]evil": 421, "[::1": 421, "::1]": 421, "*": 421, "forwarder,localhost": 421,
	} {
		for _, path := range []string{"/", "/status.json", "/metrics", "/livez", "/readyz"} {
			r := ask(t, s, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
			if r.StatusCode != want {
				t.Errorf("%s by %q: %d, want %d", path, host, r.StatusCode, want)
			}
			if body := bodyOf(t, r); want == 421 && (strings.Contains(body, "evil") || strings.Contains(body, "releases") || !strings.Contains(body, "ADMIN_HOSTS")) {
				t.Errorf("%s by %q: %s", path, host, body)
			}
			if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s by %q: headers %v", path, host, r.Header)
			}
		}
	}
}

func TestEveryFormOfARequestIsHeldToItsHost(t *testing.T) {
	s := serving(t, 100)
	const by = " HTTP/1.1\r\nConnection: close\r\nHost: "
	for name, c := range map[string]struct {
		request string
		want    []int // net/http refuses some of these with 400 by itself
	}{
		"the whole URL, ours":                  {"GET http://127.0.0.1:8081/livez" + by + "127.0.0.1\r\n\r\n", []int{200}},
		"the whole URL, another's":             {"GET http://evil.example.com/status.json" + by + "127.0.0.1\r\n\r\n", []int{421}},
		"the whole URL, in dead letters alike": {"GET http://loca%6chost/status.json" + by + "127.0.0.1\r\n\r\n", []int{400, 421}},
		"the whole URL, a Unicode dead letter": {"GET http://localho%C5%BFt/status.json" + by + "127.0.0.1\r\n\r\n", []int{400, 421}},
		"the whole URL, with a user":           {"GET http://127.0.0.1@evil.example.com/" + by + "127.0.0.1\r\n\r\n", []int{400, 421}},
		"two slashes":                          {"GET //evil.example.com/status.json" + by + "evil.example.com\r\n\r\n", []int{421}},
		"two Hosts":                            {"GET /status.json" + by + "127.0.0.1\r\nHost: evil.example.com\r\n\r\n", []int{400}},
		"two Hosts, the other first":           {"GET /status.json" + by + "evil.example.com\r\nHost: 127.0.0.1\r\n\r\n", []int{400}},
		"no Host":                              {"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", []int{400}},
		"no Host in HTTP/1.0":                  {"GET /livez HTTP/1.0\r\n\r\n", []int{200}},
		"another Host in HTTP/1.0":             {"GET /livez HTTP/1.0\r\nHost: evil.example.com\r\n\r\n", []int{421}},
		"a forwarded Host":                     {"GET /livez" + by + "evil.example.com\r\nX-Forwarded-Host: localhost\r\nForwarded: host=localhost\r\n\r\n", []int{421}},
		"an Origin":                            {"GET /status.json" + by + "127.0.0.1\r\nOrigin: http://evil.example.com\r\n\r\n", []int{200}},
		"a preflight":                          {"OPTIONS /status.json" + by + "127.0.0.1\r\nOrigin: http://evil.example.com\r\nAccess-Control-Request-Method: GET\r\n\r\n", []int{405}},
		"OPTIONS of all":                       {"OPTIONS *" + by + "evil.example.com\r\n\r\n", []int{421}},
		"OPTIONS of all, by address":           {"OPTIONS *" + by + "127.0.0.1\r\n\r\n", []int{400, 405}},
		"CONNECT":                              {"CONNECT evil.example.com:80" + by + "evil.example.com:80\r\n\r\n", []int{421}},
		"CONNECT by address":                   {"CONNECT 127.0.0.1:80" + by + "127.0.0.1:80\r\n\r\n", []int{404, 405}},
		"a POST":                               {"POST /status.json" + by + "evil.example.com\r\nContent-Length: 0\r\n\r\n", []int{421}},
		"a method of its own":                  {"BREW /" + by + "127.0.0.1\r\n\r\n", []int{405}},
		"a GET that says it is a DELETE":       {"GET /status.json" + by + "127.0.0.1\r\nX-HTTP-Method-Override: DELETE\r\n\r\n", []int{200}},
		"a GET with a body":                    {"GET /livez" + by + "127.0.0.1\r\nContent-Length: 5\r\n\r\nhello", []int{200}},
		"a GET with a body that stays out":     {"GET /livez" + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\n", []int{200}},
		"HTTP/2":                               {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{400, 421, 505}},
	} {
		r := ask(t, s, c.request)
		if !slices.Contains(c.want, r.StatusCode) {
			t.Errorf("%s: %d, want %v", name, r.StatusCode, c.want)
		}
		for header := range r.Header {
			if strings.HasPrefix(header, "Access-Control-") {
				t.Errorf("%s: %s lets other pages read", name, header)
			}
		}
	}
}
