package upstream_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"release-forwarder/upstream"
)

// Headers and body of a request go out in one write, also through a wrapper.
func TestOneWriteARequest(t *testing.T) {
	for name, wrap := range map[string]func(http.RoundTripper) http.RoundTripper{
		"plain": nil,
		"wrapped": func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) { return next.RoundTrip(r.WithContext(r.Context())) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := newPlatform(t, nil, yes.ServeHTTP)
			var writes atomic.Int64
			conf := config(server.URL)
			conf.Dial, conf.Wrap = counting(&writes), wrap
			deliverer := client(t, conf)
			for range 50 {
				if answer := deliverer.Deliver(t.Context(), upstream.Request{Params: release}); answer.Verdict != upstream.Accepted {
					t.Fatal(answer)
				}
			}
			if got := writes.Load(); got != 50 {
				t.Errorf("%d writes for 50 requests", got)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// deliverys is the trace context of a delivery as a whole.
const deliverys = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

// Each attempt carries the delivery's trace context, unless a wrapper sets another.
func TestTraceparentOfTheDelivery(t *testing.T) {
	var told []string
	server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if told = append(told, r.Header.Values("traceparent")...); len(told) < 2 {
			garbage.ServeHTTP(w, r)
			return
		}
		yes.ServeHTTP(w, r)
	})
	conf := config(server.URL)
	conf.RetryMax, conf.RetryWaitMin, conf.RetryWaitMax = 1, 1, 1
	answer := client(t, conf).Deliver(t.Context(), upstream.Request{Params: release, Quick: true, Traceparent: deliverys})
	if answer.Verdict != upstream.Accepted || !slices.Equal(told, []string{deliverys, deliverys}) {
		t.Errorf("%+v, told %q", answer, told)
	}
}

// A wrapper sees each attempt, with the hook inside it, and nothing secret or personal. The
// header that it sets is the one that is sent.
func TestAWrapperSeesEachAttempt(t *testing.T) {
	var told []string
	server := newPlatform(t, nil, func(w http.ResponseWriter, r *http.Request) {
		switch told = append(told, r.Header.Values("traceparent")...); len(told) {
		case 1:
			hangUp(w, "HTTP/1.1 plate=粤 \r\n\r\n")
		case 2:
			garbage.ServeHTTP(w, r)
		default:
			yes.ServeHTTP(w, r)
		}
	})
	type span struct {
		number  int
		verdict upstream.Verdict
		status  int
		err     string
	}
	type key struct{}
	var spans []span
	conf := config(server.URL + "/update")
	conf.RetryMax, conf.RetryWaitMin, conf.RetryWaitMax = 2, 1, 1
	conf.Wrap = func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			var s span
			r = r.WithContext(context.WithValue(r.Context(), key{}, &s))
			r.Header = r.Header.Clone()
			r.Header.Set("traceparent", strconv.Itoa(len(spans)+1))
			answer, err := next.RoundTrip(r)
			if err != nil {
				s.err = err.Error()
			} else if s.status = answer.StatusCode; answer.Body != http.NoBody {
				t.Error("there is a body")
			}
			spans = append(spans, s)
			return answer, err
		})
	}
	conf.OnAnswer = func(ctx context.Context, a upstream.Attempt) {
		s := ctx.Value(key{}).(*span)
		s.number, s.verdict = a.Number, a.Verdict
	}
	answer := client(t, conf).Deliver(t.Context(), upstream.Request{Params: release, Quick: true, Traceparent: deliverys})
	if answer.Verdict != upstream.Accepted || answer.Attempts != 3 {
		t.Fatalf("%+v", answer)
	}
	want := []span{
		{1, upstream.Unreachable, 0, "unreachable: the exchange failed (*errors.errorString)"},
		{2, upstream.Unreadable, 502, ""},
		{3, upstream.Accepted, 200, ""},
	}
	if !slices.Equal(spans, want) {
		t.Errorf("%+v, want %+v", spans, want)
	}
	if !slices.Equal(told, []string{"1", "2", "3"}) {
		t.Errorf("the platform was told %q", told)
	}
}
