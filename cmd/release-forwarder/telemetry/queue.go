package telemetry

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"release-forwarder/cmd/release-forwarder/settings"
)

// Bounds of a Queue, in bytes. Lines that are no change of state leave the reserve free:
// what happened cannot be understood without those.
const (
	QueueBytes   = 1 << 20
	QueueReserve = 256 << 10

	// lineCost is what a line in the queue takes beside its text.
	lineCost = 64
)

// What a line is: the labels of log_lines_dropped_total.
const (
	lineState   = "state"   // a log line that tells of a change of state
	lineLog     = "log"     // any other log line
	lineConsole = "console" // what an exporter named console prints
)

// lineKinds is the closed list.
var lineKinds = []string{lineState, lineLog, lineConsole}

// Queue is in front of standard error, or another writer of lines. Writing a line never
// waits: the line is copied into the queue, and one goroutine at a time writes what is
// there. If no one reads the pipe, the disk is full or the reader is gone, lines are
// dropped and counted, and the next line that is written says how many.
//
// The goroutine ends when nothing is left, so that an idle Queue needs no end.
type Queue struct {
	to     io.Writer
	notice slog.Handler // writes to says, under mu
	// dropped counts for /metrics, by kind.
	dropped *counter
	torn    bool // the line before was written in part; the goroutine's

	mu sync.Mutex
	// The rest is guarded by mu.
	lines      []line
	bytes      int   // of lines, the one being written included; at most QueueBytes
	unreported int64 // lines dropped that no line has reported
	says       bytes.Buffer
	writing    bool            // the goroutine runs
	empty      []chan struct{} // closed when it ends
}

type line struct {
	text    []byte
	kind    string
	reports int64 // how many dropped lines it reports
}

// NewQueue returns a queue in front of to; format is that of the line which reports dropped
// lines.
func NewQueue(to io.Writer, format settings.Format) *Queue {
	q := &Queue{to: to, dropped: newCounter(logLinesDropped)}
	q.notice = named{NewLogHandler(&q.says, slog.LevelInfo, format)}
	return q
}

// Write implements io.Writer: each call is one line, whose end it includes.
func (q *Queue) Write(p []byte) (int, error) { return queued{q, lineLog}.Write(p) }

// queued is a Queue for lines of one kind.
type queued struct {
	*Queue
	kind string
}

// Write implements io.Writer. It never fails: no caller could do anything about it.
func (w queued) Write(p []byte) (int, error) {
	w.add(line{text: bytes.Clone(p), kind: w.kind})
	return len(p), nil
}

// outlet returns the writer for lines of a kind: w itself, or the Queue's own if w is a Queue.
func outlet(w io.Writer, kind string) io.Writer {
	if q, ok := w.(*Queue); ok {
		return queued{q, kind}
	}
	return w
}

func (q *Queue) add(l line) {
	q.mu.Lock()
	defer q.mu.Unlock()
	free := QueueBytes - q.bytes
	if l.kind != lineState {
		free -= QueueReserve
	}
	if free -= l.cost(); free >= 0 && q.unreported > 0 {
		if report := q.report(l.kind); report.cost() <= free {
			q.push(report)
		} else {
			free = -1
		}
	}
	if free < 0 {
		q.drop(l)
		return
	}
	q.push(l)
}

func (q *Queue) push(l line) {
	q.unreported -= l.reports
	q.bytes += l.cost()
	q.lines = append(q.lines, l)
	if !q.writing {
		q.writing = true
		go q.write()
	}
}

func (l line) cost() int { return len(l.text) + lineCost }

// drop counts a line that is not written; of a report, the lines that it would have reported.
func (q *Queue) drop(l line) {
	if l.reports > 0 {
		q.unreported += l.reports
		return
	}
	q.unreported++
	q.dropped.add(l.kind)
}

// report is the line that reports what was dropped since the last one.
func (q *Queue) report(kind string) line {
	q.says.Reset()
	_ = q.notice.Handle(context.Background(), eventLinesDropped.Record(slog.Int64("dropped", q.unreported))) // into memory
	return line{text: bytes.Clone(q.says.Bytes()), kind: kind, reports: q.unreported}
}

// write writes line by line until nothing is left. A line that cannot be written is
// dropped, whatever the reason: the next may go through.
func (q *Queue) write() {
	var failed error
	for l, ok := q.next(nil); ok; l, ok = q.next(failed) {
		text := l.text
		if q.torn {
			text = append([]byte("\n"), text...)
		}
		var n int
		n, failed = q.to.Write(text)
		q.torn = failed != nil && (q.torn || n > 0)
		q.wrote(l, failed)
	}
}

// next takes the first line. If none is left and some were dropped, it is the line that
// reports them, unless the last one could not be written.
func (q *Queue) next(failed error) (line, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lines) == 0 && q.unreported > 0 && failed == nil {
		q.push(q.report(lineState))
	}
	if len(q.lines) == 0 {
		q.lines, q.writing = nil, false
		for _, c := range q.empty {
			close(c)
		}
		q.empty = nil
		return line{}, false
	}
	l := q.lines[0]
	q.lines[0] = line{}
	q.lines = q.lines[1:]
	return l, true
}

func (q *Queue) wrote(l line, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= l.cost()
	if err != nil {
		q.drop(l)
	}
}

// Flush waits until all lines are written, at most for limit; the rest is lost with the
// process.
func (q *Queue) Flush(limit time.Duration) {
	q.mu.Lock()
	if !q.writing {
		q.mu.Unlock()
		return
	}
	empty := make(chan struct{})
	q.empty = append(q.empty, empty)
	q.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-empty:
	case <-timer.C:
	}
}
