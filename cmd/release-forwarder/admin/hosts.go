package admin

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// hosts are the names by which the server may be asked, in lower case. A web page
// can have a browser ask any address that its own name resolves to (DNS rebinding);
// it cannot have it leave that name out of Host. Probes and scrapes ask by address.
type hosts map[string]bool

func newHosts(names []string) hosts {
	known := hosts{"localhost": true}
	for _, name := range names {
		known[asciiLower(strings.TrimSuffix(name, "."))] = true
	}
	return known
}

// guard refuses whoever asks by another name, on every path and with every method.
func (known hosts) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !known.answers(r) {
			w.Header().Set("Connection", "close")
			send(w, http.StatusMisdirectedRequest, plainText, []byte("not by this name; ask by address or localhost, or name it in ADMIN_HOSTS\n"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// answers reports whether r is for this server. Without any Host only HTTP/1.0 can
// be (net/http refuses the others), which no browser speaks: a load balancer's check.
func (known hosts) answers(r *http.Request) bool {
	host, fine := withoutPort(r.Host)
	switch {
	case r.Host == "":
		return !r.ProtoAtLeast(1, 1)
	case !fine:
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return known[asciiLower(strings.TrimSuffix(host, "."))]
}

// withoutPort splits Host (RFC 9110, 7.2). Brackets hold an IPv6 address and
// nothing else.
func withoutPort(host string) (name string, fine bool) {
	if literal, rest, is := strings.Cut(strings.TrimPrefix(host, "["), "]"); strings.HasPrefix(host, "[") {
		addr, err := netip.ParseAddr(literal)
		return literal, is && err == nil && addr.Is6() && (rest == "" || rest[0] == ':' && isPort(rest[1:]))
	}
	name, port, is := strings.Cut(host, ":")
	return name, !is || isPort(port)
}

// isPort is so for no digits too: RFC 3986 allows an empty port.
func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil
}

// asciiLower folds nothing but A to Z: what Unicode takes for the same dead
// letter is another name.
func asciiLower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}
