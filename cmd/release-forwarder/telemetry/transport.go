package telemetry

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// HTTPTransport wraps the transport to the platform: each request that passes,
// a quick retry too, is one CLIENT span named by its method and one measurement
// of http.client.request.duration. Below a go-retryablehttp client it stands as
// the transport of its HTTPClient.
//
// base runs inside the attempt's span, so that it, or what it calls, may tell
// what the answer meant by [AnnotateAttempt]. It has read the answer's body when
// it returns: then the span ends.
//
// Of the request the span has the URL without query and user, and of an error
// its kind alone: an error's text can quote what the platform sent. The request's
// body is left alone: a reader around it would be a stream to net/http, which
// writes the head first then, and every request twice.
func (t *Tracer) HTTPTransport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &traced{tracer: t.tracer, propagate: t.propagate, next: measured{base, t.duration}}
}

// traced gives each attempt of a sampled delivery a span. Where the delivery is
// not sampled its attempts are not either, and the platform is told the delivery's
// trace by [Tracer.Outgoing].
type traced struct {
	tracer    trace.Tracer
	propagate bool
	next      http.RoundTripper
	last      atomic.Pointer[destination]
}

func (t *traced) RoundTrip(r *http.Request) (*http.Response, error) {
	if of := trace.SpanContextFromContext(r.Context()); of.IsValid() && !of.IsSampled() {
		return t.next.RoundTrip(r)
	}
	ctx, span := t.tracer.Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	span.SetAttributes(t.destination(r).attributes...)
	sent := r.WithContext(ctx)
	if t.propagate {
		sent.Header = r.Header.Clone() // which is not ours to change
		sent.Header.Set(traceparent, Traceparent(ctx))
	}
	answer, err := t.next.RoundTrip(sent)
	if err != nil {
		kind := errorKind(err)
		span.SetAttributes(semconv.ErrorTypeKey.String(kind))
		span.SetStatus(codes.Error, kind)
		return answer, err
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(answer.StatusCode), semconv.NetworkProtocolVersion(version(answer.ProtoMajor, answer.ProtoMinor)))
	if answer.StatusCode >= http.StatusBadRequest {
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(answer.StatusCode)))
	}
	return answer, nil
}

// destination is where a request goes, and what a span says of that.
type destination struct {
	method, scheme, host, path string
	attributes                 []attribute.KeyValue
}

// destination remembers the last one: there is hardly another.
func (t *traced) destination(r *http.Request) *destination {
	d := t.last.Load()
	if d == nil || d.method != r.Method || d.scheme != r.URL.Scheme || d.host != r.URL.Host || d.path != r.URL.Path {
		host, port := server(r.URL.Scheme, r.URL.Host)
		d = &destination{r.Method, r.URL.Scheme, r.URL.Host, r.URL.Path, []attribute.KeyValue{
			semconv.HTTPRequestMethodKey.String(r.Method), semconv.URLFull(withoutQuery(r.URL)),
			semconv.ServerAddress(host), semconv.ServerPort(port),
		}}
		t.last.Store(d)
	}
	return d
}

func withoutQuery(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
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
