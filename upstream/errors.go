package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"unicode"
)

// Error says why an attempt brought no code. Its text is safe to log: addresses and
// the words of the operating system and of TLS. It holds nothing of a body, a
// header, a query or user information, and neither does any error it unwraps to.
type Error struct {
	Verdict Verdict // Unreadable, Timeout, Unreachable or Cut; Throttled for HTTP 429 or 503 without a readable body; Refused without a credential
	text    string
}

// Error returns the verdict and the reason.
func (e *Error) Error() string { return e.Verdict.String() + ": " + e.text }

// ErrorType returns the verdict, for OpenTelemetry's attribute error.type.
func (e *Error) ErrorType() string { return e.Verdict.String() }

// Reason makes a harmless text, of at most 256 bytes, from any error of net/http.
func Reason(err error) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(harmless(err), "?"))
	return truncate(text, 256)
}

// harmless returns the text of errors that are safe to show, and only the type of any
// other: net/http quotes malformed answers, HTTP/2 the debug text of a GOAWAY,
// url.Error the whole URL, a wrong proxy setting its password.
func harmless(err error) string {
	if e, ok := errors.AsType[*proxyError](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return "look up " + e.Name + ": " + e.Err
	}
	if text, ok := untrusted(err); ok {
		return text
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		if e.Op == "remote error" || e.Op == "local error" { // of crypto/tls, with an alert's fixed words
			return e.Op + ": " + e.Err.Error()
		}
		where := e.Op
		if e.Addr != nil {
			where += " " + e.Addr.String()
		}
		return where + ": " + harmless(e.Err)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return harmless(e.Err)
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e.Error() + remedies[e]
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the answer was whole"
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return "the connection is closed"
	case errors.Is(err, context.DeadlineExceeded):
		return "out of time"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	return fmt.Sprintf("the exchange failed (%T)", innermost(err))
}

// untrusted returns what TLS says is wrong: a certificate, a handshake or the peer's
// alert.
func untrusted(err error) (string, bool) {
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return e.Error(), true
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return e.Error(), true
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return e.Error(), true
	}
	if e, ok := errors.AsType[tls.AlertError](err); ok {
		return e.Error(), true
	}
	if e, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		text := "tls: " + e.Msg
		if string(e.RecordHeader[:]) == "HTTP/" {
			text += ": plain HTTP is spoken on this port: use http://, or the port for https://"
		}
		return text, true
	}
	return "", false
}

// remedies say what to do about an error of the operating system.
var remedies = map[syscall.Errno]string{
	syscall.EMFILE:        ": no file descriptor is left: raise the limit (ulimit -n, LimitNOFILE)",
	syscall.ENFILE:        ": no file descriptor is left on this host: raise its limit (fs.file-max)",
	syscall.EADDRNOTAVAIL: ": no local port is left (net.ipv4.ip_local_port_range), or no local address fits",
	syscall.ENOBUFS:       ": this host has no memory left for connections",
	syscall.ENOMEM:        ": this host has no memory left for connections",
	syscall.EACCES:        ": a firewall or a NetworkPolicy forbids it",
	syscall.EPERM:         ": a firewall or a NetworkPolicy forbids it",
}

// overloaded reports whether an error may be caused by too many requests in flight: the
// platform takes no more connections, or this host has no resources for more.
func overloaded(err error) bool {
	e, ok := errors.AsType[syscall.Errno](err)
	switch {
	case !ok:
		return false
	case e == syscall.ECONNREFUSED, e == syscall.ECONNRESET, e == syscall.EPIPE:
		return true
	case e == syscall.EMFILE, e == syscall.ENFILE, e == syscall.EADDRNOTAVAIL, e == syscall.ENOBUFS, e == syscall.ENOMEM:
		return true
	}
	return false
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// proxyError is a proxy's refusal to open a tunnel. It replaces net/http's error, which
// quotes the proxy's text.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	text := fmt.Sprintf("the proxy refused the connection: HTTP %d", e.status)
	if e.status == http.StatusProxyAuthRequired {
		text += ": " + sayProxyLogin
	}
	return text
}
