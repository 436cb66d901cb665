package telemetry

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
)

// requestDuration is http.client.request.duration of the HTTP conventions, one
// measurement for each attempt. otelhttp's own is off: its error.type is the name
// of a Go type, of which our transport has one.
type requestDuration struct {
	histogram httpconv.ClientRequestDuration
}

func newRequestDuration(meter metric.Meter) (requestDuration, error) {
	histogram, err := httpconv.NewClientRequestDuration(meter) // with the buckets the conventions advise
	return requestDuration{histogram}, err
}

// record measures an attempt that began at start. An attempt without an answer
// has the kind of its error as error.type, one answered with 4xx or 5xx the
// status. What the body meant is counted in attempts_total.
func (d requestDuration) record(ctx context.Context, start time.Time, r *http.Request, answer *http.Response, err error) {
	host, port := server(r.URL)
	labels := make([]attribute.KeyValue, 0, 7)
	labels = append(labels, semconv.HTTPRequestMethodKey.String(r.Method), semconv.URLScheme(r.URL.Scheme),
		semconv.ServerAddress(host), semconv.ServerPort(port))
	switch {
	case err != nil:
		labels = append(labels, semconv.ErrorTypeKey.String(errorKind(err)))
	default:
		labels = append(labels, semconv.HTTPResponseStatusCode(answer.StatusCode), semconv.NetworkProtocolVersion(version(answer)))
		if answer.StatusCode >= http.StatusBadRequest {
			labels = append(labels, semconv.ErrorTypeKey.String(strconv.Itoa(answer.StatusCode)))
		}
	}
	d.histogram.RecordSet(ctx, time.Since(start).Seconds(), attribute.NewSet(labels...))
}

func server(u *url.URL) (host string, port int) {
	port, err := strconv.Atoi(u.Port())
	if err != nil { // none in the URL
		if port = 80; u.Scheme == "https" {
			port = 443
		}
	}
	return u.Hostname(), port
}

// version is the protocol's version as the conventions write it. The answer's
// own words are not taken: only what net/http understood.
func version(answer *http.Response) string {
	if answer.ProtoMajor >= 2 {
		return strconv.Itoa(answer.ProtoMajor)
	}
	return strconv.Itoa(answer.ProtoMajor) + "." + strconv.Itoa(answer.ProtoMinor)
}
