package admin

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// None as an address means: no server.
const None = "none"

// Bounds of the server. A client that sends or reads slowly is cut off.
const (
	maxConnections    = 256
	maxLeaving        = 1024
	maxHeaderBytes    = 4 << 10 // net/http adds as much again
	maxHeaderLines    = 100     // a short line costs many times its length once it is parsed
	maxUnsent         = 64 << 10
	readTimeout       = 5 * time.Second
	writeTimeout      = 10 * time.Second
	idleTimeout       = 10 * time.Second
	shutdownTimeout   = time.Second
	maxServerLogBytes = 200
)

// Config is what New needs.
type Config struct {
	// Addr is ADMIN_ADDR: host:port, :port, or [None].
	Addr string
	// Hosts is ADMIN_HOSTS: the names by which the server may be asked, beside
	// addresses and localhost.
	Hosts []string
	// Sources answer the requests.
	Sources Sources
	// Logger gets what goes wrong; nil: no log.
	Logger *slog.Logger
}

// Server is the admin server.
type Server struct {
	cfg      Config
	listener *visitors // nil before Listen, and where the address is None
}

// New returns a server that does not listen yet.
func New(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg}
}

// Listen binds the address, so that one that cannot be used is an error before
// anything else is started. Connections wait until [Server.Run]. A server that
// listens must be run, if only with a context that has ended.
func (s *Server) Listen(ctx context.Context) error {
	if s.cfg.Addr == None || s.listener != nil {
		return nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("ADMIN_ADDR: cannot listen: %w", err)
	}
	s.listener = newVisitors(listener)
	return nil
}

// Addr is the address bound, with the port that was chosen where 0 was asked
// for; "" before Listen or without a server.
func (s *Server) Addr() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Run listens, if [Server.Listen] has not, and serves until ctx ends; then it
// finishes the requests that are open, a second at most, cuts the rest, and
// returns nil. With [None] it only waits for ctx.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	if s.listener == nil {
		<-ctx.Done()
		return nil
	}
	server := &http.Server{
		Handler:           guarded(newHosts(s.cfg.Hosts).guard(NewHandler(s.cfg.Sources))),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         s.listener.state,
		// Else net/http answers OPTIONS * by itself, whatever the handler thinks of it.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(serverLog{s.cfg.Logger}, "", 0),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.listener) }()
	select {
	case err := <-served: // it never returns nil
		_ = server.Close()
		return fmt.Errorf("ADMIN_ADDR: server ended: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		_ = server.Close() // cuts what is still open
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("ADMIN_ADDR: server ended: %w", err)
	}
	return nil
}

// serverLog makes net/http's lines one event with a short text.
type serverLog struct{ logger *slog.Logger }

func (l serverLog) Write(line []byte) (int, error) {
	text, _, _ := strings.Cut(string(line[:min(len(line), maxServerLogBytes)]), "\n")
	eventAdminRequest.Log(l.logger, slog.String("error", strings.ToValidUTF8(text, "?")))
	return len(line), nil
}
