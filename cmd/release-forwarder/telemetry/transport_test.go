package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering is a platform that answers so, and a client that judges it so.
func answering(status, resend int, code, seqno, verdict string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		_ = r.Body.Close() // as a transport must
		AnnotateAttempt(r.Context(), resend, code, seqno, verdict)
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
	}
}

func post(ctx context.Context, t *testing.T, rt http.RoundTripper, url string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("plate=B12345"))
	if err != nil {
		t.Fatal(err)
	}
	return rt.RoundTrip(r)
}

func TestEachAttemptIsASpanOfItsDelivery(t *testing.T) {
	tracer, recorder := recording()
	ctx, delivery := tracer.StartDelivery(t.Context(), Record{Topic: "releases"})
	for _, c := range []struct {
		name             string
		status, resend   int
		code, seqno      string
		verdict          string
		wantStatus       codes.Code
		wantCode, wantNo string
	}{
		{"accepted", 200, 0, "1001", "abc6c253b93cc940", "accepted", codes.Ok, "1001", "abc6c253b93cc940"},
		{"accepted under HTTP 500", 500, 1, "1001", "", "accepted", codes.Ok, "1001", ""},
		{"refused under HTTP 200", 200, 2, "500", "seq no 粤", "failed", codes.Error, "500", "?"},
		{"permanent under HTTP 400", 400, 0, "400", "7", "permanent", codes.Error, "400", "7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, err := post(ctx, t, tracer.HTTPTransport(answering(c.status, c.resend, c.code, c.seqno, c.verdict)),
				"https://user:pw@api.example.com:8443/gate/update?token=s3cr3t#x")
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(answer.Body); string(body) != "{}" || err != nil {
				t.Errorf("body %q %v", body, err)
			}
			_ = answer.Body.Close()
			s := recorder.Ended()[len(recorder.Ended())-1]
			got := attributes(s)
			if s.Name() != "POST" || s.SpanKind() != trace.SpanKindClient || s.Parent().SpanID() != delivery.SpanContext().SpanID() {
				t.Errorf("name %q, kind %v, parent %v", s.Name(), s.SpanKind(), s.Parent())
			}
			if got["url.full"].AsString() != "https://api.example.com:8443/gate/update" {
				t.Errorf("url.full %q", got["url.full"].AsString())
			}
			if s.Status().Code != c.wantStatus {
				t.Errorf("status %v", s.Status())
			}
			if got["release_forwarder.verdict"].AsString() != c.verdict || got["release_forwarder.code"].AsString() != c.wantCode ||
				got["release_forwarder.seqno"].AsString() != c.wantNo {
				t.Errorf("attributes %v", got)
			}
			if resend, there := got["http.request.resend_count"]; there != (c.resend > 0) || resend.AsInt64() != int64(c.resend) {
				t.Errorf("resend_count %v", resend)
			}
			for key, value := range got {
				if strings.Contains(value.String(), "s3cr3t") || strings.Contains(value.String(), "B12345") {
					t.Errorf("%s holds what it must not", key)
				}
			}
		})
	}
}

func TestNothingOfTheEventReachesThePlatform(t *testing.T) {
	tracer, _ := recording()
	ctx, delivery := tracer.StartDelivery(t.Context(), Record{
		Topic: "releases", Headers: headers("traceparent", eventTraceparent, "tracestate", "vendor=B12345", "baggage", "plate=B12345"),
	})
	// A span with a tracestate of its own, as a sampler may set one.
	state, err := trace.ParseTraceState("sampler=x")
	if err != nil {
		t.Fatal(err)
	}
	stateful := trace.ContextWithSpanContext(ctx, delivery.SpanContext().WithTraceState(state))
	for name, ctx := range map[string]context.Context{"as it is": ctx, "with a tracestate": stateful} {
		t.Run(name, func(t *testing.T) {
			var sent http.Header
			platform := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { sent = r.Header.Clone() }))
			defer platform.Close()
			answer, err := post(ctx, t, tracer.HTTPTransport(nil), platform.URL)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if sent.Get("Baggage") != "" || sent.Get("Tracestate") != "" || strings.Contains(fmt.Sprint(sent), eventTraceID) {
				t.Errorf("sent %v", sent)
			}
			if !strings.HasPrefix(sent.Get("Traceparent"), "00-"+TraceID(ctx)+"-") {
				t.Errorf("traceparent %q", sent.Get("Traceparent"))
			}
			for key := range sent {
				if !slices.Contains([]string{"Traceparent", "User-Agent", "Content-Length", "Accept-Encoding"}, key) {
					t.Errorf("a header nobody asked for: %s", key)
				}
			}
		})
	}
}

