package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"time"
)

// Sources is what the server asks. Each is called for a request, from any
// goroutine, and must answer at once. A nil one is a mistake of the caller's
// that shows as 404.
type Sources struct {
	// Live and Ready say whether the service is, and in one line why (not).
	Live, Ready func() (ok bool, why string)
	// Metrics serves /metrics.
	Metrics http.Handler
	// Status takes the snapshot that the page shows.
	Status func() Status
}

const plainText = "text/plain; charset=utf-8"

// NewHandler returns the handler of all paths, by whatever name it is asked.
func NewHandler(s Sources) http.Handler {
	mux := http.NewServeMux() // a pattern for GET answers HEAD too, and all else with 405
	made := newRenderings()
	if s.Live != nil {
		mux.Handle("GET /livez", probe(s.Live))
	}
	if s.Ready != nil {
		mux.Handle("GET /readyz", probe(s.Ready))
	}
	if s.Metrics != nil {
		mux.Handle("GET /metrics", made.of(s.Metrics))
	}
	if s.Status != nil {
		mux.Handle("GET /{$}", made.of(statusPage(s.Status)))
		mux.Handle("GET /status.json", made.of(statusJSON(s.Status)))
	}
	return guarded(mux)
}

// guarded sets the headers that every answer has, refusals too.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.Body != http.NoBody { // nothing here takes one: it is not waited for
			h.Set("Connection", "close")
			_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		}
		next.ServeHTTP(w, r)
	})
}

func probe(ask func() (bool, string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		ok, why := ask()
		if ok {
			send(w, http.StatusOK, plainText, []byte(cmp.Or(why, "ok")+"\n"))
			return
		}
		send(w, http.StatusServiceUnavailable, plainText, []byte(cmp.Or(why, "not ok")+"\n"))
	})
}

func statusPage(take func() Status) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l := preferred(r.Header.Get("Accept-Language"))
		w.Header().Set("Content-Language", l.tag())
		w.Header().Set("Vary", "Accept-Language")
		var out bytes.Buffer // whole before the first byte is sent: no half page under 200
		if err := pages[l].Execute(&out, take().said().in(l)); err != nil {
			send(w, http.StatusInternalServerError, plainText, []byte("the page cannot be rendered\n"))
			return
		}
		send(w, http.StatusOK, "text/html; charset=utf-8", out.Bytes())
	})
}

func statusJSON(take func() Status) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		out, err := json.MarshalIndent(take().said().orEmpty(), "", "  ")
		if err != nil {
			send(w, http.StatusInternalServerError, plainText, []byte("the status cannot be rendered\n"))
			return
		}
		send(w, http.StatusOK, "application/json; charset=utf-8", append(out, '\n'))
	})
}

func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is no concern of ours
}
