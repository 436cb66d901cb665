package telemetry

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
)

// requestDuration is http.client.request.duration of the HTTP conventions, one
// measurement for each attempt.
type requestDuration struct {
	histogram httpconv.ClientRequestDuration
	sets      *labelSets
}

func newRequestDuration(meter metric.Meter) (requestDuration, error) {
	histogram, err := httpconv.NewClientRequestDuration(meter) // with the buckets the conventions advise
	return requestDuration{histogram, &labelSets{of: map[attemptLabels]attribute.Set{}}}, err
}

// record measures an attempt that began at start. An attempt without an answer
// has the kind of its error as error.type, one answered with 4xx or 5xx the
// status. What the body meant is counted in attempts_total.
func (d requestDuration) record(ctx context.Context, start time.Time, r *http.Request, answer *http.Response, err error) {
	d.histogram.RecordSet(ctx, time.Since(start).Seconds(), d.sets.get(labelsOf(r, answer, err)))
}

// attemptLabels is what decides the labels of a measurement.
type attemptLabels struct {
	method, scheme, host string
	failure              string // errorKind, "" where there was an answer
	status, major, minor int
}

func labelsOf(r *http.Request, answer *http.Response, err error) attemptLabels {
	l := attemptLabels{method: r.Method, scheme: r.URL.Scheme, host: r.URL.Host}
	if err != nil {
		l.failure = errorKind(err)
	} else {
		l.status, l.major, l.minor = answer.StatusCode, answer.ProtoMajor, answer.ProtoMinor
	}
	return l
}

// labelSets keeps the sets of labels that were needed, as many as there are
// statuses and kinds of errors: to make one costs more than to measure.
type labelSets struct {
	mu sync.Mutex
	of map[attemptLabels]attribute.Set // guarded by mu
}

func (s *labelSets) get(l attemptLabels) attribute.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	set, known := s.of[l]
	if !known {
		set = attribute.NewSet(append(l.attributes(), semconv.URLScheme(l.scheme))...)
		s.of[l] = set
	}
	return set
}

// attributes are those that measurements and spans have in common.
func (l attemptLabels) attributes() []attribute.KeyValue {
	host, port := server(l.scheme, l.host)
	labels := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(l.method), semconv.ServerAddress(host), semconv.ServerPort(port),
	}
	switch {
	case l.failure != "":
		labels = append(labels, semconv.ErrorTypeKey.String(l.failure))
	default:
		labels = append(labels, semconv.HTTPResponseStatusCode(l.status), semconv.NetworkProtocolVersion(version(l.major, l.minor)))
		if l.status >= http.StatusBadRequest {
			labels = append(labels, semconv.ErrorTypeKey.String(strconv.Itoa(l.status)))
		}
	}
	return labels
}

func server(scheme, hostport string) (host string, port int) {
	u := url.URL{Host: hostport}
	port, err := strconv.Atoi(u.Port())
	if err != nil { // none in the URL
		if port = 80; scheme == "https" {
			port = 443
		}
	}
	return u.Hostname(), port
}

// version is the protocol's version as the conventions write it. The answer's
// own words are not taken: only what net/http understood.
func version(major, minor int) string {
	if major >= 2 {
		return strconv.Itoa(major)
	}
	return strconv.Itoa(major) + "." + strconv.Itoa(minor)
}
