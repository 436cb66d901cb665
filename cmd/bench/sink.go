package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// sinkCommand is a collector that takes all that is sent by OTLP over HTTP and
// counts the spans: what was not sampled, or was dropped on the way, does not
// come.
type sinkCommand struct{}

func (sinkCommand) Run() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, sink())
}

func sink() http.Handler {
	var spans atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/v1/traces" {
			spans.Add(countSpans(body))
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, spans.Load()) })
	return mux
}

// spansOf asks a sink how many spans it got.
func spansOf(address string) (spans int64, err error) {
	resp, err := http.Get("http://" + address + "/")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = fmt.Fscan(resp.Body, &spans)
	return spans, err
}

// countSpans counts the spans of an ExportTraceServiceRequest
// (opentelemetry-proto, trace.proto): resource_spans is its field 1, scope_spans
// field 2 of that, spans field 2 of that.
func countSpans(request []byte) (n int64) {
	each(request, 1, func(resource []byte) {
		each(resource, 2, func(scope []byte) {
			each(scope, 2, func([]byte) { n++ })
		})
	})
	return n
}

// each gives the messages of a repeated field. It ends at whatever it does not
// understand.
func each(message []byte, field uint64, f func([]byte)) {
	for len(message) > 0 {
		tag, size := binary.Uvarint(message)
		if size <= 0 {
			return
		}
		message = message[size:]
		var skip int
		switch tag & 7 {
		case 0:
			_, skip = binary.Uvarint(message)
			if skip <= 0 {
				return
			}
		case 1:
			skip = 8
		case 2:
			length, size := binary.Uvarint(message)
			if size <= 0 || length > uint64(len(message)-size) {
				return
			}
			skip = size + int(length)
			if tag>>3 == field {
				f(message[size:skip])
			}
		case 5:
			skip = 4
		default:
			return
		}
		message = message[min(skip, len(message)):]
	}
}
