package telemetry

import (
	"context"
	"maps"
	"net/http"
	"net/url"
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
// not sampled its attempts are not either, and [Tracer.Outgoing] gives the platform the
// delivery's trace.
type traced struct {
	tracer    trace.Tracer
	propagate bool
	next      http.RoundTripper
}

func (t *traced) RoundTrip(r *http.Request) (*http.Response, error) {
	if of := trace.SpanContextFromContext(r.Context()); of.IsValid() && !of.IsSampled() {
		return t.next.RoundTrip(r)
	}
	ctx, span := t.tracer.Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	sent := r.WithContext(ctx)
	if t.propagate {
		sent.Header = maps.Clone(r.Header) // which is not ours to change
		sent.Header.Set(traceparent, Traceparent(ctx))
	}
	answer, err := t.next.RoundTrip(sent)
	labels := labelsOf(r, answer, err)
	if err != nil {
		span.SetStatus(codes.Error, labels.failure)
	}
	plain := url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: r.URL.Path}
	span.SetAttributes(append(labels.attributes(), semconv.URLFull(plain.String()))...)
	return answer, err
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
	verdict = Sanitize(verdict)
	attributes := append(make([]attribute.KeyValue, 0, 5), verdictKey.String(verdict)) // each call costs the span a copy
	if resend > 0 {
		attributes = append(attributes, semconv.HTTPRequestResendCount(resend))
	}
	if code != "" {
		attributes = append(attributes, codeKey.String(Sanitize(code)))
	}
	if seqno != "" {
		attributes = append(attributes, seqnoKey.String(Sanitize(seqno)))
	}
	if verdict == "accepted" {
		span.SetStatus(codes.Ok, "")
	} else {
		attributes = append(attributes, semconv.ErrorTypeKey.String(verdict))
		span.SetStatus(codes.Error, verdict)
	}
	span.SetAttributes(attributes...)
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
