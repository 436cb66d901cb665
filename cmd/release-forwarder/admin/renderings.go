package admin

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Bounds of what takes memory and work: pages and scrapes. Probes are not counted:
// they must not fail because somebody loads the page.
const (
	maxRenderings = 4  // made at the same time; more wait for their turn
	maxSendings   = 16 // on their way to readers, at most one answer each
	renderingWait = 3 * time.Second
)

// renderings makes answers, a few at a time, and sends them concurrently, so that a slow
// reader does not delay others. If too many are being sent, the one that has made no
// progress for longest is cut off.
type renderings struct {
	slots chan struct{} // one for each that is made, until it may be sent

	mu      sync.Mutex
	sending []*sending // at most maxSendings; the one that went on last is last
}

type sending struct {
	cut   func()        // makes the reader's connection fail
	ended chan struct{} // closed when its memory is free again
}

func newRenderings() *renderings {
	return &renderings{slots: make(chan struct{}, maxRenderings)}
}

// of bounds a handler. It answers 503 to a request that gets no slot in time.
func (r *renderings) of(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		late := time.NewTimer(renderingWait)
		defer late.Stop()
		select {
		case r.slots <- struct{}{}:
		case <-req.Context().Done():
			return
		case <-late.C:
			w.Header().Set("Retry-After", "1")
			send(w, http.StatusServiceUnavailable, plainText, []byte("too many requests at once\n"))
			return
		}
		answer, s := r.make(w, req, next)
		defer r.end(s)
		w.WriteHeader(answer.status)
		for part := range slices.Chunk(answer.body.Bytes(), maxUnsent) {
			if _, err := w.Write(part); err != nil {
				return // a client that went away is no concern of ours
			}
			r.goesOn(s)
		}
	})
}

// make renders the answer, and gives the slot back when there is room to send it.
func (r *renderings) make(w http.ResponseWriter, req *http.Request, next http.Handler) (*rendered, *sending) {
	defer func() { <-r.slots }()
	answer := &rendered{header: w.Header(), status: http.StatusOK}
	next.ServeHTTP(answer, req)
	w.Header().Set("Content-Length", strconv.Itoa(answer.body.Len()))
	reader := http.NewResponseController(w)
	s := &sending{cut: func() { _ = reader.SetWriteDeadline(time.Unix(1, 0)) }, ended: make(chan struct{})}
	for slowest := r.begin(s); slowest != nil; slowest = r.begin(s) {
		<-slowest.ended
	}
	return answer, s
}

// begin counts s, or cuts the slowest and returns it: that one must end first. It cuts
// under mu, so that it never cuts the connection's next answer.
func (r *renderings) begin(s *sending) (slowest *sending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sending) >= maxSendings {
		r.sending[0].cut()
		return r.sending[0]
	}
	r.sending = append(r.sending, s)
	return nil
}

// goesOn notes that a reader has made progress.
func (r *renderings) goesOn(s *sending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(s)
	r.sending = append(r.sending, s)
}

func (r *renderings) end(s *sending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(s)
	close(s.ended)
}

// forget takes one out of sending. Guarded by mu.
func (r *renderings) forget(s *sending) {
	r.sending = slices.DeleteFunc(r.sending, func(other *sending) bool { return other == s })
}

// rendered is an answer that is whole before its first byte is sent: no half page
// under 200.
type rendered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *rendered) Header() http.Header         { return a.header }
func (a *rendered) WriteHeader(status int)      { a.status = status }
func (a *rendered) Write(p []byte) (int, error) { return a.body.Write(p) }
