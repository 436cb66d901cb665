package upstream

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Texts about what came instead of an answer. They quote nothing of it.
const (
	sayUseHTTPS   = "the platform speaks TLS: use https://"
	sayHTTP2      = "the platform speaks HTTP/2 without TLS, which is not supported: use https://"
	sayNoHTTP     = "what answers on this port does not speak HTTP"
	sayProxyLogin = "the proxy wants a name and a password (HTTP_PROXY, HTTPS_PROXY)"
	sayToHTTPS    = "redirected to https://, and redirects are not followed: use https://"
	sayToPath     = "redirected to another path of the same host, and redirects are not followed: use the URL that answers itself"
	sayToHost     = "redirected to another host or port, and redirects are not followed: use the URL that answers itself"
	sayBOM        = "it begins with a byte order mark (BOM), which JSON does not allow"
	sayUTF16      = "it is UTF-16 and not UTF-8"
	sayMarkup     = "it is HTML or XML, perhaps of a proxy, a gateway or a login page"
	sayCoded      = "it has a Content-Encoding that was not asked for"
	sayPacked     = "it is compressed and does not say so"
	sayArray      = "it is a JSON array"
)

// bodyError says why a body is unreadable: one of errBody…, and what it seems to be instead.
type bodyError struct {
	error
	instead string
}

// Error omits the text of the read error, which may quote the body.
func (u bodyError) Error() string {
	text := u.error.Error()
	if errors.Is(u.error, errBodyCut) {
		text = errBodyCut.Error()
	}
	if u.instead == "" {
		return text
	}
	return text + ": " + u.instead
}

// notHTTP names the protocol of a connection without TLS, by its first bytes; "" for HTTP/1,
// or if nothing came.
func notHTTP(head string) string {
	const (
		http1            = "HTTP/"
		alert, handshake = 0x15, 0x16 // RFC 8446, 5.1; the next byte is 3 in all versions
		settings         = 0x4        // RFC 9113, 6.5: the server's first frame, its type behind a length of 3 bytes
	)
	switch {
	case head == http1[:min(len(head), len(http1))]:
		return ""
	case len(head) > 1 && (head[0] == alert || head[0] == handshake) && head[1] == 3:
		return sayUseHTTPS
	case len(head) > 3 && head[0] == 0 && head[3] == settings:
		return sayHTTP2
	}
	return sayNoHTTP
}

// instead says what came instead of a readable answer, or "" if it is not known.
func instead(resp *http.Response, location string, asked *url.URL, body []byte) string {
	to, err := asked.Parse(location)
	switch redirect := resp.StatusCode/100 == 3 && location != "" && err == nil; {
	case redirect && asked.Scheme == "http" && to.Scheme == "https" && to.Hostname() == asked.Hostname():
		return sayToHTTPS
	case redirect && to.Scheme == asked.Scheme && to.Host == asked.Host:
		return sayToPath
	case redirect:
		return sayToHost
	case resp.StatusCode == http.StatusProxyAuthRequired:
		return sayProxyLogin
	case resp.StatusCode == http.StatusBadRequest && asked.Scheme == "http" && wantsTLS(body):
		return sayUseHTTPS
	}
	return otherText(resp.Header.Get("Content-Encoding"), body)
}

// wantsTLS recognizes the answers of servers whose TLS port is used with plain HTTP.
func wantsTLS(body []byte) bool {
	return slices.ContainsFunc([]string{
		"HTTP request to an HTTPS server",      // Go
		"plain HTTP request was sent to HTTPS", // nginx
		"plain HTTP to an SSL-enabled",         // Apache
		"requires TLS",                         // Tomcat
	}, func(words string) bool { return bytes.Contains(body, []byte(words)) })
}

// otherText names the kind of a body that is not one JSON object.
func otherText(coding string, body []byte) string {
	begins := func(with ...string) bool {
		return slices.ContainsFunc(with, func(p string) bool { return bytes.HasPrefix(body, []byte(p)) })
	}
	switch first := bytes.TrimSpace(body[:min(len(body), 512)]); {
	case coding != "" && !strings.EqualFold(coding, encodingGzip) && !strings.EqualFold(coding, "identity"):
		return sayCoded
	case begins("\xEF\xBB\xBF"):
		return sayBOM
	case begins("\xFF\xFE", "\xFE\xFF", "{\x00", "\x00{"):
		return sayUTF16
	case begins("\x1F\x8B"):
		return sayPacked
	case bytes.HasPrefix(first, []byte("<")):
		return sayMarkup
	case bytes.HasPrefix(first, []byte("[")):
		return sayArray
	}
	return ""
}
