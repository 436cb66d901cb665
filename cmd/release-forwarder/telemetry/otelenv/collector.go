package otelenv

import (
	"crypto/tls"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// What takes several variables to judge: endpoint and client certificate. Each variable was
// judged alone before.

// ofSignal is a variable of a signal, or else the one of all.
func ofSignal(signal, name string) string {
	if value := os.Getenv(otlp + signal + name); value != "" {
		return value
	}
	return os.Getenv(otlp + name)
}

// judgeEndpoint demands an absolute URL. By gRPC a host and port are enough, as the
// specification says; then INSECURE tells whether it is http or https, and the URL is
// made here: the exporters do not agree about an address without a scheme.
func judgeEndpoint(signal string, warn func(name, why string)) {
	name := otlp + signal + "ENDPOINT"
	given := os.Getenv(name)
	if given == "" {
		return
	}
	use, byGRPC := given, ofSignal(signal, "PROTOCOL") == grpc
	if byGRPC && !strings.Contains(given, "://") && !strings.HasPrefix(given, "unix:") && !strings.HasPrefix(given, "dns:") {
		use = "https://" + given
		if ofSignal(signal, "INSECURE") == "true" {
			use = "http://" + given
		}
	}
	use, why := endpoint(use, byGRPC)
	if why != "" {
		warn(name, why)
	}
	put(name, given, use)
}

func endpoint(text string, byGRPC bool) (use, why string) {
	const example = "; give for example http://collector:4318"
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", "it is no URL" + example
	case byGRPC && slices.Contains([]string{"unix", "dns", "passthrough"}, u.Scheme):
		return text, "" // as gRPC names an address
	case u.Scheme != "http" && u.Scheme != "https":
		return "", "it is no http or https URL" + example
	case u.Hostname() == "" || u.Port() != "" && !isPort(u.Port()):
		return "", "it has no host, or a port that does not exist" + example
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		// Where the exporters send to is made of the rest alone.
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		return u.String(), "its user, query and fragment are not sent, the rest counts; use " + otlp + "HEADERS"
	}
	return text, ""
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// judgeClient demands a certificate and its key together.
func judgeClient(signal string, warn func(name, why string)) {
	cert, key := otlp+signal+"CLIENT_CERTIFICATE", otlp+signal+"CLIENT_KEY"
	certFile, keyFile := os.Getenv(cert), os.Getenv(key)
	switch {
	case certFile == "" && keyFile == "":
		return
	case keyFile == "":
		warn(cert, "it is set without "+key)
	case certFile == "":
		warn(key, "it is set without "+cert)
	default:
		if _, err := tls.LoadX509KeyPair(certFile, keyFile); err == nil {
			return
		}
		warn(cert, "its file and that of "+key+" are no pair in PEM form, or cannot be read; a byte order mark must not be before it")
	}
	put(cert, certFile, "")
	put(key, keyFile, "")
}
