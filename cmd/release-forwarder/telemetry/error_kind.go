package telemetry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// errorKind is error.type of a request without an answer. An error that knows its
// own, by the method that OpenTelemetry's Go libraries look for, is asked; the
// platform's client gives the verdict. The rest is a closed list.
func errorKind(err error) string {
	if typed, ok := errors.AsType[interface {
		error
		ErrorType() string
	}](err); ok {
		return Sanitize(typed.ErrorType())
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "timeout"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "name_resolution"
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection_refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection_lost"
	}
	return tlsOrOther(err)
}

// tlsOrOther distinguishes failures of TLS from the rest.
func tlsOrOther(err error) string {
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	if verification || authority || alert || record {
		return "tls"
	}
	return semconv.ErrorTypeOther.Value.AsString()
}
