package telemetry

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// HTTPTransport wraps the transport to the platform: each request that passes,
// a quick retry too, is one CLIENT span named by its method and one measurement
// of http.client.request.duration. Below a go-retryablehttp client it stands as
// the transport of its HTTPClient.
//
// base runs inside the attempt's span, so that it, or what it calls, may tell
// what the answer meant by [AnnotateAttempt]. The span ends when the answer's
// body is read to its end or closed.
//
// Of the request the span has the URL without query and user, and of an error
// its kind alone: an error's text can quote what the platform sent.
func (t *Tracer) HTTPTransport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	options := []otelhttp.Option{
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method }),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()), // none
		otelhttp.WithMeterProvider(noop.NewMeterProvider()),                   // see requestDuration
	}
	if t.propagate {
		options = append(options, otelhttp.WithPropagators(outgoing{}))
	}
	measured := measured{base, t.duration}
	return bySampling{
		sampled: restoring{otelhttp.NewTransport(discreet{measured}, options...)},
		not:     measured,
	}
}

// bySampling asks whether the delivery that an attempt belongs to is sampled:
// where it is not, its attempts are not either, and the platform is told the
// delivery's trace by [Tracer.Outgoing]. A span for nobody is dear, since otelhttp
// works out its attributes and wraps the body before it asks.
type bySampling struct{ sampled, not http.RoundTripper }

func (t bySampling) RoundTrip(r *http.Request) (*http.Response, error) {
	if of := trace.SpanContextFromContext(r.Context()); of.IsValid() && !of.IsSampled() {
		return t.not.RoundTrip(r)
	}
	return t.sampled.RoundTrip(r)
}

// AnnotateAttempt sets what an attempt's answer meant on the span that ctx
// carries, which must not have ended. Resend is 0 for the first attempt of a
// delivery, then 1, 2, …; code and seqno are the platform's, "" where there are
// none. An accepted answer makes the span ok and any other an error, whatever
// the HTTP status: the body decides.
func AnnotateAttempt(ctx context.Context, resend int, code, seqno, verdict string) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	verdict = Tame(verdict)
	span.SetAttributes(verdictKey.String(verdict))
	if resend > 0 {
		span.SetAttributes(semconv.HTTPRequestResendCount(resend))
	}
	if code != "" {
		span.SetAttributes(codeKey.String(Tame(code)))
	}
	if seqno != "" {
		span.SetAttributes(seqnoKey.String(Tame(seqno)))
	}
	if verdict == "accepted" {
		span.SetStatus(codes.Ok, "")
		return
	}
	span.SetAttributes(semconv.ErrorTypeKey.String(verdict))
	span.SetStatus(codes.Error, verdict)
}

// measured measures attempts, within their spans where they have some, so that
// an exemplar leads to one.
type measured struct {
	base     http.RoundTripper
	duration requestDuration
}

func (m measured) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	answer, err := m.base.RoundTrip(r)
	m.duration.record(r.Context(), start, r, answer, err)
	return answer, err
}

// discreet stands inside otelhttp and keeps from its span what must not be
// there: the URL's query, and the text of errors.
type discreet struct{ base http.RoundTripper }

func (d discreet) RoundTrip(r *http.Request) (*http.Response, error) {
	span := trace.SpanFromContext(r.Context())
	if span.IsRecording() {
		// It was set from the request with its query; the later one wins.
		span.SetAttributes(semconv.URLFull(withoutQuery(r.URL)))
	}
	answer, err := d.base.RoundTrip(r)
	if err != nil {
		return answer, &quietError{err}
	}
	if span.IsRecording() && answer.Body != nil {
		answer.Body = quietBody{answer.Body}
	}
	return answer, nil
}

func withoutQuery(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// restoring stands outside otelhttp and gives the caller the error as it was.
type restoring struct{ next http.RoundTripper }

func (t restoring) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.next.RoundTrip(r)
	if err != nil {
		return answer, loud(err)
	}
	if answer.Body != nil {
		answer.Body = loudBody{answer.Body}
	}
	return answer, nil
}

// quietError shows the kind of an error and hides its text.
type quietError struct{ cause error }

func (e *quietError) Error() string     { return e.ErrorType() }
func (e *quietError) Unwrap() error     { return e.cause }
func (e *quietError) ErrorType() string { return errorKind(e.cause) }

func loud(err error) error {
	if quiet, ok := err.(*quietError); ok { //nolint:errorlint // only what discreet wrapped itself is unwrapped
		return quiet.cause
	}
	return err
}

type quietBody struct{ io.ReadCloser }

func (b quietBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader's contract: EOF itself
		err = &quietError{err}
	}
	return n, err
}

type loudBody struct{ io.ReadCloser }

func (b loudBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	return n, loud(err)
}
