package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/cmd/release-forwarder/settings"

	"google.golang.org/grpc/grpclog"
)

// reader is standard error with somebody who reads it, or does not, or has gone.
type reader struct {
	mu    sync.Mutex
	reads *sync.Cond
	open  bool  // guarded by mu
	fails error // guarded by mu: what writes end with; those that are torn take a half
	torn  bool
	text  bytes.Buffer
}

func newReader(open bool) *reader {
	r := &reader{open: open}
	r.reads = sync.NewCond(&r.mu)
	return r
}

func (r *reader) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.open {
		r.reads.Wait()
	}
	if r.fails != nil {
		if !r.torn {
			return 0, r.fails
		}
		p = p[:len(p)/2]
	}
	n, _ := r.text.Write(p)
	return n, r.fails
}

// set changes what becomes of writes from now on.
func (r *reader) set(open bool, fails error, torn bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open, r.fails, r.torn = open, fails, torn
	r.reads.Broadcast()
}

// take returns what was written since, once nothing goes on.
func (r *reader) take() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.text.Reset()
	return r.text.String()
}

// inQueue runs a test with a logger whose lines go through a queue.
func inQueue(t *testing.T, open bool, test func(r *reader, q *Queue, tel *Telemetry)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Setenv("OTEL_SDK_DISABLED", "true")
		r := newReader(open)
		q := NewQueue(r, settings.FormatJSON)
		tel, err := Start(t.Context(), Config{Writer: q, LogFormat: settings.FormatJSON, LogLevel: slog.LevelDebug})
		if err != nil {
			t.Fatal(err)
		}
		test(r, q, tel)
		r.set(true, nil, false)
		_ = tel.Shutdown(t.Context())
	})
}

// told sums up the lines that are said to be dropped, and fails on a line that is not whole.
func told(t *testing.T, text string) (dropped, lines int) {
	t.Helper()
	for line := range strings.Lines(text) {
		var l struct {
			Event   string
			Dropped int
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if dropped += l.Dropped; l.Event != "lines-dropped" {
			lines++
		}
	}
	return dropped, lines
}

func TestNobodyWaitsForAReaderAndTheNextLineSaysWhatIsMissing(t *testing.T) {
	inQueue(t, false, func(r *reader, q *Queue, tel *Telemetry) {
		text := strings.Repeat("x", 1000)
		const many = 3000 // far more than fits
		for range many {
			tel.Logger.Debug("ordinary", "text", text) // never limited
		}
		for n := range 100 {
			joined.Log(tel.Logger, slog.Int("n", n), slog.String("text", text))
		}
		if q.bytes > QueueBytes {
			t.Errorf("%d bytes in the queue", q.bytes)
		}
		body := scrape(t, tel)
		if !strings.Contains(body, `log_lines_dropped_total{kind="state"} 0`) {
			t.Error("changes of state are dropped although there is room kept for them")
		}
		r.set(true, nil, false)
		dropped, lines := told(t, r.take())
		if want := fmt.Sprintf(`log_lines_dropped_total{kind="log"} %d`, dropped); dropped == 0 || !strings.Contains(body, want) {
			t.Errorf("%d are said to be dropped, /metrics has another number", dropped)
		}
		if lines+dropped != many+100 {
			t.Errorf("%d lines and %d dropped of %d", lines, dropped, many+100)
		}
		tel.Logger.Info("after")
		if dropped, lines := told(t, r.take()); dropped != 0 || lines != 1 {
			t.Errorf("%d lines, %d dropped: told twice", lines, dropped)
		}
	})
}

func TestTheReserveHasAnEndToo(t *testing.T) {
	inQueue(t, false, func(r *reader, q *Queue, tel *Telemetry) {
		text := strings.Repeat("x", 1000)
		for range 2000 {
			joined.Log(tel.Logger, slog.String("text", text))
		}
		if q.bytes > QueueBytes || q.bytes < QueueBytes-2000 {
			t.Errorf("%d bytes in the queue", q.bytes)
		}
		r.set(true, nil, false)
		dropped, lines := told(t, r.take())
		if dropped == 0 || lines+dropped != 2000 {
			t.Errorf("%d lines and %d dropped of 2000", lines, dropped)
		}
	})
}

func TestWhatCannotBeWrittenIsCountedAndGoesOn(t *testing.T) {
	for _, torn := range []bool{false, true} {
		inQueue(t, true, func(r *reader, q *Queue, tel *Telemetry) {
			tel.Logger.Info("before")
			if dropped, lines := told(t, r.take()); dropped != 0 || lines != 1 {
				t.Errorf("%d lines, %d dropped", lines, dropped)
			}
			r.set(true, errors.New("no space left on device"), torn)
			for range 3 {
				tel.Logger.Info("lost")
				synctest.Wait()
			}
			half := r.take()
			r.set(true, nil, false)
			tel.Logger.Info("after")
			got := r.take()
			if torn {
				if half == "" || got[0] != '\n' {
					t.Errorf("a line stands behind a half one: %q", got)
				}
				got = got[1:]
			}
			if dropped, lines := told(t, got); dropped != 3 || lines != 1 {
				t.Errorf("%d lines, %d dropped: %s", lines, dropped, got)
			}
			if !strings.Contains(scrape(t, tel), `log_lines_dropped_total{kind="log"} 3`) {
				t.Error("they are not counted")
			}
		})
	}
}

func TestTheEndWaitsForTheQueueButNotForEver(t *testing.T) {
	inQueue(t, true, func(r *reader, q *Queue, tel *Telemetry) {
		begun := time.Now()
		tel.Logger.Info("stopped")
		q.Flush(time.Second)
		if _, lines := told(t, r.text.String()); lines != 1 || time.Since(begun) != 0 {
			t.Errorf("%d lines after %s", lines, time.Since(begun))
		}
		r.set(false, nil, false)
		tel.Logger.Info("stopped")
		q.Flush(time.Second)
		if d := time.Since(begun); d != time.Second {
			t.Errorf("waited for %s", d)
		}
	})
}

func TestWhatLibrariesSayIsALogLineWithoutWhatTheyQuote(t *testing.T) {
	tel, lines := start(t, nil)
	log.Printf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", `{"plate":"B12345"}`, nil)
	log.Printf("http: superfluous %q", `{"plate":"B12345"}`)
	grpclog.Error("transport: Got too many pings")
	slog.Default().Info("by the default logger")
	if tel.Logger == nil || strings.Contains(lines.String(), "B12345") {
		t.Error(lines.String())
	}
	for _, want := range []string{
		`"level":"ERROR","msg":"a server sent an answer over HTTP/1.1 that no request asked for","event":"stray-answer","remedy":"have the server or the proxy in front of it fixed`,
		`"what":"http: superfluous \"…\""`,
		`"what":"ERROR: transport: Got too many pings"`, "by the default logger", `"event":"library"`,
	} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("lacks %s: %s", want, lines)
		}
	}
}
