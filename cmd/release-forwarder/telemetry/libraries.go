package telemetry

import (
	"bytes"
	"errors"
	"io"
	"log"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/grpclog"
)

// library takes the lines of libraries that would write to standard error by
// themselves: net/http and slog's default by package log, gRPC by a logger of its own.
type library struct {
	logger atomic.Pointer[slog.Logger] // of the telemetry that was started last
}

var libraries library

// capture makes the process's libraries write to libraries. gRPC takes a logger only
// before it is used.
var capture = sync.OnceFunc(func() {
	log.SetFlags(0)
	log.SetOutput(&libraries)
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, &libraries))
})

// unsolicited begins net/http's line of an answer that came on an idle connection: the
// sign of a server whose answers may be taken for those of other requests.
const unsolicited = "Unsolicited response received on idle HTTP channel"

var (
	// quoted is what a library quotes: net/http an answer of the platform, whole.
	quoted = regexp.MustCompile(`(?s)".*"`)
	// stamped is the date that gRPC's lines begin with.
	stamped = regexp.MustCompile(`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d `)
)

// Write implements io.Writer for package log: each call is one line.
func (l *library) Write(p []byte) (int, error) {
	if logger := l.logger.Load(); logger != nil {
		if bytes.HasPrefix(p, []byte(unsolicited)) {
			eventStrayAnswer.Log(logger)
			return len(p), nil
		}
		text := quoted.ReplaceAllString(stamped.ReplaceAllString(strings.TrimSpace(string(p)), ""), `"…"`)
		eventLibrary.Log(logger, slog.String("what", cleanError(errors.New(text))))
	}
	return len(p), nil
}