func TestWithoutPropagationNoHeaderIsAdded(t *testing.T) {
	tracer, _ := recording()
	tracer.propagate = false
	var sent http.Header
	_, err := post(t.Context(), t, tracer.HTTPTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
		sent = r.Header.Clone()
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})), "http://platform/")
	if err != nil || len(sent) != 0 {
		t.Errorf("%v %v", sent, err)
	}
}

func TestAnAttemptOfAnUnsampledDeliveryHasNoSpanAndTheDeliverysTrace(t *testing.T) {
	tracer, recorder := recording(sdktrace.WithSampler(sdktrace.NeverSample()))
	ctx, delivery := tracer.StartDelivery(t.Context(), Record{Topic: "releases"})
	for _, propagate := range []bool{true, false} {
		tracer.propagate = propagate
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://platform/", strings.NewReader("plate=B12345"))
		if err != nil {
			t.Fatal(err)
		}
		var sent *http.Request
		want := &http.Response{StatusCode: 200, Body: http.NoBody}
		got, err := tracer.HTTPTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = r
			return want, nil
		})).RoundTrip(request)
		if err != nil || got != want {
			t.Errorf("%v %v", got, err)
		}
		if sent.Body != request.Body {
			t.Error("something stands around the body, which net/http would take for a stream")
		}
		parent := ""
		if propagate {
			parent = "00-" + TraceID(ctx) + "-" + delivery.SpanContext().SpanID().String() + "-00"
		}
		if told := tracer.Outgoing(ctx); told != parent {
			t.Errorf("the platform is told %q, want %q", told, parent)
		}
		if len(sent.Header) != 0 {
			t.Errorf("headers nobody asked for: %v", sent.Header)
		}
	}
	tracer.EndDelivery(delivery, "accepted", false)
	if n := len(recorder.Started()); n != 0 {
		t.Errorf("%d spans", n)
	}
}

// judged is an error of a client that knows what it means.
type judged struct{ error }

func (judged) ErrorType() string { return "unreachable" }

type timeout struct{}

func (timeout) Error() string   { return "plate=B12345 took too long" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestAnErrorReachesTheCallerWholeAndTheSpanAsItsKind(t *testing.T) {
	quoting := errors.New(`malformed HTTP response "plate=B12345"`)
	for _, c := range []struct {
		err  error
		kind string
	}{
		{quoting, "_OTHER"},
		{timeout{}, "timeout"},
		{judged{quoting}, "unreachable"},
		{context.Canceled, "canceled"},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "connection_refused"},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, "connection_lost"},
		{io.ErrUnexpectedEOF, "connection_lost"},
		{&net.DNSError{Err: "no such host", Name: "platform"}, "name_resolution"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			tracer, recorder := recording()
			_, err := post(t.Context(), t, tracer.HTTPTransport(roundTrip(func(*http.Request) (*http.Response, error) { return nil, c.err })), "http://platform/")
			if err != c.err { //nolint:errorlint // the very same
				t.Errorf("the caller sees %v", err)
			}
			s := recorder.Ended()[0]
			if s.Status() != (sdktrace.Status{Code: codes.Error, Description: c.kind}) || attributes(s)["error.type"].AsString() != c.kind {
				t.Errorf("%v %v", s.Status(), attributes(s))
			}
		})
	}
}

func TestAttemptsAreMeasured(t *testing.T) {
	tel, _ := start(t, nil)
	transport := tel.Tracer.HTTPTransport(answering(200, 0, "1001", "", "accepted"))
	answer, err := post(t.Context(), t, transport, "http://platform:8080/gate?token=s3cr3t")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	_, err = post(t.Context(), t, tel.Tracer.HTTPTransport(roundTrip(func(r *http.Request) (*http.Response, error) {
		_ = r.Body.Close() // as a transport must
		return nil, errors.New("plate=B12345")
	})), "http://platform:8080/gate")
	if err == nil {
		t.Fatal("no error")
	}
	body := scrape(t, tel)
	for _, want := range []string{
		"http_client_request_duration_seconds_bucket", `http_response_status_code="200"`, `server_address="platform"`, `error_type="_OTHER"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("lacks %s", want)
		}
	}
	if strings.Contains(body, "s3cr3t") || strings.Contains(body, "B12345") || strings.Contains(body, "otel_scope") {
		t.Error("the scrape holds what it must not")
	}
}
