package admin

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestServesUntilItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := New(Config{Addr: "127.0.0.1:0", Sources: Sources{Live: answers(true, "turning")}})
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()

	r, err := http.Get("http://" + s.Addr() + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	if body := bodyOf(t, r); r.StatusCode != 200 || body != "turning\n" {
		t.Errorf("%d %q", r.StatusCode, body)
	}
	_ = r.Body.Close()

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("a stop as asked is no error: %v", err)
	}
	if c, err := net.Dial("tcp", s.Addr()); err == nil {
		_ = c.Close()
		t.Error("the port is still open")
	}
}

func TestAnAddressInUseIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = New(Config{Addr: taken.Addr().String()}).Run(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "ADMIN_ADDR: ") {
		t.Errorf("error %v, want one that names ADMIN_ADDR", err)
	}
}

func TestNoneIsNoServer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := New(Config{Addr: None})
	if err := s.Listen(ctx); err != nil || s.Addr() != "" {
		t.Errorf("listens on %q, %v", s.Addr(), err)
	}
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestServerLogIsOneShortLine(t *testing.T) {
	var out bytes.Buffer
	l := serverLog{slog.New(slog.NewJSONHandler(&out, nil))}
	if _, err := l.Write([]byte("http: panic serving 1.2.3.4: oops\ngoroutine 7 [running]:\n" + strings.Repeat("x", 10_000))); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out.String(), "\n") != 1 || strings.Contains(out.String(), "goroutine") || !strings.Contains(out.String(), "oops") {
		t.Error(out.String())
	}
}
