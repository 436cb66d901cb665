package admin

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// FuzzRequest: whatever is asked, nothing breaks, and only who asks by an address or a
// name of ours sees anything.
func FuzzRequest(f *testing.F) {
	h := guarded(newHosts([]string{"forwarder"}).guard(sampleHandler()))
	for _, host := range []string{"127.0.0.1:8081", "[::1]", "[fe80::1%25eth0]:1", "localhost.", "forwarder", "evil.example.com", "[localhost]", "127.1", ""} {
		f.Add([]byte("GET /status.json HTTP/1.1\r\nHost: " + host + "\r\nAccept-Language: zh;q=0.5\r\n\r\n"))
	}
	f.Add([]byte("GET http://evil.example.com/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"))
	f.Add([]byte("OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("GET //..//livez HTTP/1.0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if !slices.Contains([]int{200, 301, 307, 400, 404, 405, 421, 503}, w.Code) {
			t.Errorf("%q: %d", raw, w.Code)
		}
		if w.Code != http.StatusMisdirectedRequest && !ours(r) {
			t.Errorf("by the name %q: %d", r.Host, w.Code)
		}
		if w.Code == http.StatusOK && r.Method != http.MethodGet && r.Method != http.MethodHead {
			t.Errorf("%s: %d", r.Method, w.Code)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("headers %v", w.Header())
		}
	})
}

// ours says in other words than the server's whom it may answer.
func ours(r *http.Request) bool {
	if r.Host == "" {
		return r.ProtoMajor < 1 || r.ProtoMajor == 1 && r.ProtoMinor == 0
	}
	if literal, is := strings.CutPrefix(r.Host, "["); is {
		literal, _, _ = strings.Cut(literal, "]")
		literal, _, _ = strings.Cut(literal, "%")
		return strings.Contains(literal, ":") && net.ParseIP(literal) != nil
	}
	name, _, _ := strings.Cut(r.Host, ":")
	return net.ParseIP(name) != nil || slices.Contains([]string{"localhost", "localhost.", "forwarder", "forwarder."}, strings.ToLower(name))
}
