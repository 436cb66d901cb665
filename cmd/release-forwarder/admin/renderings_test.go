package admin

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reader is a client that takes so many parts of an answer, and then no more until
// the server cuts it off.
type reader struct {
	takes int
	again chan struct{} // each lets it take one more part; nil: it takes what takes says

	once  sync.Once
	cut   chan struct{}
	taken int
}

func newReader(takes int) *reader { return &reader{takes: takes, cut: make(chan struct{})} }

func (r *reader) Header() http.Header { return http.Header{} }
func (r *reader) WriteHeader(int)     {}

func (r *reader) Write(p []byte) (int, error) {
	if r.taken < r.takes {
		r.taken++
		return len(p), nil
	}
	select {
	case <-r.again:
		r.taken++
		return len(p), nil
	case <-r.cut:
		return 0, errors.New("cut off")
	}
}

// SetWriteDeadline is what http.ResponseController calls.
func (r *reader) SetWriteDeadline(time.Time) error {
	r.once.Do(func() { close(r.cut) })
	return nil
}

func (r *reader) wasCut() bool {
	select {
	case <-r.cut:
		return true
	default:
		return false
	}
}

const parts = 5

func page() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("x", parts*maxUnsent)))
	})
}

// asks has readers ask, one after the other, each as soon as the one before waits or
// has its answer.
func asks(t *testing.T, h http.Handler, readers ...*reader) {
	t.Helper()
	for _, r := range readers {
		go h.ServeHTTP(r, new(http.Request).WithContext(t.Context()))
		synctest.Wait()
	}
}

func TestWhoReadsNothingKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := newRenderings()
		h, begun := made.of(page()), time.Now()
		var silent []*reader
		for range 10 * maxSendings {
			silent = append(silent, newReader(0))
		}
		asks(t, h, silent...)
		for i, r := range silent {
			if last := i >= len(silent)-maxSendings; r.wasCut() == last {
				t.Errorf("reader %d of %d: cut %v", i, len(silent), r.wasCut())
			}
		}
		if n := len(made.sending); n != maxSendings {
			t.Errorf("%d answers are kept, want %d", n, maxSendings)
		}
		quick := newReader(parts)
		asks(t, h, quick)
		if quick.taken != parts || time.Since(begun) > 0 {
			t.Errorf("the scraper got %d of %d parts after %v", quick.taken, parts, time.Since(begun))
		}
		asks(t, h, silent[:0]...)
		for _, r := range silent {
			_ = r.SetWriteDeadline(time.Time{})
		}
		synctest.Wait()
		if n := len(made.sending) + len(made.slots); n != 0 {
			t.Errorf("%d are left when all have gone", n)
		}
	})
}

func TestWhoGoesOnReadingIsNotCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newRenderings().of(page())
		slow := newReader(0)
		slow.again = make(chan struct{})
		asks(t, h, slow)
		var silent []*reader
		for range parts {
			for range maxSendings - 1 { // a part for each round of strangers
				silent = append(silent, newReader(0))
				asks(t, h, silent[len(silent)-1])
			}
			slow.again <- struct{}{}
			synctest.Wait()
		}
		if slow.wasCut() || slow.taken != parts {
			t.Errorf("cut %v after %d of %d parts", slow.wasCut(), slow.taken, parts)
		}
		for _, r := range silent {
			_ = r.SetWriteDeadline(time.Time{})
		}
	})
}
