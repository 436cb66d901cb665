package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"release-forwarder/cmd/sandbox/faults"
	"release-forwarder/cmd/sandbox/screen"
	"release-forwarder/cmd/testkit/platform"
)

// endpoint is the path of the platform's endpoint.
const endpoint = "/gate/1.0/parking/internal/update"

// platformServer is the platform's double behind a port.
type platformServer struct {
	*platform.Double
	// URL is the whole endpoint, for UPSTREAM_URL.
	URL    string
	server *http.Server
}

// startPlatform serves the double on 127.0.0.1; port 0 is any free one. Each
// answer takes latency; the player decides faults.
func startPlatform(port int, cfg platform.Config, latency time.Duration, player *faults.Player) (*platformServer, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	p := &platformServer{Double: platform.New(cfg), URL: "http://" + listener.Addr().String() + endpoint}
	p.Script(func(r *platform.Request) *platform.Reply {
		if reply := player.Reply(r); reply != nil {
			return reply
		}
		return &platform.Reply{Delay: latency}
	})
	p.server = &http.Server{
		Handler: p.Double, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0), // what it would say are the faults' cut connections
	}
	go func() { _ = p.server.Serve(listener) }() // ends with Close
	return p, nil
}

// Close ends it with every open request.
func (p *platformServer) Close() { _ = p.server.Close() }

// platformCommand is "sandbox platform".
type platformCommand struct {
	Port    int           `default:"0" help:"Port on 127.0.0.1; 0: any free one."`
	Secret  string        `default:"sandbox-secret" help:"The app_secret that requests must be signed with."`
	AppID   string        `help:"The app_id that requests must carry; empty: any or none."`
	Latency time.Duration `default:"20ms" help:"How long each answer takes."`
	Faults  string        `default:"" help:"Faults on a schedule; empty: none."`
}

// Help is shown by --help.
func (platformCommand) Help() string {
	return `It checks fields and signatures as the platform does, ignores repeated flow numbers, and prints the settings that a forwarder needs to use it, then a line a second while requests come.

` + faultsHelp + `

Example: sandbox platform --port 8090 --faults "errors@10s+2s/30s, timeout@20s/1m".`
}

// Validate is called by the command line's parser.
func (c platformCommand) Validate() error {
	if c.Port < 0 || c.Port > 65_535 {
		return errors.New("--port must be 0 to 65535")
	}
	_, err := faults.Parse(c.Faults)
	return err
}

// Run is "sandbox platform".
func (c platformCommand) Run(ctx context.Context, out *screen.Screen) error {
	schedule, err := faults.Parse(c.Faults)
	if err != nil {
		return err
	}
	player := faults.NewPlayer(schedule, out.Say)
	// It may run for days: only counts are kept, and the latest flow numbers.
	cfg := platform.Config{Secret: c.Secret, AppID: c.AppID, KeepRequests: -1, KeepFlows: 100_000}
	double, err := startPlatform(c.Port, cfg, c.Latency, player)
	if err != nil {
		return err
	}
	defer double.Close()
	out.Say("UPSTREAM_URL=" + double.URL)
	out.Say("UPSTREAM_APP_SECRET=" + c.Secret)
	if c.AppID != "" {
		out.Say("UPSTREAM_APP_ID=" + c.AppID)
	}
	out.Say("# The platform's double; Ctrl-C ends it.")
	go player.Run(ctx)
	double.report(ctx, out)
	return nil
}

// report shows the counts once a second while they change, until ctx ends.
func (p *platformServer) report(ctx context.Context, out *screen.Screen) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	shown := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if s := p.Stats(); s.Received != shown {
			shown = s.Received
			out.Say(fmt.Sprintf("received %d  accepted %d  repeated %d  in flight %d%s", s.Received, s.Accepted, s.Repeated, s.InFlight, others("  not accepted: ", s)))
		}
	}
}
